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

    cdef _clear(self)
    cpdef add(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(part=bytes)
    cpdef add_held(self, Held held)
    @cython.locals(size=Py_ssize_t)
    cdef _cut(self)
    cpdef take(self, bint vnet_hdr)
