cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers

cdef int LENGTH_SIZE, VNET_LENGTH_SIZE, HEADER_SIZE, TAG, TYPE_8021AD, TYPE_8021Q, TYPE_IPV6, TYPE_QINQ, TYPE_ARP
cdef int V6_NEXT_HEADER_AT, PROTOCOL_ICMPV6, CONTROL, NOT_IP, _HOP_LIMIT_AT, HOP_LIMIT
cdef Py_ssize_t MOST_LOOKED_AT, _LARGEST


cdef class Addresses:
    cdef public Py_ssize_t most
    cdef dict _v4, _v6
    cdef Headers _headers

    cpdef list all(self)
    cpdef clear(self)
    cpdef from_guest(self, Batch batch)
    cpdef to_guest(self, Batch batch)
    @cython.locals(data="const unsigned char*", before=Py_ssize_t, _=Py_ssize_t, frame=Py_ssize_t, start=Py_ssize_t,
                   end=Py_ssize_t, at=Py_ssize_t, packet_type=int, vnet_hdr=bint)
    cdef _look(self, Batch batch, bint own)
    @cython.locals(headers=Headers, kind=int)
    cdef _look_at(self, bytes packet, bint own)
    cdef _look_at_arp(self, bytes packet, Py_ssize_t at, bint own)
    @cython.locals(network=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, message=int)
    cdef _look_at_discovery(self, bytes packet, bint own)
    cdef _heard(self, bytes packet, Py_ssize_t network, bytes ip, bytes hardware, object router, bint own)
