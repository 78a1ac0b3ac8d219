cimport cython

cdef long long _MASK, _HALF

cpdef unsigned int add(unsigned int number, long long count) noexcept
@cython.locals(ahead="long long")
cpdef long long distance(unsigned int later, unsigned int earlier) noexcept
cpdef bint before(unsigned int one, unsigned int other) noexcept
cpdef unsigned int later_of(unsigned int one, unsigned int other) noexcept
