cimport cython

cdef class Wheel:
    cdef double _grain
    cdef dict _slots
    cdef list _order

    @cython.locals(number="long long", slot=dict)
    cpdef long long put(self, object thing, double deadline) except -1
    @cython.locals(slot=dict)
    cpdef take(self, object thing, long long number)
    @cython.locals(slot=dict, things=list)
    cpdef list due(self, double now)
    @cython.locals(slot=dict)
    cpdef object pop_earliest(self)
    cdef _trim(self)
