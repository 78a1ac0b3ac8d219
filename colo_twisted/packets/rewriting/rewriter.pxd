cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets.rewriting.edits cimport Edits
from colo_twisted.packets.fields cimport u32
from colo_twisted.packets.rewriting.followed cimport Followed, reversed_key
from colo_twisted.packets.rewriting.following cimport Following
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.sequence cimport add, distance, later_of
from colo_twisted.packets.tcp_options cimport timestamps_at
from colo_twisted.packets.rewriting.translation cimport quoted_key, quoted_tcp

cdef int CLOSED, GUEST_SEEN, OPENING, PROPOSED, V6_FIRST_INFORMATIONAL, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP
cdef int V4_SOURCE_AT, V6_SOURCE_AT, CONTROL, FRAGMENT, MALFORMED, TCP, ACK, ACK_AT, FIN, RST, SYN, NO_SCALE
cdef long long _LARGEST_WINDOW


cdef class Rewriter:
    cdef public object counters
    cdef public Following following
    cdef Edits _edits
    cdef Headers _headers
    cdef dict _due
    cdef list _for_guest

    @cython.locals(edits=Edits, places=list, index=Py_ssize_t, kind=int)
    cpdef Batch to_guest(self, Batch batch, double now)
    @cython.locals(edits=Edits, places=list, index=Py_ssize_t, kind=int)
    cpdef Batch from_guest(self, Batch batch, double now)
    cpdef take_for_guest(self)
    @cython.locals(headers=Headers, flags=int, known=Followed)
    cdef _incoming(self, double now)
    cdef _propose(self, bytes key, Followed known, double now)
    @cython.locals(headers=Headers)
    cdef bint _teaches(self, Followed known) except -1
    cdef _calm(self, Followed known)
    cdef _learn(self, Followed known)
    @cython.locals(at=Py_ssize_t)
    cdef _learn_echo(self, Followed known)
    @cython.locals(headers=Headers, acknowledges=bint)
    cdef _incoming_reset(self, Followed known)
    @cython.locals(headers=Headers, edits=Edits, believed=bint, ack="unsigned int", ahead="unsigned int")
    cdef _incoming_segment(self, Followed known)
    @cython.locals(headers=Headers, length="unsigned int")
    cdef _note_incoming(self, Followed known)
    @cython.locals(known=Followed)
    cdef _incoming_fragment(self, double now)
    @cython.locals(headers=Headers, known=Followed)
    cdef Followed _of_fragment(self, bint incoming)
    @cython.locals(headers=Headers, data=bytes, message=int, tcp=Py_ssize_t, known=Followed)
    cdef _incoming_error(self, double now)
    @cython.locals(headers=Headers, flags=int, known=Followed)
    cdef _outgoing(self, double now)
    @cython.locals(headers=Headers, edits=Edits, at=Py_ssize_t)
    cdef _outgoing_syn(self, bytes key, Followed known, double now)
    @cython.locals(seq="unsigned int", end="unsigned int")
    cdef Followed _restart(self, bytes key, Followed known, double now)
    @cython.locals(headers=Headers)
    cdef _outgoing_reset(self, Followed known)
    @cython.locals(headers=Headers, closed=bint, length="unsigned int", end="unsigned int", more=bint)
    cdef _outgoing_segment(self, Followed known)
    @cython.locals(known=Followed)
    cdef _outgoing_fragment(self, double now)
    @cython.locals(known=Followed)
    cdef _deliver(self)


cpdef bytes owed_ack(Followed known, bytes packet, Py_ssize_t network, Py_ssize_t transport)
cpdef bytes turned(bytes packet, Py_ssize_t network, Py_ssize_t transport)
