# cython: annotation_typing=False
"""
Which IP addresses a guest has, by what it says in ARP (RFC 826) and in neighbour and router discovery (RFC 4861).

Those are rare: of a batch's packets the large ones are passed over by their lengths, most others by their types.
"""

from __future__ import annotations

from collections.abc import Iterable

from colo_twisted.packets import fields
from colo_twisted.packets.announce import (
    HOP_LIMIT,
    NEIGHBOUR_ADVERTISEMENT,
    OVERRIDE,
    ROUTER,
    SOURCE_LINK_LAYER,
    TARGET_LINK_LAYER,
    TYPE_ARP,
    Address,
)
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.build import compiled
from colo_twisted.packets.ethernet import (
    HEADER_SIZE,
    TAG,
    TYPE_8021AD,
    TYPE_8021Q,
    TYPE_IPV6,
    TYPE_QINQ,
    source_address,
)
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.ip import PROTOCOL_ICMPV6, V6_NEXT_HEADER_AT, V6_SOURCE_AT
from colo_twisted.packets.keys import take_apart
from colo_twisted.packets.kinds import CONTROL, NOT_IP

MOST = 64  # addresses of each version
# Packets of a batch that are looked at: all; not compiled, where a look costs some forty times as much, the first,
# among which are all while little is sent.
MOST_LOOKED_AT = 1 << 30 if compiled() else 8

_SOURCE = slice(6, 12)
_TAGS_AT = 12
_LARGEST = 256  # bytes of a frame that is looked at; ARP has 50 or so, neighbour discovery rarely more than 120
_ARP = 28  # bytes
_ARP_BEGINS = bytes.fromhex("0001 0800 06 04")  # Ethernet, IPv4, and the sizes of their addresses
_ARP_HARDWARE, _ARP_IP = 8, 14  # the sender's
_HOP_LIMIT_AT = 7
_CODE_AT, _FLAGS_AT, _TARGET_AT = 1, 4, 8
# where options stand: in router solicitations and advertisements, neighbour solicitations and advertisements
_OPTIONS_AT = {133: 8, 134: 16, 135: 24, 136: 24}
_ROUTER_ADVERTISEMENT = 134
_V4_KEY, _V6_KEY, _PORTS = 12, 36, 4  # sizes in connection keys: of one without tags, and of its ports


