# classes: no_gc=True, freelist=4096
# A queue has no cycles, and a collector that walks through all of them costs more than they do.
cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport syn_options

cdef int OVERHEAD, LENGTH_SIZE, VNET_LENGTH_SIZE, TCP, UDP, FIN, RST, SYN, NEEDS_CSUM


@cython.final
cdef class Chunk:
    cdef public list held
    cdef public Py_ssize_t size, waiting

    cdef int take(self, Held held) except -1
    cdef int give(self) except -1
    @cython.locals(held=Held)
    cdef int part(self) except -1


@cython.final
cdef class Held:
    cdef public bytes data
    cdef public double since
    cdef public list parts
    cdef public long long order
    cdef public int start, end, packet, network, transport, payload, length, compared, cost
    cdef public unsigned int seq, ack, window, offer
    cdef public unsigned char flags, partial, queued, vnet_hdr
    cdef public Held following
    cdef public Chunk chunk

    cdef int leave_queue(self) except -1
    cdef int begin(self, bytes data, Py_ssize_t start, Py_ssize_t end, double since) except -1
    @cython.locals(start=Py_ssize_t)
    cpdef int keep(self) except -1


@cython.locals(held=Held)
cpdef Held read_held(Headers headers, bytes data, Py_ssize_t start, Py_ssize_t end, bint vnet_hdr, double now)

cpdef bint needs_room(Held held, int kind) except -1
cpdef unsigned int place_of(Held held) except? 0
