# inline

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from "<arpa/inet.h>" nogil:
    uint16_t ntohs(uint16_t)


cdef inline unsigned int native_u16(const unsigned char* data, Py_ssize_t at) noexcept:
    cdef uint16_t value
    memcpy(&value, data + at, 2)
    return value


cdef inline void copy(
    bytearray buffer, Py_ssize_t at, const unsigned char* data, Py_ssize_t start, Py_ssize_t end
) noexcept:
    memcpy(PyByteArray_AS_STRING(buffer) + at, data + start, end - start)


cdef inline bytes beginning(bytearray buffer, Py_ssize_t end):
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer), end)


cdef inline unsigned int sum16(const unsigned char* data, Py_ssize_t start, Py_ssize_t end) noexcept:
    cdef uint64_t total = 0
    cdef uint32_t word
    cdef uint16_t half
    cdef Py_ssize_t index, words = (end - start) >> 2
    for index in range(words):
        memcpy(&word, data + start + (index << 2), 4)
        total += word
    start += words << 2
    if end - start >= 2:
        memcpy(&half, data + start, 2)
        total += half
        start += 2
    if start < end:
        half = 0
        memcpy(&half, data + start, 1)
        total += half
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ntohs(<uint16_t>total)
