# inline

cdef inline unsigned int add(unsigned int number, long long count) noexcept:
    return <unsigned int>(number + count)


cdef inline long long distance(unsigned int later, unsigned int earlier) noexcept:
    return <int>(later - earlier)


cdef inline bint before(unsigned int one, unsigned int other) noexcept:
    return <int>(one - other) < 0


cdef inline unsigned int later_of(unsigned int one, unsigned int other) noexcept:
    return other if <int>(one - other) < 0 else one
