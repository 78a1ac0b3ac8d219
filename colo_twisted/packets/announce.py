"""The packet that tells a network where a guest is now: switches learn its address's port from it."""

from __future__ import annotations

import struct

TYPE_RARP = 0x8035

_ETHERNET = 1  # hardware type
_IPV4 = 0x0800  # protocol type
_ASK_OWN = 3  # 'request reverse': what is my address?
_NO_ADDRESS = bytes(4)
_BROADCAST = b"\xff" * 6
_SMALLEST = 60  # bytes of an Ethernet packet without its checksum

_head = struct.Struct(">6s6sHHHBBH")


def announcement(address: bytes) -> bytes:
    """
    A RARP request (RFC 903) by the guest with this hardware address (6 bytes) for itself, to all: 60 bytes.

    It is what QEMU's announce-self sends. Nobody need answer it.
    """
    head = _head.pack(_BROADCAST, address, TYPE_RARP, _ETHERNET, _IPV4, len(address), len(_NO_ADDRESS), _ASK_OWN)
    return (head + (address + _NO_ADDRESS) * 2).ljust(_SMALLEST, b"\0")
