cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.rewriting.edits cimport Edits
from colo_twisted.packets.rewriting.followed cimport Followed
from colo_twisted.packets cimport sequence

cdef int CLIENT_SEEN, LENGTH_SIZE, RST, VNET_LENGTH_SIZE


@cython.no_gc  # what it refers to doesn't refer to it
cdef class Span:
    cdef readonly Followed known
    cdef readonly bytes data
    cdef readonly Py_ssize_t start, stop, cost
    cdef readonly unsigned int end
    cdef readonly int frames
    cdef readonly bint vnet_hdr

    cpdef begin(self, Followed known, Py_ssize_t start, Py_ssize_t stop, unsigned int end)
    cpdef extend(self, Py_ssize_t stop, unsigned int end)
    @cython.locals(whole=bytes, size=Py_ssize_t)
    cpdef fill(self, Batch batch)
    @cython.locals(data=bytes, at=Py_ssize_t)
    cpdef Batch batch(self)


cdef class Kept:
    cdef readonly Py_ssize_t most, held
    cdef object _counters
    cdef dict _holding
    cdef list _noted, _turns
    cdef Span _last

    @cython.locals(last=Span)
    cpdef note(self, Followed known, Py_ssize_t start, Py_ssize_t stop, unsigned int end)
    @cython.locals(noted=list, spans=list, span=Span)
    cpdef finish(self, Batch batch)
    @cython.locals(spans=list, span=Span, count=Py_ssize_t)
    cpdef trim(self, Followed known)
    @cython.locals(spans=list, span=Span, frames="long long")
    cpdef long long release(self, Followed known) except -1
    cpdef long long clear(self) except -1
    cpdef limit(self, Py_ssize_t most)
    @cython.locals(spans=list, span=Span, known=Followed)
    cdef _make_room(self)


@cython.locals(start=Py_ssize_t, end=Py_ssize_t)
cdef Batch _beyond(Edits edits, Followed known, Batch batch)
@cython.locals(headers=Headers, length="unsigned int")
cpdef bint is_beyond(Edits edits, Followed known) except -1
