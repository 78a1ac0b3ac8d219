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

    cdef int receive_primary(self, Held held, Outlet outlet, double now) except -1
    cdef int receive_secondary(self, Held held, Outlet outlet, double now) except -1
    cdef part_head(self, Outlet outlet, double now)
    cdef int pass_by(self, Held held) except -1
    @cython.locals(held=Held)
    cdef int abandon(self, Outlet outlet, double now) except -1
    cdef int note_mark(self, long long mark) except -1
    cdef int restart(self, Outlet outlet, double now) except -1
    cdef int forget_secondary(self) except -1
    cdef int empty(self) except -1
    @cython.locals(since=double)
    cdef double deadline(self, double patience) except -1
    cdef int overdue(self, double patience, double now) except -1
    @cython.locals(cost=Py_ssize_t)
    cdef Py_ssize_t _cost_of(self, Held held) except -1
    cpdef bint engaged(self) except -1
    cdef int count_held(self, Py_ssize_t packets_more, Py_ssize_t bytes_more) except -1
    cdef int hold_primary(self, Held held) except -1
    cdef int hold_secondary(self, Held held) except -1
    @cython.locals(held=Held)
    cdef Held pop_primary(self)
    @cython.locals(held=Held)
    cdef int pop_secondary(self) except -1