class Addresses:
    """
    Those of one guest: at most ``most`` of IPv4 and as many of IPv6, of which that not seen for longest goes first.

    ``from_guest`` learns from what the guest sends, ``to_guest`` forgets an address that another speaks for.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._v4: dict[bytes, Address] = {}  # by tags and address, the one seen last at the end
        self._v6: dict[bytes, Address] = {}
        self._headers = Headers()

    def __len__(self) -> int:
        return len(self._v4) + len(self._v6)

    def all(self) -> list[Address]:
        """
        All, those seen last first, IPv4's before IPv6's.

        Not every packet says whether the guest is a router: it is, if one of the same hardware address has said so.
        """
        routers = {(known.tags, known.hardware) for known in self._v6.values() if known.router}
        v6 = [known._replace(router=(known.tags, known.hardware) in routers) for known in self._v6.values()]
        return [*reversed(self._v4.values()), *reversed(v6)]

    def clear(self) -> None:
        """Forget all."""
        self._v4.clear()
        self._v6.clear()

    def from_guest(self, batch: Batch) -> None:
        """What the guest has sent."""
        self._look(batch, True)

    def to_guest(self, batch: Batch) -> None:
        """What the guest is given."""
        if self._v4 or self._v6:
            self._look(batch, False)

    def _look(self, batch: Batch, own: bool) -> None:
        data = batch.data
        vnet_hdr = batch.vnet_hdr
        before = LENGTH_SIZE + VNET_LENGTH_SIZE if vnet_hdr else LENGTH_SIZE
        end = 0
        for _ in range(min(len(batch), MOST_LOOKED_AT)):
            frame = end
            end += before + fields.u32(data, frame)
            if end - frame > _LARGEST:
                continue
            start = frame + before + (fields.u32(data, frame + LENGTH_SIZE) if vnet_hdr else 0)
            at = start + HEADER_SIZE
            if at > end:
                continue
            packet_type = fields.u16(data, at - 2)
            while packet_type in (TYPE_8021Q, TYPE_8021AD, TYPE_QINQ) and at + TAG <= end:
                at += TAG
                packet_type = fields.u16(data, at - 2)
            if packet_type == TYPE_ARP or (
                packet_type == TYPE_IPV6
                and at + V6_NEXT_HEADER_AT < end
                and data[at + V6_NEXT_HEADER_AT] == PROTOCOL_ICMPV6
            ):
                self._look_at(fields.piece(data, start, end), own)

    def _look_at(self, packet: bytes, own: bool) -> None:
        """A packet that may be one of those."""
        headers = self._headers
        kind = headers.parse(packet, 0, len(packet))
        if kind == NOT_IP:
            self._look_at_arp(packet, headers.network, own)
        elif kind == CONTROL and packet[headers.network + _HOP_LIMIT_AT] == HOP_LIMIT:
            self._look_at_discovery(packet, own)

    def _look_at_arp(self, packet: bytes, at: int, own: bool) -> None:
        """Its sender has that address, if it isn't a probe (RFC 5227) or nonsense."""
        if len(packet) < at + _ARP or packet[at : at + len(_ARP_BEGINS)] != _ARP_BEGINS:
            return
        ip = packet[at + _ARP_IP : at + _ARP_IP + 4]
        if ip[0] not in (0, 127) and ip[0] < 224:  # this network's, loopback, multicast (RFC 6890)
            self._heard(packet, at, ip, packet[at + _ARP_HARDWARE : at + _ARP_IP], None, own)

    def _look_at_discovery(self, packet: bytes, own: bool) -> None:
        """
        Its sender has that address, and an advertisement's the target.

        Not if they differ and the override flag isn't set: then it is an anycast address, or another's (RFC 4861
        section 4.4).
        """
        network, at, end = self._headers.network, self._headers.transport, self._headers.end
        message = packet[at]
        options = _OPTIONS_AT.get(message)
        if options is None or at + options > end or packet[at + _CODE_AT]:
            return
        source = packet[network + V6_SOURCE_AT : network + V6_SOURCE_AT + 16]
        ips = [source]
        kind = SOURCE_LINK_LAYER
        router = True if message == _ROUTER_ADVERTISEMENT else None
        if message == NEIGHBOUR_ADVERTISEMENT:
            kind = TARGET_LINK_LAYER
            router = (packet[at + _FLAGS_AT] & ROUTER) != 0
            target = packet[at + _TARGET_AT : at + _TARGET_AT + 16]
            if target != source and packet[at + _FLAGS_AT] & OVERRIDE:
                ips.append(target)
        hardware = _link_layer(packet, at + options, end, kind) or packet[_SOURCE]
        for ip in ips:
            if ip[0] != 0xFF and any(ip[:15]):  # multicast, unspecified, loopback
                self._heard(packet, network, ip, hardware, router, own)

    def _heard(self, packet: bytes, network: int, ip: bytes, hardware: bytes, router: bool | None, own: bool) -> None:
        """A packet says that an address is there; ``router``: what else it says, None for nothing."""
        source = source_address(packet)
        if source is None or hardware[0] & 1 or not any(hardware):
            return
        known = self._v4 if len(ip) == 4 else self._v6
        tags = _unprioritized(packet[_TAGS_AT : network - 2])
        key = tags + ip
        before = known.get(key)
        if not own:  # should the guest still have it, it will defend it (RFC 5227 section 2.4) and be heard again
            if before is not None and before.hardware != hardware:
                del known[key]
            return
        if before is not None:
            router = before.router if router is None else router
            del known[key]
        elif len(known) >= self.most:
            del known[next(iter(known))]
        known[key] = Address(ip, hardware, source, tags, bool(router))


def _link_layer(packet: bytes, at: int, end: int, kind: int) -> bytes | None:
    """The Ethernet address in an option of that kind; None without one."""
    while at + 8 <= end and packet[at + 1]:
        if packet[at] == kind:
            return packet[at + 2 : at + 8]
        at += packet[at + 1] * 8
    return None


def _unprioritized(tags: bytes) -> bytes:
    """VLAN tags without what they say of their packet's priority."""
    clean = bytearray(tags)
    for at in range(2, len(tags), TAG):
        clean[at] &= 0x0F
    return bytes(clean)


def local_addresses(keys: Iterable[bytes], most: int = MOST) -> list[tuple[tuple[int, ...], bytes]]:
    """
    What a guest's connections are from: VLANs and IP address, at most so many of each version, first come first.

    ``keys`` are those of TCP connections, in the guest's own direction. An address that others are to is left out: a
    guest with one interface that forwards between networks would else claim its neighbours' addresses.
    """
    sources: dict[bytes, bytes] = {}  # by what stands before the destination, one key
    destinations: set[bytes] = set()
    for key in keys:
        end = len(key) - _PORTS
        size = 4 if len(key) == _V4_KEY or (len(key) != _V6_KEY and key[1] == 4) else 16
        sources.setdefault(key[: end - size], key)
        destinations.add(key[end - size : end])
    found: dict[int, list[tuple[tuple[int, ...], bytes]]] = {4: [], 6: []}
    for key in sources.values():
        parts = take_apart(key)
        some = found[parts.version]
        if parts.source not in destinations and len(some) < most:
            some.append((parts.vlans, parts.source))
    return found[4] + found[6]
