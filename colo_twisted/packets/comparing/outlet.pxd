cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.histogram cimport Histogram

cdef Py_ssize_t LONG


@cython.final
cdef class Outlet:
    cdef list _pieces
    cdef Py_ssize_t _count, _start, _end
    cdef public long long made
    cdef public Histogram holds
    cdef bytes _data

    cdef int _clear(self) except -1
    cpdef int add(self, bytes data, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(part=bytes)
    cpdef int add_held(self, Held held) except -1
    @cython.locals(size=Py_ssize_t)
    cdef _cut(self)
    cpdef take(self, bint vnet_hdr)
