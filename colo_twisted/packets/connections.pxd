# classes: no_gc=True
cimport cython

from colo_twisted.packets cimport casts, fields, hashing
from colo_twisted.packets.wheel cimport Wheel

cdef int LEAST_INDEX
cdef unsigned int NOBODY

cdef bytes SEED


cdef class Connection:
    cdef public bytes key
    cdef public double last_used
    cdef public int slot, place, number
    cdef public unsigned int hashed

    cpdef double lifetime(self) except -1
    cpdef bint engaged(self) except -1
    cpdef double looked_at(self) except -1


@cython.final
cdef class Connections:
    cdef Py_ssize_t _most, _count
    cdef unsigned int _mask
    cdef unsigned int[::1] _index
    cdef list _known
    cdef Wheel _idle
    cdef object _evicted

    cpdef Connection get(self, bytes key)
    @cython.locals(
        number="unsigned int", size=Py_ssize_t, mask="unsigned int", at="unsigned int", entry="unsigned int", known=Connection
    )
    cpdef Connection find(self, const unsigned char* data, Py_ssize_t start, Py_ssize_t end)
    cpdef list all(self)
    cpdef list some(self, Py_ssize_t start, Py_ssize_t most)
    cpdef limit(self, Py_ssize_t most)
    @cython.locals(known=Connection)
    cpdef bint add(self, Connection connection) except -1
    cpdef remove(self, Connection connection)
    cdef _enter(self, Connection connection)
    @cython.locals(at="unsigned int")
    cdef _point_at(self, Connection connection)
    @cython.locals(known=Connection, number=int)
    cdef _arrange(self, Py_ssize_t size)
    @cython.locals(number=int)
    cdef bint _is_here(self, Connection connection) except -1
    cdef _leave(self, Connection connection)
    cpdef rest(self, Connection connection)
    cpdef hasten(self, Connection connection)
    @cython.locals(moved=Connection)
    cdef _unfile(self, Connection connection)
    cpdef list expire(self, double now)
    @cython.locals(engaged=bint)
    cdef bint _takes_leave(self, Connection connection, double now) except -1
    @cython.locals(connection=Connection, engaged=bint, used=bint, chances=int)
    cdef bint _evict(self) except -1
