cimport cython

from colo_twisted.packets.connections cimport Connections
from colo_twisted.packets.rewriting.edits cimport Edits
from colo_twisted.packets.rewriting.followed cimport Followed
from colo_twisted.packets.rewriting.kept cimport Kept

cdef int CLOSED, OPEN, OPENING, PROPOSED


cdef class Following:
    cdef public bint alone, all_followed, protecting
    cdef public object counters
    cdef readonly Kept kept
    cdef Connections _known

    cpdef Followed get(self, bytes key)
    cpdef limit(self, Py_ssize_t most)
    cpdef use(self, Followed known, double now)
    cpdef Followed add(self, bytes key, double now)
    cpdef Followed meet(self, bytes key, Followed found, double now)
    cpdef restart(self, Followed known, unsigned int isn, unsigned int end, bint offers_scale)
    cpdef close(self, Followed known)
    cpdef reopen(self, Followed known)
    cpdef list all(self)
    cpdef list some(self, Py_ssize_t start, Py_ssize_t most)
    cpdef forget(self, Followed known)
    cpdef keep(self, Followed known, Edits edits, unsigned int end)
    @cython.locals(each=Followed)
    cpdef leap(self)
    cpdef restore(self, Followed known)
    cpdef expire(self, double now)
