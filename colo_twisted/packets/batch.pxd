cdef class Batch:
    cdef readonly bytes data
    cdef readonly list places
    cdef readonly bint vnet_hdr
