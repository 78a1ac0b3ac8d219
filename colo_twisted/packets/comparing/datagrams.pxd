# classes: no_gc=True
cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.outlet cimport Outlet

cdef int EQUAL, PAYLOAD_DIFFERS


cdef class DatagramFlow(Flow):
    @cython.locals(newer=double)
    cdef double deadline(self, double patience) except -1
    @cython.locals(held=Held)
    cdef int _advance(self, Outlet outlet, double now) except -1
    @cython.locals(payload=bytes, previous=Held, other=Held)
    cdef bint _take_equal(self, Held held) except -1
    cdef int _unlink(self, Held previous, Held held) except -1

@cython.locals(shorter=Py_ssize_t, offset=Py_ssize_t)
cpdef Py_ssize_t first_difference(Held one, Held other) except -1
