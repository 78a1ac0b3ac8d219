"""
The system calls on a packet descriptor: one packet each, and an error as a negative number in place of an exception.

Compiled modules have these as C (calls.pxd): whoever wants that writes ``calls.read_into(...)``.
"""

from __future__ import annotations

import os


def read_into(fd: int, buffer: bytearray, at: int, most: int) -> int:
    """Read at most so many bytes into ``buffer[at:]``, which has room for them; how many they were, or -errno."""
    try:
        return os.readv(fd, [memoryview(buffer)[at : at + most]])
    except OSError as error:
        return -(error.errno or 0)


def write_from(fd: int, data: bytes, start: int, end: int) -> int:
    """Write ``data[start:end]``; how many bytes were taken, or -errno."""
    try:
        return os.write(fd, memoryview(data)[start:end])
    except OSError as error:
        return -(error.errno or 0)
