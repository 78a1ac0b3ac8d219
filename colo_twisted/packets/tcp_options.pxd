cimport cython

from colo_twisted.packets cimport fields

cdef int HEADER, LARGEST_SCALE, OPTION_END, OPTION_MSS, OPTION_NOP, OPTION_SACK, OPTION_SACK_PERMITTED
cdef int OPTION_TIMESTAMPS, OPTION_WINDOW_SCALE

@cython.locals(at=Py_ssize_t, kind=int)
cpdef Py_ssize_t find_option(const unsigned char* data, Py_ssize_t transport, Py_ssize_t payload, int wanted) except -1
@cython.locals(at=Py_ssize_t)
cpdef Py_ssize_t timestamps_at(const unsigned char* data, Py_ssize_t transport, Py_ssize_t payload) except -1
@cython.locals(at=Py_ssize_t)
cpdef Py_ssize_t sack_at(const unsigned char* data, Py_ssize_t transport, Py_ssize_t payload) except -1
@cython.locals(at=Py_ssize_t, offer="unsigned int")
cpdef unsigned int syn_options(const unsigned char* data, Py_ssize_t transport, Py_ssize_t payload) except? 0
@cython.locals(scale=int)
cpdef int scale_of(unsigned int offer) except -1
