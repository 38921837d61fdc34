# cython: language_level=3
from libc.stdint cimport int64_t, uint64_t


cdef class Level:
    cdef readonly int64_t price
    cdef readonly uint64_t size
    cdef readonly uint64_t count


cdef class Depth:
    cdef readonly list bids
    cdef readonly list asks


cdef Level new_level(int64_t price, uint64_t size, uint64_t count)
cdef Depth new_depth(list bids, list asks)
