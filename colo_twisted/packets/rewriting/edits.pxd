cimport cython

from colo_twisted.packets.batch cimport Batch
from colo_twisted.packets cimport fields
from colo_twisted.packets.rewriting.followed cimport Followed
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport sack_at, syn_options, timestamps_at
from colo_twisted.packets.rewriting.translation cimport (
    drop_blocks_beyond, has_block_beyond, set_long, set_word, shift_blocks, shift_quoted_seq
)

cdef int LENGTH_SIZE, VNET_LENGTH_SIZE, BOTH_SEEN, ICMP_CHECKSUM_AT, ACK_AT, CHECKSUM_AT, FIN, SEQ_AT, SYN, WINDOW_AT
cdef int NO_SCALE, NO_CHECKSUM, NEEDS_CSUM


cdef class Edits:
    cdef public Headers headers
    cdef public bytes data
    cdef public bint vnet_hdr
    cdef object _counters
    cdef bytearray _buffer
    cdef list _dropped
    cdef dict _links
    cdef readonly Py_ssize_t start, stop
    cdef Py_ssize_t _checksum_at

    cpdef begin(self, Batch batch)
    @cython.locals(packet=Py_ssize_t)
    cpdef int look(self, Py_ssize_t start, Py_ssize_t end) except -1
    @cython.locals(header=Py_ssize_t)
    cpdef find_checksum(self)
    cpdef Batch finish(self, Batch batch)
    @cython.locals(at=Py_ssize_t, start=Py_ssize_t, end=Py_ssize_t)
    cdef Batch _without_dropped(self, Batch batch)
    cpdef drop(self)
    cdef bytearray _changed(self)
    @cython.locals(length="unsigned int")
    cpdef unsigned int segment_length(self) noexcept
    cpdef int offered_scale(self) except -1
    cpdef bytes link(self)
    @cython.locals(link=bytes)
    cpdef note_link(self, Followed known)
    cpdef Py_ssize_t timestamps_at(self) except -1
    cpdef put_ack(self, unsigned int ack)
    @cython.locals(seq="unsigned int")
    cpdef put_seq(self, Followed known)
    @cython.locals(at=Py_ssize_t)
    cpdef put_stamp(self, Followed known)
    @cython.locals(at=Py_ssize_t, newest="unsigned int")
    cpdef raise_stamp(self, Followed known)
    @cython.locals(at=Py_ssize_t)
    cpdef put_echo(self, Followed known, bint believed)
    @cython.locals(odd=bint)
    cdef _put_timestamp(self, Py_ssize_t at, unsigned int value, Py_ssize_t option)
    @cython.locals(option=Py_ssize_t)
    cpdef put_sack(self, Followed known)
    cpdef put_window(self, unsigned int window)
    cpdef shift_quoted(self, Py_ssize_t tcp, unsigned int offset)
