"""
Copies and sums of bytes. The caller has checked that they lie inside.

Compiled modules have these as C (octets.pxd): whoever wants that writes ``octets.copy(...)``.
"""

from __future__ import annotations

from sys import byteorder

Bytes = bytes | bytearray


def native_u16(data: Bytes, at: int) -> int:
    """Two bytes in this host's order, as a TAP's virtio-net header has them."""
    return int.from_bytes(data[at : at + 2], byteorder)


def copy(buffer: bytearray, at: int, data: Bytes, start: int, end: int) -> None:
    """Put ``data[start:end]`` at ``buffer[at]``, where there is room for it."""
    buffer[at : at + end - start] = data[start:end]


def beginning(buffer: bytearray, end: int) -> bytes:
    """A copy of ``buffer[:end]``."""
    return bytes(memoryview(buffer)[:end])


def sum16(data: Bytes, start: int, end: int) -> int:
    """
    The one's complement sum of the 16-bit words of ``data[start:end]`` (RFC 1071), an odd last byte padded with zero.

    Carries go round at 2^16, so it is the number's remainder by 2^16 - 1, and all ones instead of zero.
    """
    total = int.from_bytes(data[start:end], "big") << ((end - start) % 2 * 8)
    return (total - 1) % 0xFFFF + 1 if total else 0
