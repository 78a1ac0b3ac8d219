# inline

from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcmp


cdef inline unsigned int u16(const unsigned char* data, Py_ssize_t at) noexcept:
    return (data[at] << 8) | data[at + 1]


cdef inline unsigned int u32(const unsigned char* data, Py_ssize_t at) noexcept:
    return (<unsigned int>data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]


cdef inline void put_u16(bytearray data, Py_ssize_t at, unsigned int value) noexcept:
    cdef unsigned char* octets = <unsigned char*>PyByteArray_AS_STRING(data) + at
    octets[0] = value >> 8
    octets[1] = value


cdef inline void put_u32(bytearray data, Py_ssize_t at, unsigned int value) noexcept:
    put_u16(data, at, value >> 16)
    put_u16(data, at + 2, value)


cdef inline bytes piece(const unsigned char* data, Py_ssize_t start, Py_ssize_t end):
    return PyBytes_FromStringAndSize(<const char*>data + start, end - start)


cdef inline bint same(
    const unsigned char* one, Py_ssize_t at, const unsigned char* other, Py_ssize_t there, Py_ssize_t count
) noexcept:
    return memcmp(one + at, other + there, count) == 0
