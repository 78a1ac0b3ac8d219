cimport cython

cdef int _OCTAVES, _IN_OCTAVE
cdef double _MICROSECONDS

cdef class Histogram:
    cdef public long long count
    cdef list _buckets

    @cython.locals(value="long long", octave=int, bucket=int)
    cpdef record(self, double seconds)
