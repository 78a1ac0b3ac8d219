cimport cython


@cython.final
cdef class Wheel:
    cdef double _grain
    cdef dict _slots
    cdef list _order

    @cython.locals(number=Py_ssize_t, slot=list)
    cpdef Py_ssize_t put(self, object thing, double deadline) except -1
    @cython.locals(slot=list)
    cpdef Py_ssize_t last_place(self, Py_ssize_t number) except -1
    @cython.locals(slot=list, last=object)
    cpdef object take(self, Py_ssize_t number, Py_ssize_t place)
    @cython.locals(things=list)
    cpdef list due(self, double now)
    @cython.locals(slot=list)
    cpdef object pop_earliest(self)
    cdef _trim(self)
