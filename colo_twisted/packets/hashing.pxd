# inline

from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline unsigned int hashed(
    const unsigned char* data, Py_ssize_t start, Py_ssize_t end, const unsigned char* seed
) noexcept:
    # Pair-multiply-shift (M. Thorup, High Speed Hashing for Integers and Strings, section 3.5): for two keys that were
    # chosen without knowing the seed the numbers are alike once in 2^32.
    cdef uint64_t total, one, other
    cdef uint32_t word = 0, next_word = 0
    cdef Py_ssize_t at = start, drawn = 8, left
    memcpy(&total, seed, 8)
    total *= <uint64_t>(2 * (end - start) + 1)
    while at < end:
        left = end - at
        if left >= 8:
            memcpy(&word, data + at, 4)
            memcpy(&next_word, data + at + 4, 4)
        elif left >= 4:
            memcpy(&word, data + at, 4)
            next_word = 0
            if left > 4:
                memcpy(&next_word, data + at + 4, left - 4)
        else:
            word = next_word = 0
            memcpy(&word, data + at, left)
        memcpy(&one, seed + drawn, 8)
        memcpy(&other, seed + drawn + 8, 8)
        total += (one + word) * (other + next_word)
        drawn = drawn + 16 if drawn < 232 else 8
        at += 8
    # Keys in a row are numbers at a distance that the seed says, and with some seeds nearly all in one place of a small
    # table: shifts and an odd factor, which leave no two alike that weren't, scatter them.
    word = <uint32_t>(total >> 32)
    word = (word ^ (word >> 15)) * <uint32_t>0x85EBCA6B
    return word ^ (word >> 13)
