cimport cython

from colo_twisted.packets.connections cimport Connections
from colo_twisted.packets.comparing cimport casts
from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.outlet cimport Outlet
from colo_twisted.packets cimport sequence
from colo_twisted.packets.comparing.streams cimport StreamFlow
from colo_twisted.packets.comparing.tally cimport Tally

cdef int DIVERGED, FOLLOWED, NAMING, PASSED, UNPROTECTED, TCP, RST, SYN


@cython.final
cdef class FlowTable:
    cdef public bint ack_commit, names
    cdef public int gate
    cdef public object rules
    cdef public list unnamed
    cdef Connections _connections
    cdef Headers _headers
    cdef Outlet _outlet
    cdef Tally _tally

    cpdef Flow get(self, bytes key)
    @cython.locals(at=Py_ssize_t, found=Flow)
    cpdef Flow find(self, bytes data)
    cpdef int rest(self, Flow flow) except -1
    @cython.locals(flow=Flow, count=Py_ssize_t)
    cdef Py_ssize_t _count_unprotected(self) except -1
    @cython.locals(key=bytes, kind=int, flow=Flow)
    cpdef Flow begin(self, Held held, double now, bint by_primary)
    cdef int _protect(self, Flow flow, Held held, double now, bint by_primary) except -1
    cdef int _unprotect(self, Flow flow, double now) except -1
    @cython.locals(known=StreamFlow, head=Held)
    cpdef bint is_reused(self, Flow flow, Held held) except -1
    @cython.locals(known=StreamFlow, flow=Flow)
    cpdef Flow begin_again(self, Flow old, Held held, double now)
    @cython.locals(known=StreamFlow)
    cpdef int meet(self, Flow flow, Held held) except -1
    cdef int _abandon(self, Flow flow, double now) except -1
    @cython.locals(flow=Flow, held=Held)
    cpdef int open(self, double now) except -1
    @cython.locals(held=Held)
    cdef int _take_held(self, Flow flow, list going) except -1
    cpdef int pass_on(self, Flow flow, double now) except -1
