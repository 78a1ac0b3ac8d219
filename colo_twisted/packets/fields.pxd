cpdef unsigned int u16(const unsigned char* data, Py_ssize_t at) noexcept
cpdef unsigned int u32(const unsigned char* data, Py_ssize_t at) noexcept
cpdef void put_u16(bytearray data, Py_ssize_t at, unsigned int value) noexcept
cpdef void put_u32(bytearray data, Py_ssize_t at, unsigned int value) noexcept
cpdef bytes piece(const unsigned char* data, Py_ssize_t start, Py_ssize_t end)
