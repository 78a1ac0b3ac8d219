cimport cython

from colo_twisted.packets.checksum cimport put_long, put_word, updated
from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets cimport sequence

cdef int OFFSET_MASK, PROTOCOL_DESTINATION_OPTIONS, PROTOCOL_FRAGMENT, PROTOCOL_HOP_BY_HOP
cdef int PROTOCOL_ICMP, PROTOCOL_ICMPV6, V6_FIRST_INFORMATIONAL
cdef int PROTOCOL_ROUTING, PROTOCOL_TCP, V4_FRAGMENT_AT, V4_HEADER, V4_PROTOCOL_AT, V4_SOURCE_AT, V6_HEADER
cdef int V6_NEXT_HEADER_AT, V6_SOURCE_AT, TCP, CHECKSUM_AT, SEQ_AT

cpdef set_long(bytearray data, Py_ssize_t at, unsigned int value, Py_ssize_t checksum_at, bint odd)
cpdef set_word(bytearray data, Py_ssize_t at, unsigned int value, Py_ssize_t checksum_at)
@cython.locals(odd=bint, edge=Py_ssize_t)
cpdef shift_blocks(
    bytearray data, Py_ssize_t option, Py_ssize_t transport, unsigned int offset, Py_ssize_t checksum_at
)
@cython.locals(block=Py_ssize_t, end="unsigned int")
cpdef bint has_block_beyond(const unsigned char* data, Py_ssize_t option, unsigned int most) except -1
cpdef drop_blocks_beyond(
    bytearray data, Py_ssize_t option, Py_ssize_t transport, unsigned int most, Py_ssize_t checksum_at
)
@cython.locals(message=int)
cpdef bint is_error(const unsigned char* data, Headers headers) except -1
@cython.locals(transport=Py_ssize_t)
cpdef Py_ssize_t quoted_tcp(const unsigned char* data, Py_ssize_t at, Py_ssize_t end, int version) except -1
@cython.locals(protocol=int, size=Py_ssize_t)
cdef Py_ssize_t _behind_v6(const unsigned char* data, Py_ssize_t at, Py_ssize_t end) except -1
cpdef bytes quoted_key(bytes data, Headers headers, Py_ssize_t tcp)
@cython.locals(own=Py_ssize_t, whole=bint, seq="unsigned int", checksum="unsigned int")
cpdef shift_quoted_seq(bytearray data, Py_ssize_t tcp, Py_ssize_t end, unsigned int offset, Py_ssize_t checksum_at)
