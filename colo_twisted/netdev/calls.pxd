# inline

from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.errno cimport EINTR, errno
from posix.unistd cimport read, write


cdef inline Py_ssize_t read_into(int fd, bytearray buffer, Py_ssize_t at, Py_ssize_t most) noexcept:
    cdef Py_ssize_t size
    while True:
        size = read(fd, PyByteArray_AS_STRING(buffer) + at, most)
        if size >= 0:
            return size
        if errno != EINTR:
            return -errno


cdef inline Py_ssize_t write_from(int fd, const unsigned char* data, Py_ssize_t start, Py_ssize_t end) noexcept:
    cdef Py_ssize_t size
    while True:
        size = write(fd, data + start, end - start)
        if size >= 0:
            return size
        if errno != EINTR:
            return -errno
