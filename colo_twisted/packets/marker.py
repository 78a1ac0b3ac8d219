# cython: annotation_typing=False
"""
The marker: an Ethernet packet that the secondary sends first after a checkpoint.

It bears the local experimental EtherType (IEEE 802, 0x88B5) and a nonce that only the two processes
know, so that no guest can forge it. Its destination is one that no bridge forwards (IEEE 802.1Q, table
8-1: nearest bridge), in case it ever gets to a LAN.
"""

from __future__ import annotations

NONCE_SIZE = 16
_HEADER = bytes.fromhex("0180c200000e 02434f4c4f00 88b5")
_BEGINS = _HEADER + b"COLO marker\0"
_NONCE_AT = len(_BEGINS)
_SMALLEST = 60  # an Ethernet packet without its check sequence


def marker_packet(nonce: bytes) -> bytes:
    """The packet that holds a nonce of 16 bytes."""
    return (_BEGINS + nonce).ljust(_SMALLEST, b"\0")


def find_marker(packet: bytes) -> bytes | None:
    """The nonce, 16 bytes, if the packet (without lengths and vnet header) is a marker; padding doesn't matter."""
    if packet[:_NONCE_AT] != _BEGINS or len(packet) < _NONCE_AT + NONCE_SIZE:
        return None
    return packet[_NONCE_AT : _NONCE_AT + NONCE_SIZE]
