cimport cython

from colo_twisted.packets cimport fields



cdef class Batch:
    cdef readonly bytes data
    cdef readonly bint vnet_hdr
    cdef Py_ssize_t _count
    cdef list _places

    cpdef fill(self, bytes data, Py_ssize_t count, bint vnet_hdr)
    @cython.locals(data=bytes, header=Py_ssize_t, at=Py_ssize_t)
    cdef list _find_places(self)
