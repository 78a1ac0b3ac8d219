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

    cpdef take(self, Held held)
    cpdef give(self)
    @cython.locals(held=Held)
    cpdef part(self)


@cython.final
cdef class Held:
    cdef public bytes data
    cdef public Py_ssize_t start, end, packet, network, transport, payload, length, compared, cost
    cdef public double since
    cdef public list parts
    cdef public unsigned int seq, ack, window
    cdef public int flags
    cdef public unsigned int offer
    cdef public bint partial, queued, vnet_hdr
    cdef public long long order
    cdef public Held following
    cdef public Chunk chunk

    cpdef leave_queue(self)
    cpdef begin(self, bytes data, Py_ssize_t start, Py_ssize_t end, double since)
    @cython.locals(start=Py_ssize_t)
    cpdef keep(self)


@cython.locals(held=Held)
cpdef Held read_held(Headers headers, bytes data, Py_ssize_t start, Py_ssize_t end, bint vnet_hdr, double now)

cpdef bint needs_room(Held held, int kind) except -1
cpdef unsigned int place_of(Held held) except? 0
