"""
Big-endian fields of a packet, and pieces of it. The caller has checked that they lie inside it.

Compiled modules have these as C (fields.pxd): whoever wants that writes ``fields.u32(...)``.
"""

from __future__ import annotations

Bytes = bytes | bytearray


def u16(data: Bytes, at: int) -> int:
    return (data[at] << 8) | data[at + 1]


def u32(data: Bytes, at: int) -> int:
    return (data[at] << 24) | (data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]


def piece(data: bytes, start: int, end: int) -> bytes:
    """``data[start:end]``; compiled, this is several times as fast as a slice."""
    return data[start:end]


def same(one: Bytes, at: int, other: Bytes, there: int, count: int) -> bool:
    """Whether ``count`` bytes from ``one[at]`` on are those from ``other[there]`` on."""
    return one[at : at + count] == other[there : there + count]


def put_u16(data: bytearray, at: int, value: int) -> None:
    data[at] = value >> 8
    data[at + 1] = value & 0xFF


def put_u32(data: bytearray, at: int, value: int) -> None:
    data[at] = value >> 24
    data[at + 1] = (value >> 16) & 0xFF
    data[at + 2] = (value >> 8) & 0xFF
    data[at + 3] = value & 0xFF
