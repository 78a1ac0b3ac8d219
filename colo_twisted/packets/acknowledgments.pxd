cimport cython

from colo_twisted.packets.checksum cimport put_long, put_word, updated
from colo_twisted.packets cimport fields
from colo_twisted.packets cimport sequence
from colo_twisted.packets.tcp_options cimport sack_at

@cython.locals(changed=bytearray, original="unsigned int", checksum="unsigned int", checksum_at=Py_ssize_t, at=Py_ssize_t)
cpdef bytes lowered(
    bytes frame, Py_ssize_t transport, Py_ssize_t payload, unsigned int ack, unsigned int window, bint partial
)

@cython.locals(changed=bytearray, checksum_at=Py_ssize_t)
cpdef bytes restamped(bytes frame, Py_ssize_t transport, Py_ssize_t at, unsigned int tsval, bint partial)
