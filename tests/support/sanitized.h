/*
 * A sanitized build's C begins with this (setup.py). CPython keeps a zero behind each bytes object's last byte, and
 * bytearrays have memory to spare: compiled code that reads one byte too many would find it. Here it finds poison, from
 * the moment at which it first has the object's address. CPython's own code, which is not sanitized, does not notice.
 */
#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>
#include <sanitizer/asan_interface.h>

static inline char *colo_octets_of_bytes(PyObject *object) {
    char *octets = PyBytes_AS_STRING(object);
    ASAN_POISON_MEMORY_REGION(octets + PyBytes_GET_SIZE(object), 1);
    return octets;
}

static inline int colo_octets_and_size(PyObject *object, char **octets, Py_ssize_t *size) {
    int failed = PyBytes_AsStringAndSize(object, octets, size);
    if (!failed)
        colo_octets_of_bytes(object);
    return failed;
}

static inline char *colo_octets_of_bytearray(PyObject *object) {
    PyByteArrayObject *array = (PyByteArrayObject *)object;
    char *octets = PyByteArray_AS_STRING(object);
    if (array->ob_alloc) {
        char *end = octets + PyByteArray_GET_SIZE(object);
        ASAN_UNPOISON_MEMORY_REGION(octets, end - octets);
        ASAN_POISON_MEMORY_REGION(end, array->ob_bytes + array->ob_alloc - end);
    }
    return octets;
}

#undef PyBytes_AS_STRING
#undef PyByteArray_AS_STRING
#define PyBytes_AS_STRING(object) colo_octets_of_bytes((PyObject *)(object))
#define PyByteArray_AS_STRING(object) colo_octets_of_bytearray((PyObject *)(object))
#define PyBytes_AsStringAndSize colo_octets_and_size
