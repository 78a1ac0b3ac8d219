# inline

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EINTR, errno
from libc.string cimport memcpy

cdef extern from "<sys/socket.h>" nogil:
    ssize_t recv(int, void*, size_t, int)
    int MSG_DONTWAIT

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


cdef inline bytes receive(int fd, bytes begun, Py_ssize_t most):
    cdef Py_ssize_t before = len(begun)
    cdef bytes data = PyBytes_FromStringAndSize(NULL, before + most)
    cdef char* octets = PyBytes_AS_STRING(data)
    cdef ssize_t size
    memcpy(octets, PyBytes_AS_STRING(begun), before)
    while True:
        size = recv(fd, octets + before, most, MSG_DONTWAIT)
        if size >= 0:
            return shortened(data, before + size)
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
