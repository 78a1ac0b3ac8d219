cimport cython

from colo_twisted.packets.connections cimport Connection
from colo_twisted.packets cimport sequence

cdef int LARGEST_SCALE, NO_SCALE
cdef long long _LARGEST_WINDOW

cpdef bytes reversed_key(bytes key, int version)


cdef class Followed(Connection):
    cdef public int state, seen, fins, client_scale, guest_scale, proposed_scale
    cdef public bint unprotected, opens_unprotected, isn_known, learnt, rcv_known, ts_seen, proposed, guest_offers_scale, owed
    cdef public bint keeps, leapt, progressed
    cdef public bytes link
    cdef public unsigned int isn, offset, sent, shown, client_ack, client_stamp, rcv_nxt, ts_newest, ts_offset, proposed_isn
    cdef public unsigned int guest_fin, client_fin, window, leap_from

    cpdef double lifetime(self) except -1
    cpdef bint live(self) except -1
    cpdef bint engaged(self) except -1
    cpdef propose(self, unsigned int isn, int scale, bint unprotected)
    cpdef restart(self, unsigned int isn, unsigned int end, bint offers_scale)
    cpdef unprotect(self)
    cpdef protect(self)
    cpdef answer(self, unsigned int ack, int guest_scale)
    cpdef answered(self, int scale)
    cpdef learn(self, unsigned int ack)
    cpdef note_client_stamp(self, unsigned int tsval)
    cpdef meet(self, unsigned int offset, unsigned int ts_offset)
    @cython.locals(span="long long")
    cpdef bint plausible(self, unsigned int seq) except -1
    cpdef bint expects(self, unsigned int seq) except -1
    cpdef bint guest_sent(self, unsigned int end) except -1
    cpdef guest_acked(self, unsigned int ack)
    cpdef client_sent(self, unsigned int seq, unsigned int length)
    cpdef client_acked(self, unsigned int ack, unsigned int window)
    cpdef unsigned int beyond(self, unsigned int number) noexcept
    cpdef unsigned int outrun(self, unsigned int number) noexcept
    cpdef bint acknowledged(self, unsigned int end) except -1
    cpdef unsigned int window_for(self, unsigned int ack, unsigned int client_ack, unsigned int window) noexcept
    cpdef bint over(self) except -1
    cpdef client_end_fin(self, unsigned int end)
    cpdef guest_end_fin(self, unsigned int end)
    cpdef unsigned int stamp(self, unsigned int tsval) noexcept
    cpdef leap(self)
    cpdef learn_echo(self, unsigned int tsecr)
    @cython.locals(mine="unsigned int")
    cpdef unsigned int echo(self, unsigned int tsecr, bint believed) noexcept
