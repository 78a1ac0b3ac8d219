# inline

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, _PyBytes_Resize
from cpython.exc cimport PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, PyObject
from libc.errno cimport EINTR, errno
from libc.string cimport memcpy

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void*, size_t, int)
    int MSG_DONTWAIT

cdef extern from "Python.h":
    PyObject* new_bytes "PyBytes_FromStringAndSize"(const char*, Py_ssize_t)

cdef extern from *:
    """
    static inline void colo_cut_bytes(PyObject *data, Py_ssize_t size) {
        Py_SET_SIZE((PyVarObject *)data, size);
        PyBytes_AS_STRING(data)[size] = 0;
    }
    """
    void colo_cut_bytes(object, Py_ssize_t)


cdef inline bytes shortened(bytes data, Py_ssize_t size):
    # In its place as long as no more than an eighth of the memory is wasted by it.
    if size > len(data) - (len(data) >> 3):
        colo_cut_bytes(data, size)
        return data
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), size)


cdef inline bytes owned(PyObject* data):
    # As an object that counts the reference which the pointer was.
    cdef bytes made = <bytes>data
    Py_DECREF(made)
    return made


cdef inline bytes receive(int fd, bytes begun, Py_ssize_t most):
    # What of the room was not needed is given back in its place, and nothing is copied for that.
    cdef Py_ssize_t before = len(begun)
    cdef PyObject* data = new_bytes(NULL, before + most)
    cdef ssize_t size = -1
    if data == NULL:
        raise MemoryError
    memcpy(PyBytes_AS_STRING(<object>data), PyBytes_AS_STRING(begun), before)
    while size < 0:
        size = recv(fd, PyBytes_AS_STRING(<object>data) + before, most, MSG_DONTWAIT)
        if size < 0 and errno != EINTR:
            Py_DECREF(<object>data)
            PyErr_SetFromErrno(OSError)
    if _PyBytes_Resize(&data, before + size) < 0:
        raise MemoryError
    return owned(data)
