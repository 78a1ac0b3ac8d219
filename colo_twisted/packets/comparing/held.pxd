cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.comparing.histogram cimport Histogram
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport syn_options

cdef int OVERHEAD, LENGTH_SIZE, VNET_LENGTH_SIZE, TCP, UDP, FIN, RST, SYN, NEEDS_CSUM

@cython.freelist(256)
@cython.no_gc  # a queue has no cycles, and a collector that walks through all of them costs more than they do
cdef class Held:
    cdef public bytes data
    cdef public Py_ssize_t start, end, packet, network, transport, payload, length, compared, cost
    cdef public double since
    cdef public list parts
    cdef public unsigned int seq, ack, window
    cdef public int flags
    cdef public unsigned long long offer
    cdef public bint partial, queued, vnet_hdr
    cdef public long long order
    cdef public Held following

    cpdef begin(self, bytes data, Py_ssize_t start, Py_ssize_t end, double since)
    @cython.locals(start=Py_ssize_t)
    cpdef keep(self)


@cython.locals(held=Held)
cpdef Held read_held(Headers headers, bytes data, Py_ssize_t start, Py_ssize_t end, bint vnet_hdr, double now)

cpdef bint needs_room(Held held, int kind) except -1
cpdef unsigned int place_of(Held held) except? 0


cdef class Outlet:
    cdef list _pieces
    cdef list _places
    cdef Py_ssize_t _size, _start, _end
    cdef public long long made
    cdef public Histogram holds
    cdef bytes _data

    cdef _clear(self)
    cpdef add(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    @cython.locals(part=bytes)
    cpdef add_held(self, Held held)
    cdef _cut(self)
    cpdef take(self, bint vnet_hdr)
