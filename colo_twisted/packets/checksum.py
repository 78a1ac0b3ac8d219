"""The Internet checksum (RFC 1071), and finishing one that the sender left partial."""

from __future__ import annotations

import struct


def ones_complement_sum(data: bytes) -> int:
    """The 16-bit one's complement sum of big-endian words; an odd last byte is padded with zero."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def finish_checksum(packet: bytes, start: int, offset: int) -> bytes | None:
    """
    The packet with the checksum at ``start + offset`` computed over everything from ``start``.

    What stands in the field now is the pseudo-header's sum (virtio 1.2, 5.1.6.2, NEEDS_CSUM).
    Returns None if the field lies outside the packet.
    """
    field = start + offset
    if field + 2 > len(packet):
        return None
    checksum = ~ones_complement_sum(packet[start:]) & 0xFFFF
    # UDP spells a sum of zero as ones (RFC 768); for TCP the two mean the same
    return packet[:field] + struct.pack(">H", checksum or 0xFFFF) + packet[field + 2 :]
