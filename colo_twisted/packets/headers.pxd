cimport cython

from colo_twisted.packets cimport fields

cdef int PORTS, ETHERNET_HEADER, MOST_TAGS, TAG, TYPE_8021AD, TYPE_8021Q, TYPE_IPV4, TYPE_IPV6, TYPE_QINQ
cdef int UDP_HEADER, UDP_LENGTH_AT
cdef int ICMP_HEADER, V6_FIRST_INFORMATIONAL
cdef int MORE_FRAGMENTS, MOST_EXTENSION_HEADERS, OFFSET_MASK
cdef int PROTOCOL_AUTHENTICATION, PROTOCOL_DESTINATION_OPTIONS, PROTOCOL_FRAGMENT, PROTOCOL_HOP_BY_HOP
cdef int PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_IGMP, PROTOCOL_ROUTING, PROTOCOL_TCP, PROTOCOL_UDP
cdef int V4_FRAGMENT_AT, V4_HEADER, V4_ID_AT, V4_PROTOCOL_AT, V4_SOURCE_AT, V4_TOTAL_LENGTH_AT
cdef int V6_FRAGMENT_HEADER, V6_HEADER, V6_NEXT_HEADER_AT, V6_PAYLOAD_LENGTH_AT, V6_SOURCE_AT
cdef int CONTROL, FRAGMENT, ICMP, MALFORMED, NOT_IP, OTHER_IP, TCP, UDP
cdef int ACK_AT, DATA_OFFSET_AT, FLAGS_AT, SEQ_AT, WINDOW_AT, TCP_HEADER


@cython.final
cdef class Headers:
    cdef public int kind, version, protocol, flags
    cdef public Py_ssize_t start, network, transport, payload, end
    cdef public unsigned int seq, ack, window
    cdef public unsigned int fragment_id, fragment_offset
    cdef public bint more_fragments

    cpdef int parse(self, const unsigned char* data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(at=Py_ssize_t, ether_type=int, tags=int)
    cdef int _parse(self, const unsigned char* data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(header=Py_ssize_t, total=Py_ssize_t, fragment=int)
    cdef int _parse_v4(self, const unsigned char* data, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(length=Py_ssize_t, kind=int)
    cdef int _parse_v6(self, const unsigned char* data, Py_ssize_t at, Py_ssize_t end) except -1
    @cython.locals(at=Py_ssize_t, protocol=int, unit=int, least=int)
    cdef int _walk_extension_headers(self, const unsigned char* data) except -1
    @cython.locals(field=int)
    cdef bint _is_part(self, const unsigned char* data, Py_ssize_t at) except -1
    @cython.locals(at=Py_ssize_t, size=Py_ssize_t, protocol=int)
    cpdef int parse_transport(self, const unsigned char* data) except -1
    @cython.locals(header=Py_ssize_t)
    cdef int _parse_tcp(self, const unsigned char* data, Py_ssize_t at, Py_ssize_t size) except -1
    @cython.locals(message=int)
    cdef int _parse_icmp(self, const unsigned char* data, Py_ssize_t at, Py_ssize_t size) except -1
    @cython.locals(network=Py_ssize_t)
    cpdef Py_ssize_t key_at(self) noexcept
    cpdef Py_ssize_t key_end(self) noexcept
    @cython.locals(at=Py_ssize_t, network=Py_ssize_t, transport=Py_ssize_t, addresses=Py_ssize_t, after=Py_ssize_t)
    cpdef bytes connection_key(self, bytes data)
