cimport cython

from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.intake cimport Intake
from colo_twisted.packets.wheel cimport Wheel

cdef int TCP, FOLLOWING, OPEN, FOLLOWED, PASSED, EQUAL
cdef double NEVER


@cython.final
cdef class Comparer(Intake):
    @cython.locals(flow=Flow, watched=list)
    cpdef limit(self, object limits)
    cdef _watch_again(self, Flow flow)
    @cython.locals(flow=Flow)
    cpdef expire(self, double now)
    @cython.locals(verdict=int)
    cdef _look_at(self, Flow flow, double now)
    cpdef heed_secondary(self)
    @cython.locals(flow=Flow)
    cdef _forget_secondary(self)
    @cython.locals(flow=Flow, held=Held)
    cpdef flush(self, long long mark, double now)
    @cython.locals(held=Held)
    cdef _take_marked(self, Flow flow, long long mark, list going)
    @cython.locals(verdict=int)
    cdef _restart(self, Flow flow, long long mark, double now)
