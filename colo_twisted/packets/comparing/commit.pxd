# classes: no_gc=True
cimport cython

from colo_twisted.packets.acknowledgments cimport lowered, restamped
from colo_twisted.packets.comparing.acknowledged cimport AcknowledgedFlow, edge_of, timestamps_of
from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets.comparing.outlet cimport Outlet
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport sack_at

cdef int ACK, RST, SYN, URG
cdef int ACK_OVERDUE, EQUAL, WINDOW_OVERDUE
cdef double NEVER


cdef class CommittedFlow(AcknowledgedFlow):
    cdef public double owed_since
    cdef public unsigned int owed_ack, owed_edge
    cdef public bytes model
    cdef public unsigned short model_network, model_transport
    cdef public unsigned char vnet_hdr, tolerated

    cdef int leave(self, Held held, Outlet outlet, double now) except -1
    @cython.locals(
        scale=int, edge="unsigned int", edge_now="unsigned int", ack="unsigned int", field="unsigned int", frame=bytes,
        start=Py_ssize_t
    )
    cdef int _leave_acknowledging(self, Held held, Outlet outlet, double now) except -1
    @cython.locals(edge="unsigned int", fits=bint, repeated=bint)
    cdef int receive_pure_ack(self, Held held, Outlet outlet, double now) except -1
    cdef bint _says_nothing_new(self, Held held, unsigned int edge) except -1
    cdef bint _is_over(self, unsigned int ack) except -1
    @cython.locals(head=Held, part=Held, rest=Held, count=Py_ssize_t)
    cdef part_head(self, Outlet outlet, double now)
    cdef int _put_in_place(self, Held head, Held rest) except -1
    cdef int _note_acknowledged(self, unsigned int ack, unsigned int edge, double now) except -1
    cdef int _reckon_debt(self, double now) except -1
    @cython.locals(short="long long", largest="unsigned int")
    cdef bint _is_paid(self, unsigned int ack, unsigned int edge) except -1
    cdef int _catch_up(self, Held held) except -1
    @cython.locals(at=Py_ssize_t)
    cdef int _restamp(self, Held held) except -1
    @cython.locals(packet=Py_ssize_t)
    cdef int _owe(self, Held held, double now) except -1
    cdef int _owe_anew(self, double now) except -1
    @cython.locals(scale=int, ack="unsigned int", field="unsigned int", edge="unsigned int")
    cdef _pay(self, Outlet outlet, double now)
    @cython.locals(room="long long", offered="long long")
    cdef bint _keeps_client_waiting(self) except -1

@cython.locals(room="long long")
cpdef unsigned int window_field(unsigned int ack, unsigned int edge, int scale) except? 0
