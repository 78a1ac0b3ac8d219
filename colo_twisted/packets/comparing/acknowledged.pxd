# classes: no_gc=True
cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.comparing.held cimport Held
from colo_twisted.packets cimport sequence
from colo_twisted.packets.comparing.streams cimport StreamFlow
from colo_twisted.packets.tcp_options cimport scale_of, timestamps_at

cdef int ACK, HEADER, LARGEST_SCALE, SYN


cdef class AcknowledgedFlow(StreamFlow):
    cdef public unsigned int primary_ack_max, primary_edge, secondary_ack_max, secondary_edge, left_ack_max, left_edge
    cdef public unsigned int marked_ack, marked_edge, tsval, tsecr
    cdef public unsigned char primary_scale, secondary_scale
    cdef public unsigned char primary_known, secondary_known, left_known, with_timestamps, marked_known
    cdef public long long tsval_order

    @cython.locals(secondary="unsigned int")
    cdef unsigned int allowed_ack(self, unsigned int ack) except? 0
    cdef unsigned int allowed_edge(self, unsigned int edge) except? 0
    @cython.locals(at=Py_ssize_t, tsval="unsigned int")
    cdef int note_timestamps(self, Held held) except -1
    cdef int follow_from(self, unsigned int ack, unsigned int edge) except -1

cpdef Py_ssize_t timestamps_of(Held held) except -1

cpdef unsigned int edge_of(Held held, int scale) except? 0
