cimport cython

from colo_twisted.link cimport calls
from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets.framing cimport FrameDecoder


@cython.final
cdef class FrameReceiver:
    cdef FrameDecoder _decoder
    cdef Py_ssize_t _share
    cdef readonly Py_ssize_t octets

    @cython.locals(decoder=FrameDecoder, begun=bytes, data=bytes, size=Py_ssize_t)
    cpdef Batch receive(self, int fd, Py_ssize_t most)
