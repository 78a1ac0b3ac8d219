# inline

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline unsigned int hashed(
    const unsigned char* data, Py_ssize_t start, Py_ssize_t end, const unsigned char* seed
) noexcept:
    # Pair-multiply-shift (M. Thorup, High Speed Hashing for Integers and Strings, section 3.5): for two keys that were
    # chosen without knowing the seed the numbers are alike once in 2^32.
    cdef uint64_t total, one, other
    cdef uint32_t words[2]
    cdef Py_ssize_t left = end - start, at = start, drawn = 8
    memcpy(&total, seed, 8)
    total *= <uint64_t>(2 * left + 1)
    while left > 0:
        words[0] = words[1] = 0
        memcpy(words, data + at, 8 if left > 8 else left)
        memcpy(&one, seed + drawn, 8)
        memcpy(&other, seed + drawn + 8, 8)
        total += (one + words[0]) * (other + words[1])
        drawn = drawn + 16 if drawn < 232 else 8
        at += 8
        left -= 8
    return <unsigned int>(total >> 32)
