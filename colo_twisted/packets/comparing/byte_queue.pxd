# classes: no_gc=True
cimport cython

from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets cimport sequence


cdef class ByteQueue(Flow):
    cdef public unsigned char placed
    cdef public unsigned int matched

    @cython.locals(head=Held)
    cpdef trim(self)
    @cython.locals(tail=Held)
    cpdef insert(self, Held held)
    @cython.locals(previous=Held, following=Held, covered=Held, known="long long")
    cdef _insert_within(self, Held held)
