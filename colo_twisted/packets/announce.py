"""
The packets that tell a network where a guest is now: RARP, ARP Announcements, unsolicited neighbour advertisements.

Switches learn an address's port from each of them; hosts, what Ethernet address an IP address has, from the last two.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from colo_twisted.packets.checksum import ones_complement_sum
from colo_twisted.packets.ethernet import TAG, TYPE_8021AD, TYPE_8021Q, TYPE_IPV6
from colo_twisted.packets.ip import PROTOCOL_ICMPV6

TYPE_ARP = 0x0806
TYPE_RARP = 0x8035
HOP_LIMIT = 255  # of neighbour discovery: it shows that no router has passed it on (RFC 4861 section 7.1)
NEIGHBOUR_ADVERTISEMENT = 136  # ICMPv6's type
SOURCE_LINK_LAYER, TARGET_LINK_LAYER = 1, 2  # neighbour discovery's options (RFC 4861 section 4.6.1)
ROUTER, OVERRIDE = 0x80, 0x20  # flags of an advertisement (RFC 4861 section 4.4)

_ETHERNET = 1  # hardware type
_IPV4 = 0x0800  # protocol type
_REQUEST = 1
_ASK_OWN = 3  # 'request reverse': what is my address?
_NO_ADDRESS = bytes(4)
_NO_HARDWARE = bytes(6)
_BROADCAST = b"\xff" * 6
_ALL_NODES = ipaddress.IPv6Address("ff02::1").packed
_ALL_NODES_HARDWARE = bytes.fromhex("333300000001")  # RFC 2464 section 7
_SMALLEST = 60  # bytes of an Ethernet packet without its checksum, and without tags: a switch may take those off
_CHECKSUM_AT = 42  # of an advertisement, in its IPv6 packet

_arp = struct.Struct(">HHBBH")
_ipv6 = struct.Struct(">IHBB")
_advertisement = struct.Struct(">BBHI")


class Address(NamedTuple):
    """
    An IP address (``ip``, 4 or 16 bytes) of a guest's.

    ``hardware`` is the Ethernet address that the guest says it has, ``source`` what its packets bear (they differ
    only behind some load balancers, which don't want switches to learn the first); ``tags`` are the VLAN tags
    between the Ethernet addresses and the type; ``router``: the guest forwards packets.
    """

    ip: bytes
    hardware: bytes
    source: bytes
    tags: bytes = b""
    router: bool = False


def announcement(address: bytes, tags: bytes = b"") -> bytes:
    """
    A RARP request (RFC 903) by the guest with this hardware address (6 bytes) for itself, to all: 60 bytes.

    It is what QEMU's announce-self sends. Nobody need answer it. VLAN tags, if it is to have any, are added to that.
    """
    head = _arp.pack(_ETHERNET, _IPV4, len(address), len(_NO_ADDRESS), _ASK_OWN)
    return _ethernet(_BROADCAST, address, tags, TYPE_RARP, head + (address + _NO_ADDRESS) * 2)


def arp_announcement(known: Address) -> bytes:
    """
    An ARP Announcement (RFC 5227 section 1.1) of an IPv4 address: a request, to all, for the guest's own address.

    A request and no reply, as section 3 there has it: RFC 826 has a cache take over a sender's address before it
    looks which of the two it is, but there are devices that take no reply for which they have not asked, and Linux
    ignores one within a second of the entry's last change unless its target hardware address is its sender's.
    """
    head = _arp.pack(_ETHERNET, _IPV4, len(known.hardware), len(known.ip), _REQUEST)
    body = known.hardware + known.ip + _NO_HARDWARE + known.ip
    return _ethernet(_BROADCAST, known.source, known.tags, TYPE_ARP, head + body)


def neighbour_advertisement(known: Address) -> bytes:
    """
    An unsolicited neighbour advertisement (RFC 4861 section 7.2.6) of an IPv6 address, to all nodes.

    Its override flag is set: else a cache that has another hardware address would only doubt that one. The router
    flag is as the guest's own: without it, hosts take a router off their list (section 7.2.5).
    """
    flags = OVERRIDE | (ROUTER if known.router else 0)
    option = bytes((TARGET_LINK_LAYER, 1)) + known.hardware
    message = _advertisement.pack(NEIGHBOUR_ADVERTISEMENT, 0, 0, flags << 24) + known.ip + option
    pseudo = known.ip + _ALL_NODES + struct.pack(">II", len(message), PROTOCOL_ICMPV6)  # RFC 8200 section 8.1
    checksum = ~ones_complement_sum(pseudo + message) & 0xFFFF
    header = _ipv6.pack(6 << 28, len(message), PROTOCOL_ICMPV6, HOP_LIMIT) + known.ip + _ALL_NODES
    packet = bytearray(header + message)
    packet[_CHECKSUM_AT : _CHECKSUM_AT + 2] = checksum.to_bytes(2, "big")
    return _ethernet(_ALL_NODES_HARDWARE, known.source, known.tags, TYPE_IPV6, bytes(packet))


def address_announcements(known: Iterable[Address]) -> Iterator[bytes]:
    """One packet for each: what it is for IPv4, or for IPv6."""
    for each in known:
        yield arp_announcement(each) if len(each.ip) == 4 else neighbour_advertisement(each)


def tags_for(vlans: tuple[int, ...]) -> bytes:
    """The tags of these VLANs, outermost first: 802.1Q's; of several all but the last are 802.1ad's."""
    last = len(vlans) - 1
    return b"".join(
        struct.pack(">HH", TYPE_8021Q if place == last else TYPE_8021AD, vlan) for place, vlan in enumerate(vlans)
    )


def vlans_of(tags: bytes) -> tuple[int, ...]:
    """The VLANs of these tags, outermost first."""
    return tuple(int.from_bytes(tags[at : at + 2], "big") & 0x0FFF for at in range(2, len(tags), TAG))


def _ethernet(destination: bytes, source: bytes, tags: bytes, type: int, payload: bytes) -> bytes:
    packet = destination + source + tags + type.to_bytes(2, "big") + payload
    return packet.ljust(_SMALLEST + len(tags), b"\0")
