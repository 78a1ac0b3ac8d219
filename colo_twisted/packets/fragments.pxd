cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers

cdef int PROTOCOL_AUTHENTICATION, PROTOCOL_FRAGMENT
cdef int V4_FRAGMENT_AT, V4_TOTAL_LENGTH_AT
cdef int V6_FRAGMENT_HEADER, V6_HEADER, V6_NEXT_HEADER_AT, V6_PAYLOAD_LENGTH_AT


cdef class Incomplete:
    cdef public double deadline
    cdef public Py_ssize_t fragments, held_bytes, size, total
    cdef public list frames, parts
    cdef public bytes header
    cdef public bint refused

    @cython.locals(end=Py_ssize_t, index=Py_ssize_t, reached=Py_ssize_t, start=Py_ssize_t, known=bytes,
                   first=Py_ssize_t, behind=Py_ssize_t, gaps=list)
    cpdef bint lay(self, Py_ssize_t at, bytes part, bint whole_parts) except -1
    @cython.locals(reached=Py_ssize_t, start=Py_ssize_t, part=bytes)
    cpdef bint note_end(self, Py_ssize_t end, bint last) except -1
    cpdef bytes packet(self)


cdef class Reassembler:
    cdef Py_ssize_t _most_bytes
    cdef double _lifetime
    cdef object _incomplete
    cdef public Py_ssize_t held_bytes
    cdef public list given_up

    @cython.locals(key=bytes, packet=Incomplete)
    cpdef object add(self, bytes data, Py_ssize_t start, Py_ssize_t end, Headers headers, bytes frame, double now)
    @cython.locals(packet=Incomplete)
    cpdef list expire(self, double now)
    @cython.locals(cost=Py_ssize_t)
    cdef _keep(self, Incomplete packet, bytes frame, Headers headers)
    cdef _refuse(self, Incomplete packet)
    @cython.locals(packet=Incomplete)
    cdef _give_up_oldest(self)


@cython.locals(key=bytes)
cpdef bytes fragment_key(bytes data, Headers headers)
@cython.locals(at=Py_ssize_t, size=Py_ssize_t)
cdef bint _take(Incomplete packet, bytes data, Headers headers) except -1
@cython.locals(network=Py_ssize_t, cut_here=Py_ssize_t, header=bytearray)
cdef bytearray _first_header(bytes data, Headers headers)
@cython.locals(field=Py_ssize_t, at=Py_ssize_t, protocol=int)
cdef Py_ssize_t _last_next_header(bytearray header, Py_ssize_t network) except -1
@cython.locals(network=Py_ssize_t, length=Py_ssize_t, field=Py_ssize_t, header=bytearray)
cdef bint _set_length(Incomplete packet, Headers headers) except -1
