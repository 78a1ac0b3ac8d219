cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.headers cimport Headers
from colo_twisted.packets.rewriting.edits cimport Edits
from colo_twisted.packets.rewriting.followed cimport Followed, reversed_key
from colo_twisted.packets.rewriting.following cimport Following
from colo_twisted.packets cimport sequence

cdef int ACK, CHECKSUM_AT, CLIENT_SEEN, HEADER, OPENING, PROPOSED, RST, SYN, V4_CHECKSUM_AT, V4_KEY, V6_KEY


cpdef bytes reset(bytes link, bytes key, unsigned int seq, long long ack=*)
cpdef bytes question(bytes link, bytes key, unsigned int seq, unsigned int ack)
@cython.locals(v4=bint, ports=Py_ssize_t, addresses=Py_ssize_t)
cdef bytes _segment(bytes link, bytes key, unsigned int seq, unsigned int ack, int flags)
cpdef bytes turned_link(bytes link)


cdef class Resets:
    cdef readonly bint active
    cdef Following _following
    cdef object _counters
    cdef set _new
    cdef double _until
    cdef Py_ssize_t _most_new

    cpdef begin(self, double now)
    cpdef resume(self)
    cpdef opens(self, bytes key)
    cpdef bint concerns_unknown(self, bytes key, double now) except -1
    cpdef bint concerns(self, Followed known) except -1
    @cython.locals(headers=Headers)
    cpdef bint turns_client_away(self, Edits edits, bytes key, Followed known, double now, list answers) except -1
    @cython.locals(flags=int)
    cpdef bint turns_guest_away(self, Edits edits, bytes key, Followed known, double now, list answers) except -1
    cpdef bint turns_fragment_away(
        self, bint incoming, Edits edits, bytes key, Followed known, double now, list answers
    ) except -1
    cdef bint _refuses(self, bytes key, Followed known, double now) except -1
    @cython.locals(headers=Headers, key=bytes)
    cdef _turn_away(self, Edits edits, list answers)
    @cython.locals(key=bytes, link=bytes, newest="unsigned int")
    cdef _add_both(self, Followed known, list for_guest, list for_client)


cpdef bytes turned_key(bytes key, bytes link)
