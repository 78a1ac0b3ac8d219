cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields

cdef int LENGTH_SIZE, MAX_FRAME, MIN_PACKET, TAP_HEADER_SIZE, VNET_LENGTH_SIZE


cdef class FrameDecoder:
    cdef readonly bint vnet_hdr
    cdef readonly str broken
    cdef int _header
    cdef list _parts
    cdef Py_ssize_t _held, _needed
    cdef bint _first

    cdef readonly Py_ssize_t count

    @cython.locals(batch=Batch, begun=bytes)
    cpdef Batch feed(self, bytes data)
    cpdef bytes begun(self)
    cpdef Py_ssize_t measure(self, bytes data) except -1
    cpdef Batch approved(self, Batch batch)
    @cython.locals(first=bytes, at=Py_ssize_t, needed=Py_ssize_t)
    cpdef Batch _whole_frames(self, bytes begun, bytes data)
    @cython.locals(end=Py_ssize_t, needed=Py_ssize_t, count=Py_ssize_t)
    cdef Py_ssize_t _measure(self, bytes data, const unsigned char* octets, Py_ssize_t at) except -1
    @cython.locals(length="long long", vnet_length="long long")
    cdef Py_ssize_t _size_at(self, const unsigned char* octets, Py_ssize_t at) except? -1
    @cython.locals(part=bytes)
    cdef _hold(self, bytes data, Py_ssize_t start, Py_ssize_t needed)

cdef bytes _joined(bytes begun, bytes data, Py_ssize_t end)
