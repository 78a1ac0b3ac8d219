cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields

cdef int LENGTH_SIZE, MAX_FRAME, MIN_PACKET, VNET_LENGTH_SIZE


cdef class FrameDecoder:
    cdef readonly bint vnet_hdr
    cdef readonly str broken
    cdef int _header
    cdef list _parts
    cdef Py_ssize_t _held, _needed
    cdef bint _first

    @cython.locals(batch=Batch)
    cpdef Batch feed(self, bytes data)
    @cython.locals(header=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, needed=Py_ssize_t, places=list,
                   length="long long", vnet_length="long long")
    cpdef Batch _whole_frames(self, bytes data)
