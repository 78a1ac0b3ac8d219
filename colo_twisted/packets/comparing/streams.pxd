# classes: no_gc=True
cimport cython

from colo_twisted.packets.comparing.byte_queue cimport ByteQueue
from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.outlet cimport Outlet
from colo_twisted.packets cimport sequence

cdef int FIN, RST, SYN
cdef int EQUAL, FIN_DIFFERS, PAYLOAD_DIFFERS, SYN_DIFFERS, UNMATCHED, WAIT
cdef double NEVER


cdef class StreamFlow(ByteQueue):
    cdef public list ahead
    cdef public unsigned char guessed, primary_syn, primary_fin, primary_rst, marked_syn
    cdef public unsigned char secondary_syn, secondary_fin, secondary_rst
    cdef public unsigned int sent_end
    cdef public unsigned int primary_isn, secondary_isn, secondary_fin_at
    cdef public unsigned int primary_offer, secondary_offer
    cdef public Held next_syn
    cdef public double secondary_since

    @cython.locals(behind=bint)
    cdef int receive_primary(self, Held held, Outlet outlet, double now) except -1
    cdef bint repeats(self, Held held) except -1
    cdef int _meet(self, Held held) except -1
    cdef int _place(self, unsigned int seq) except -1
    @cython.locals(head=Held)
    cdef int _hold_first(self, Held held) except -1
    @cython.locals(isn="unsigned int", verdict=int)
    cdef int _receive_secondary_syn(self, Held held, Outlet outlet, double now) except -1
    cdef int _keep_next_syn(self, Held held, unsigned int isn) except -1
    cdef int begin_secondary(self, unsigned int offer, unsigned int isn, double now) except -1
    cdef int note_primary(self, Held held) except -1
    cdef int note_secondary(self, Held held) except -1
    cdef int secondary_advanced(self, Outlet outlet, double now) except -1
    cdef bint may_acknowledge(self, Held held) except -1
    cdef int leave(self, Held held, Outlet outlet, double now) except -1
    cdef int receive_pure_ack(self, Held held, Outlet outlet, double now) except -1
    @cython.locals(verdict=int, held=Held)
    cdef int advance(self, Outlet outlet, double now) except -1
    @cython.locals(flags=int, verdict=int)
    cdef int _judge(self, Held held) except -1
    @cython.locals(
        seq="unsigned int", part=Held, into="long long", count=Py_ssize_t, mine=Py_ssize_t, theirs=Py_ssize_t
    )
    cdef int _judge_payload(self, Held held) except -1
    @cython.locals(offset=Py_ssize_t)
    cdef int _tell_difference(self, Held held, Py_ssize_t mine, Held part, Py_ssize_t theirs) except -1
    @cython.locals(tail=Held)
    cdef int _judge_fin(self, unsigned int at) except -1
    @cython.locals(end="unsigned int")
    cdef int _note_left(self, Held held) except -1
    cdef int _note_ahead(self, unsigned int seq, unsigned int end) except -1
    cdef int _close_up(self) except -1
    @cython.locals(since=double)
    cdef double _secondary_waits_since(self) except -1
    cdef int _begin_waiting(self, double now) except -1
