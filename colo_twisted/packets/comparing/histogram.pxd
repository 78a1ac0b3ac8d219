cimport cython

cdef int _OCTAVES, _IN_OCTAVE
cdef double _MICROSECONDS


@cython.final
cdef class Histogram:
    cdef public long long count
    cdef long long[::1] _buckets
    cdef double _last
    cdef int _last_bucket

    cpdef int record(self, double seconds) except -1
    @cython.locals(value="long long", octave=int)
    cdef int _bucket_of(self, double seconds) except -1
