cimport cython

from colo_twisted.packets.wheel cimport Wheel

@cython.no_gc
cdef class Connection:
    cdef public bytes key
    cdef public double last_used
    cdef public double filed
    cdef public long long slot

    cpdef double lifetime(self) except -1
    cpdef bint engaged(self) except -1


cdef class Connections:
    cdef Py_ssize_t _most
    cdef dict _known
    cdef Wheel _idle
    cdef object _evicted

    cpdef Connection get(self, bytes key)
    cpdef list all(self)
    cpdef list some(self, Py_ssize_t start, Py_ssize_t most)
    cpdef limit(self, Py_ssize_t most)
    @cython.locals(known=Connection)
    cpdef bint add(self, Connection connection) except -1
    cpdef remove(self, Connection connection)
    cpdef rest(self, Connection connection)
    cpdef hasten(self, Connection connection)
    cdef _unfile(self, Connection connection)
    cpdef list expire(self, double now)
    @cython.locals(engaged=bint)
    cdef bint _takes_leave(self, Connection connection, double now) except -1
    @cython.locals(connection=Connection, engaged=bint, used=bint, chances=int)
    cdef bint _evict(self) except -1
