# classes: no_gc=True
cimport cython

from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets cimport sequence


cdef class ByteQueue(Flow):
    cdef public unsigned char placed
    cdef public unsigned int matched

    @cython.locals(head=Held)
    cpdef int trim(self) except -1
    @cython.locals(tail=Held)
    cpdef int insert(self, Held held) except -1
    @cython.locals(previous=Held, following=Held, covered=Held, known="long long")
    cdef int _insert_within(self, Held held) except -1
