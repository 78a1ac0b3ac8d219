cimport cython

from colo_twisted.packets cimport fields, octets, sequence
from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets.headers cimport Headers

cdef int LENGTH_SIZE, VNET_LENGTH_SIZE
cdef int V4_CHECKSUM_AT, V4_ID_AT, V4_TOTAL_LENGTH_AT, V6_HEADER, V6_PAYLOAD_LENGTH_AT
cdef int TCP, CHECKSUM_AT, CWR, FIN, FLAGS_AT, PSH, SEQ_AT
cdef int CSUM_OFFSET_AT, CSUM_START_AT, GSO_ECN, GSO_SIZE_AT, GSO_TCPV4, GSO_TCPV6, GSO_TYPE_AT, NEEDS_CSUM
cdef int TAP_HEADER_SIZE


cdef class Finishing:
    cdef readonly Py_ssize_t left_out
    cdef bytearray _out
    cdef Py_ssize_t _end, _count
    cdef Headers _headers

    @cython.locals(data=bytes, at=Py_ssize_t, header=Py_ssize_t, packet=Py_ssize_t)
    cpdef Batch finished(self, Batch batch)
    @cython.locals(missing=Py_ssize_t)
    cdef _make_room(self, Py_ssize_t size)
    @cython.locals(at=Py_ssize_t)
    cdef Py_ssize_t _put(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(at=Py_ssize_t)
    cdef Py_ssize_t _begin(self, Py_ssize_t size) except -1
    @cython.locals(start=Py_ssize_t, field=Py_ssize_t, at=Py_ssize_t)
    cdef bint _finish(self, bytes data, Py_ssize_t header, Py_ssize_t packet, Py_ssize_t end) except -1
    @cython.locals(size=Py_ssize_t, at=Py_ssize_t, index=Py_ssize_t)
    cdef bint _cut(self, bytes data, Py_ssize_t header, Py_ssize_t packet, Py_ssize_t end) except -1
    @cython.locals(headers=Headers, kind=int)
    cdef bint _is_large_segment(self, bytes data, Py_ssize_t header, Py_ssize_t packet, Py_ssize_t end) except -1
    @cython.locals(headers=Headers, out=bytearray, before=Py_ssize_t, at=Py_ssize_t, transport=Py_ssize_t, flags=int,
                   sums="unsigned int")
    cdef _put_piece(self, bytes data, Py_ssize_t start, Py_ssize_t behind, Py_ssize_t end, Py_ssize_t index)
    @cython.locals(headers=Headers, out=bytearray, transport=Py_ssize_t)
    cdef _put_network(self, Py_ssize_t network, Py_ssize_t index)
