cimport cython

from colo_twisted.netdev cimport calls
from colo_twisted.packets cimport fields, octets
from colo_twisted.packets.batch cimport Batch

cdef int LENGTH_SIZE, MAX_FRAME, TAP_HEADER_SIZE, VNET_LENGTH_SIZE


cdef class PacketDescriptor:
    cdef readonly int fd
    cdef readonly bint vnet_hdr
    cdef public int error
    cdef public Py_ssize_t packets, octets
    cdef Py_ssize_t _most_octets
    cdef bytearray _buffer

    @cython.locals(prefix=Py_ssize_t, end=Py_ssize_t, count=Py_ssize_t, size=Py_ssize_t)
    cpdef Batch read(self, Py_ssize_t most)
    @cython.locals(before=Py_ssize_t, as_it_is=bint, end=Py_ssize_t, count=Py_ssize_t, octets=Py_ssize_t,
                   body=Py_ssize_t, behind=Py_ssize_t, size=Py_ssize_t)
    cpdef Py_ssize_t write(self, bytes data, Py_ssize_t at, bint vnet_hdr) except -1
    cpdef Py_ssize_t behind(self, bytes data, Py_ssize_t at, bint vnet_hdr) except -1
    @cython.locals(behind=Py_ssize_t)
    cpdef list packets_of(self, bytes data, Py_ssize_t at, bint vnet_hdr)
    cdef bytes _packet(self, bytes data, Py_ssize_t at, Py_ssize_t behind, bint vnet_hdr)
    cpdef Py_ssize_t write_packet(self, bytes packet)
