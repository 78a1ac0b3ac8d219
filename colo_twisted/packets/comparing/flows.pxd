# classes: no_gc=True
cimport cython

from colo_twisted.packets.connections cimport Connection
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.outlet cimport Outlet
from colo_twisted.packets.comparing.tally cimport Tally

cdef int EQUAL, UNMATCHED, DIVERGED, FOLLOWED, NAMING


cdef class Flow(Connection):
    cdef public unsigned char kind, protection, ended
    cdef public int primary_count, secondary_count, differs_at
    cdef public double born, watched_until
    cdef public object rule
    cdef public Held primary_head, primary_tail, secondary_head, secondary_tail
    cdef public Held differing
    cdef public Tally tally
    cdef public long long mark

    cpdef int receive_primary(self, Held held, Outlet outlet, double now) except -1
    cpdef int receive_secondary(self, Held held, Outlet outlet, double now) except -1
    cpdef part_head(self, Outlet outlet, double now)
    cpdef pass_by(self, Held held)
    @cython.locals(held=Held)
    cpdef abandon(self, Outlet outlet, double now)
    cpdef note_mark(self, long long mark)
    cpdef int restart(self, Outlet outlet, double now) except -1
    cpdef forget_secondary(self)
    cpdef empty(self)
    @cython.locals(since=double)
    cpdef double deadline(self, double patience) except -1
    cpdef int overdue(self, double patience, double now) except -1
    @cython.locals(cost=Py_ssize_t)
    cdef Py_ssize_t _cost_of(self, Held held) except -1
    cpdef bint engaged(self) except -1
    cpdef count_held(self, Py_ssize_t packets_more, Py_ssize_t bytes_more)
    cpdef hold_primary(self, Held held)
    cpdef hold_secondary(self, Held held)
    @cython.locals(held=Held)
    cpdef Held pop_primary(self)
    @cython.locals(held=Held)
    cpdef pop_secondary(self)
