cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets.rewriting.edits cimport Edits
from colo_twisted.packets cimport fields
from colo_twisted.packets.rewriting.followed cimport Followed, reversed_key
from colo_twisted.packets.rewriting.following cimport Following
from colo_twisted.packets.rewriting.owed cimport owed_acks
from colo_twisted.packets.rewriting.resets cimport Resets
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets cimport sequence
from colo_twisted.packets.rewriting.translation cimport is_error, quoted_key, quoted_tcp

cdef int CLOSED, GUEST_SEEN, OPENING, PROPOSED, PROTOCOL_TCP
cdef int CONTROL, FRAGMENT, MALFORMED, TCP, ACK, FIN, RST, SYN, NO_SCALE
cdef long long _LARGEST_WINDOW


cdef class Rewriter:
    cdef public object counters
    cdef public Following following
    cdef Edits _edits
    cdef Headers _headers
    cdef dict _due
    cdef list _for_guest, _for_client
    cdef Resets _resets

    @cython.locals(edits=Edits, places=list, index=Py_ssize_t, kind=int)
    cpdef Batch to_guest(self, Batch batch, double now)
    @cython.locals(edits=Edits, places=list, index=Py_ssize_t, kind=int)
    cpdef Batch from_guest(self, Batch batch, double now)
    cpdef take_for_guest(self)
    cpdef take_for_client(self)
    cdef _made(self, list packets)
    cpdef fail_over(self, double now)
    cpdef bytes save(self)
    cpdef load(self, object table)
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
    @cython.locals(headers=Headers, edits=Edits, key=bytes, known=Followed)
    cdef Followed _of_fragment(self, bint incoming, double now)
    @cython.locals(headers=Headers, data=bytes, tcp=Py_ssize_t, known=Followed)
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
