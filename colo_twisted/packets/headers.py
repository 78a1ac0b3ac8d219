# cython: annotation_typing=False
"""
The one checked entry for each untrusted packet.

``Headers.parse`` checks every length before the first field behind it is read; what it has filled
may then be read without a look back. Ethernet, 802.1Q and 802.1ad tags, IPv4 with options, IPv6 with
extension headers, fragments, TCP, UDP, ICMP and ICMPv6.
"""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.ethernet import HEADER_SIZE as ETHERNET_HEADER
from colo_twisted.packets.ethernet import MOST_TAGS, TAG, TYPE_8021AD, TYPE_8021Q, TYPE_IPV4, TYPE_IPV6, TYPE_QINQ
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.icmp import HEADER as ICMP_HEADER
from colo_twisted.packets.icmp import V4_UNCOMPARED, V6_FIRST_INFORMATIONAL, V6_UNCOMPARED
from colo_twisted.packets.ip import (
    MORE_FRAGMENTS,
    MOST_EXTENSION_HEADERS,
    OFFSET_MASK,
    PROTOCOL_AUTHENTICATION,
    PROTOCOL_DESTINATION_OPTIONS,
    PROTOCOL_FRAGMENT,
    PROTOCOL_HOP_BY_HOP,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_IGMP,
    PROTOCOL_ROUTING,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    V4_FRAGMENT_AT,
    V4_HEADER,
    V4_ID_AT,
    V4_PROTOCOL_AT,
    V4_SOURCE_AT,
    V4_TOTAL_LENGTH_AT,
    V6_FRAGMENT_HEADER,
    V6_HEADER,
    V6_NEXT_HEADER_AT,
    V6_PAYLOAD_LENGTH_AT,
    V6_SOURCE_AT,
)
from colo_twisted.packets.kinds import CONTROL, FRAGMENT, ICMP, MALFORMED, NOT_IP, OTHER_IP, TCP, UDP
from colo_twisted.packets.tcp import ACK_AT, DATA_OFFSET_AT, FLAGS_AT, SEQ_AT, WINDOW_AT
from colo_twisted.packets.tcp import HEADER as TCP_HEADER
from colo_twisted.packets.udp import HEADER as UDP_HEADER
from colo_twisted.packets.udp import LENGTH_AT as UDP_LENGTH_AT

PORTS = 4  # bytes of TCP's and UDP's two


