cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.flow_table cimport FlowTable
from colo_twisted.packets.comparing.flows cimport Flow
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.comparing.held cimport Chunk, Held, needs_room, place_of, read_held
from colo_twisted.packets.comparing.outlet cimport Outlet
from colo_twisted.packets.comparing.tally cimport Tally
from colo_twisted.packets.wheel cimport Wheel

cdef int LENGTH_SIZE, VNET_LENGTH_SIZE
cdef int CONTROL, FRAGMENT, MALFORMED, NOT_IP, TCP, SYN
cdef int FOLLOWING, DIVERGED, FOLLOWED, NAMING, PASSED
cdef int EQUAL, MEMORY_FULL, QUEUE_FULL
cdef Py_ssize_t CHUNK_OVERHEAD
cdef double NEVER


cdef class Intake:
    cdef public Tally tally
    cdef public Outlet outlet
    cdef public list divergences
    cdef public FlowTable flows
    cdef public object questions
    cdef Headers _headers
    cdef double _timeout
    cdef Py_ssize_t _most_queued, _most_bytes
    cdef Wheel _wheel
    cdef object _primary_fragments, _secondary_fragments
    cdef list _parting
    cdef Chunk _chunk
    cdef object _recent
    cdef Py_ssize_t _recent_bytes
    cdef long long _order, _mark
    cdef object _awaited
    cdef bint _forgotten, _vnet_hdr

    @cython.locals(
        data=bytes, octets="const unsigned char*", count=Py_ssize_t, _=Py_ssize_t, start=Py_ssize_t, packet=Py_ssize_t,
        end=Py_ssize_t
    )
    cpdef receive_primary(self, Batch batch, double now)
    @cython.locals(
        data=bytes, octets="const unsigned char*", count=Py_ssize_t, _=Py_ssize_t, start=Py_ssize_t, packet=Py_ssize_t,
        end=Py_ssize_t
    )
    cpdef receive_secondary(self, Batch batch, double now)
    cdef int _begin(self, Batch batch) except -1
    cdef inline Py_ssize_t _packet_at(self, const unsigned char* octets, Py_ssize_t start) noexcept
    cdef inline Py_ssize_t _end_at(self, const unsigned char* octets, Py_ssize_t start) noexcept
    @cython.locals(held=Held, outlet=Outlet)
    cpdef finish(self)
    @cython.locals(oldest=Chunk)
    cdef int _remember(self, Chunk chunk) except -1
    @cython.locals(headers=Headers, kind=int, held=Held, flow=Flow)
    cdef _receive_primary(self, bytes data, Py_ssize_t start, Py_ssize_t packet, Py_ssize_t end, double now)
    @cython.locals(flow=Flow)
    cdef Flow _flow_of_primary(self, Held held, double now)
    cdef _compare_primary(self, Flow flow, Held held, double now)
    cdef _hold_or_pass(self, Flow flow, Held held)
    @cython.locals(headers=Headers, kind=int, held=Held, flow=Flow)
    cdef _receive_secondary(self, bytes data, Py_ssize_t start, Py_ssize_t packet, Py_ssize_t end, double now)
    cdef _compare_secondary(self, Flow flow, Held held, double now)
    @cython.locals(flow=Flow)
    cdef int _part_heads(self, double now) except -1
    @cython.locals(head=Held)
    cdef int _settle(self, Flow flow, Held held, int verdict, double now) except -1
    cdef int _attend(self, Flow flow) except -1
    @cython.locals(deadline=double)
    cdef int _watch(self, Flow flow) except -1
    @cython.locals(held=Held, other=Held)
    cdef _diverge(self, Flow flow, int verdict, double now)
    cdef int _drop_for_memory(self, Flow flow, double now) except -1
    @cython.locals(frames=list)
    cdef int _drop_fragments(self, list given_up) except -1
    cdef _receive_uncompared(self, bytes data, Py_ssize_t start, Py_ssize_t packet, Py_ssize_t end)
