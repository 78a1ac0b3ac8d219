cimport cython

from colo_twisted.packets cimport fields

@cython.locals(total="unsigned int")
cpdef unsigned int updated(unsigned int checksum, unsigned int old, unsigned int new) noexcept
cpdef void put_word(bytearray data, Py_ssize_t at, unsigned int value, Py_ssize_t checksum_at)
@cython.locals(checksum="unsigned int", old="unsigned int", new="unsigned int", place=Py_ssize_t)
cpdef void put_long(bytearray data, Py_ssize_t at, unsigned int value, Py_ssize_t checksum_at, bint odd=*)