class Headers:
    """
    Where a packet's parts stand, as indices into the data that was parsed, and TCP's fields as numbers.

    ``kind`` is one of ``kinds``. For IP ``network`` is the IP header, ``transport`` what follows its headers,
    ``payload`` what follows TCP's, UDP's or ICMP's; all ends at ``end``, where IP ends: Ethernet's padding
    lies behind. For a fragment ``payload`` is its part of the packet, ``fragment_offset`` the part's place in
    bytes, ``fragment_id`` its identification.
    """

    __slots__ = (
        "ack",
        "end",
        "flags",
        "fragment_id",
        "fragment_offset",
        "kind",
        "more_fragments",
        "network",
        "payload",
        "protocol",
        "seq",
        "start",
        "transport",
        "version",
        "window",
    )

    def __init__(self) -> None:
        self.kind = NOT_IP
        self.start = self.network = self.transport = self.payload = self.end = 0
        self.version = 0  # 4 or 6; 0 for what is not IP
        self.protocol = 0  # of the transport header, by IANA's numbers
        self.seq = self.ack = self.flags = self.window = 0
        self.fragment_id = self.fragment_offset = 0
        self.more_fragments = False

    def parse(self, data: Bytes, start: int, end: int) -> int:
        """Look at the packet ``data[start:end]``, an Ethernet header and what follows; its kind."""
        self.kind = self._parse(data, start, end)
        return self.kind

    def _parse(self, data: Bytes, start: int, end: int) -> int:
        self.start = start
        self.version = 0
        self.end = end
        at = start + ETHERNET_HEADER
        if at > end:
            return MALFORMED
        ether_type = fields.u16(data, at - 2)
        if ether_type != TYPE_IPV4:
            tags = 0
            while ether_type in (TYPE_8021Q, TYPE_8021AD, TYPE_QINQ):
                at += TAG
                tags += 1
                if at > end or tags > MOST_TAGS:
                    return MALFORMED
                ether_type = fields.u16(data, at - 2)
        self.network = at
        if ether_type == TYPE_IPV4:
            return self._parse_v4(data, at, end)
        if ether_type == TYPE_IPV6:
            return self._parse_v6(data, at, end)
        return NOT_IP

    def _parse_v4(self, data: Bytes, at: int, end: int) -> int:
        if end - at < V4_HEADER:
            return MALFORMED
        header = (data[at] & 0x0F) << 2
        total = fields.u16(data, at + V4_TOTAL_LENGTH_AT)
        if data[at] >> 4 != 4 or header < V4_HEADER or total < header or total > end - at:
            return MALFORMED
        self.version = 4
        self.end = at + total
        self.protocol = data[at + V4_PROTOCOL_AT]
        self.transport = self.payload = at + header
        fragment = fields.u16(data, at + V4_FRAGMENT_AT)
        if fragment & (MORE_FRAGMENTS | OFFSET_MASK):
            self.fragment_id = fields.u16(data, at + V4_ID_AT)
            self.fragment_offset = (fragment & OFFSET_MASK) << 3
            self.more_fragments = (fragment & MORE_FRAGMENTS) != 0
            return FRAGMENT
        return self.parse_transport(data)

    def _parse_v6(self, data: Bytes, at: int, end: int) -> int:
        if end - at < V6_HEADER or data[at] >> 4 != 6:
            return MALFORMED
        length = fields.u16(data, at + V6_PAYLOAD_LENGTH_AT)
        if length > end - at - V6_HEADER:
            return MALFORMED
        self.version = 6
        self.end = at + V6_HEADER + length
        self.protocol = data[at + V6_NEXT_HEADER_AT]
        self.transport = self.payload = at + V6_HEADER
        if self.protocol != PROTOCOL_TCP and self.protocol != PROTOCOL_UDP:
            kind = self._walk_extension_headers(data)
            if kind != OTHER_IP:
                return kind
        return self.parse_transport(data)

    def _walk_extension_headers(self, data: Bytes) -> int:
        """Move ``transport`` behind them (RFC 8200 section 4); FRAGMENT, MALFORMED, or OTHER_IP to go on."""
        at = self.transport
        for _ in range(MOST_EXTENSION_HEADERS + 1):
            protocol = self.protocol
            unit, least = 8, 1
            if protocol == PROTOCOL_AUTHENTICATION:
                unit, least = 4, 2
            elif protocol not in (
                PROTOCOL_HOP_BY_HOP,
                PROTOCOL_ROUTING,
                PROTOCOL_DESTINATION_OPTIONS,
                PROTOCOL_FRAGMENT,
            ):
                return OTHER_IP
            if self.end - at < 8:
                return MALFORMED
            self.protocol = data[at]
            if protocol == PROTOCOL_FRAGMENT:
                at += V6_FRAGMENT_HEADER
                if self._is_part(data, at - V6_FRAGMENT_HEADER):
                    self.transport = self.payload = at
                    return FRAGMENT
            else:
                at += (data[at + 1] + least) * unit
            if at > self.end:
                return MALFORMED
            self.transport = self.payload = at
        return MALFORMED

    def _is_part(self, data: Bytes, at: int) -> bool:
        """Whether the fragment header there is of a fragment; an atomic one's packet (RFC 6946) is whole."""
        field = fields.u16(data, at + 2)
        self.fragment_id = fields.u32(data, at + 4)
        self.fragment_offset = field & 0xFFF8
        self.more_fragments = (field & 1) != 0
        return self.more_fragments or self.fragment_offset != 0

    def parse_transport(self, data: Bytes) -> int:
        """Look at what stands from ``transport`` to ``end``, by ``version`` and ``protocol``; its kind."""
        at = self.transport
        size = self.end - at
        protocol = self.protocol
        if protocol == PROTOCOL_TCP:
            return self._parse_tcp(data, at, size)
        if protocol == PROTOCOL_UDP:
            if size < UDP_HEADER or not UDP_HEADER <= fields.u16(data, at + UDP_LENGTH_AT) <= size:
                return MALFORMED
            self.payload = at + UDP_HEADER
            return UDP
        if protocol == (PROTOCOL_ICMP if self.version == 4 else PROTOCOL_ICMPV6):
            return self._parse_icmp(data, at, size)
        return CONTROL if protocol == PROTOCOL_IGMP else OTHER_IP

    def _parse_tcp(self, data: Bytes, at: int, size: int) -> int:
        if size < TCP_HEADER:
            return MALFORMED
        header = (data[at + DATA_OFFSET_AT] >> 4) << 2
        if header < TCP_HEADER or header > size:
            return MALFORMED
        self.payload = at + header
        self.seq = fields.u32(data, at + SEQ_AT)
        self.ack = fields.u32(data, at + ACK_AT)
        self.flags = data[at + FLAGS_AT]
        self.window = fields.u16(data, at + WINDOW_AT)
        return TCP

    def _parse_icmp(self, data: Bytes, at: int, size: int) -> int:
        if size < ICMP_HEADER:
            return MALFORMED
        self.payload = at + ICMP_HEADER
        message = data[at]
        if self.version == 4:
            return CONTROL if message in V4_UNCOMPARED else ICMP
        return CONTROL if message < V6_FIRST_INFORMATIONAL or message in V6_UNCOMPARED else ICMP

    def vlans(self, data: bytes) -> bytes:
        """The tags' VLAN identifiers, outermost first, two bytes each; the bits for priority are zero."""
        tags = range(self.start + ETHERNET_HEADER, self.network, TAG)  # behind a tag's type stands its field
        return b"".join([bytes((data[tag] & 0x0F, data[tag + 1])) for tag in tags])

    def key_at(self) -> int:
        """Where the connection's key stands in the packet as it is, up to ``key_end``; -1 where it must be made."""
        network = self.network
        if self.kind != TCP or network != self.start + ETHERNET_HEADER:
            return -1
        if self.version == 4:
            return network + V4_SOURCE_AT if self.transport == network + V4_HEADER else -1
        return network + V6_SOURCE_AT if self.transport == network + V6_HEADER else -1

    def key_end(self) -> int:
        """See ``key_at``."""
        return self.transport + PORTS

    def connection_key(self, data: bytes) -> bytes:
        """
        What tells this packet's connection from others, in its own direction.

        TCP over IPv4 or IPv6 without tags: addresses and ports as they stand. Else a byte for the kind,
        VLAN tags (without priority bits), addresses, and ports, or the protocol and ICMP's type and identifier.
        """
        at = self.key_at()
        if at >= 0:
            return fields.piece(data, at, self.key_end())
        network = self.network
        transport = self.transport
        addresses = network + (V4_SOURCE_AT if self.version == 4 else V6_SOURCE_AT)
        after = network + (V4_HEADER if self.version == 4 else V6_HEADER)
        if self.kind == TCP and network == self.start + ETHERNET_HEADER:
            return fields.piece(data, addresses, after) + fields.piece(data, transport, transport + PORTS)
        parts = [bytes((self.kind, self.version)), self.vlans(data), data[addresses:after]]
        if self.kind in (TCP, UDP):
            parts.append(data[transport : transport + PORTS])
        elif self.kind == ICMP:
            parts.append(data[transport : transport + 1] + data[transport + 4 : transport + 6])
        else:
            parts.append(bytes((self.protocol,)))
        return b"".join(parts)
