# cython: annotation_typing=False
"""The Internet checksum (RFC 1071): sums, and changes to what one covers (RFC 1624)."""

from __future__ import annotations

import struct

from colo_twisted.packets import fields


def ones_complement_sum(data: bytes) -> int:
    """The 16-bit one's complement sum of big-endian words; an odd last byte is padded with zero."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def updated(checksum: int, old: int, new: int) -> int:
    """The checksum after a 16-bit word that it covers has changed from old to new (RFC 1624, equation 3)."""
    total = (~checksum & 0xFFFF) + (~old & 0xFFFF) + new
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def put_word(data: bytearray, at: int, value: int, checksum_at: int) -> None:
    """Change the 16-bit field at an even place in what the checksum covers, and the checksum with it."""
    fields.put_u16(data, checksum_at, updated(fields.u16(data, checksum_at), fields.u16(data, at), value))
    fields.put_u16(data, at, value)


def put_long(data: bytearray, at: int, value: int, checksum_at: int, odd: bool = False) -> None:
    """
    Change a 32-bit field, and the checksum with it.

    ``odd``: the field begins at an odd place in what the checksum covers (a TCP option behind a lone NOP).
    """
    checksum = fields.u16(data, checksum_at)
    for place in (at, at + 2):
        old = fields.u16(data, place)
        fields.put_u16(data, place, (value >> 16 if place == at else value) & 0xFFFF)
        new = fields.u16(data, place)
        if odd:  # its bytes are summed the other way round (RFC 1071, section 2, B)
            old = (old & 0xFF) << 8 | old >> 8
            new = (new & 0xFF) << 8 | new >> 8
        checksum = updated(checksum, old, new)
    fields.put_u16(data, checksum_at, checksum)
