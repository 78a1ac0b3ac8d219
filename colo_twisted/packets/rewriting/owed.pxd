cimport cython

from colo_twisted.packets cimport fields
from colo_twisted.packets.rewriting.followed cimport Followed
from colo_twisted.packets.rewriting.following cimport Following
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport timestamps_at

cdef int ACK_AT, V4_SOURCE_AT, V6_SOURCE_AT

@cython.locals(known=Followed)
cpdef list owed_acks(dict due, Following following)
cpdef bytes owed_ack(Followed known, bytes packet, Py_ssize_t network, Py_ssize_t transport)
cpdef bytes turned(bytes packet, Py_ssize_t network, Py_ssize_t transport)
