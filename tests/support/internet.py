"""IP packets written out by the book, with the places of their parts known from how they were made."""

from __future__ import annotations

import dataclasses
import struct
from ipaddress import ip_address

from hypothesis import strategies as st

from colo_twisted.packets import kinds
from colo_twisted.packets.checksum import ones_complement_sum

ETHERNET = bytes.fromhex("525400000002 525400000001")
V4 = ("10.22.1.2", "10.22.1.3")
V6 = ("fd00::2", "fd00::3")
TPIDS = (0x8100, 0x88A8, 0x9100)
EXTENSIONS = (0, 60)  # hop-by-hop and destination options
ROUTING, FRAGMENT, AUTHENTICATION = 43, 44, 51


@dataclasses.dataclass(frozen=True)
class Laid:
    """A packet, and where its parts stand in it."""

    packet: bytes
    kind: int
    version: int
    protocol: int
    network: int
    transport: int
    payload: int
    end: int

    @property
    def size(self) -> int:
        """Bytes behind IP's headers."""
        return self.end - self.transport


def ethernet(ether_type: int, tags: tuple[tuple[int, int], ...] = ()) -> bytes:
    """An Ethernet header; a tag is its TPID and its 16 bits."""
    return ETHERNET + b"".join(struct.pack(">HH", *tag) for tag in tags) + struct.pack(">H", ether_type)


def v4(
    protocol: int, body: bytes, addresses: tuple[str, str] = V4, options: bytes = b"", id: int = 1, fragment: int = 0
) -> bytes:
    """An IPv4 packet (RFC 791); ``fragment`` is the flags and the offset."""
    size = 20 + len(options)
    header = struct.pack(">BBHHHBBH", 0x40 | size // 4, 0, size + len(body), id, fragment, 64, protocol, 0)
    header += b"".join(ip_address(address).packed for address in addresses) + options
    checksum = ~ones_complement_sum(header) & 0xFFFF
    return header[:10] + struct.pack(">H", checksum) + header[12:] + body


def extension(kind: int, following: int, units: int = 0) -> bytes:
    """An IPv6 extension header of padding; ``units`` beyond the shortest."""
    if kind == AUTHENTICATION:
        return struct.pack(">BBHI", following, units, 0, 7) + bytes(4 * units)
    if kind == FRAGMENT:
        return struct.pack(">BBHI", following, 0, 0, 77)  # an atomic one
    if kind == ROUTING:
        return struct.pack(">BBBB", following, units, 253, 0) + bytes(4 + 8 * units)
    return struct.pack(">BBBB", following, units, 1, 4 + 8 * units) + bytes(4 + 8 * units)  # PadN


def extensions(chain: tuple[tuple[int, int], ...], protocol: int) -> tuple[int, bytes]:
    """What the IPv6 header names first, and the extension headers, each a kind and its units."""
    following, headers = protocol, b""
    for kind, units in reversed(chain):
        headers = extension(kind, following, units) + headers
        following = kind
    return following, headers


def v6(next_header: int, body: bytes, addresses: tuple[str, str] = V6) -> bytes:
    """An IPv6 packet (RFC 8200)."""
    header = struct.pack(">IHBB", 0x60000000, len(body), next_header, 64)
    return header + b"".join(ip_address(address).packed for address in addresses) + body


def tcp(
    payload: bytes = b"",
    ports: tuple[int, int] = (1024, 80),
    seq: int = 0,
    ack: int = 0,
    flags: int = 0x10,
    window: int = 1000,
    options: bytes = b"",
) -> bytes:
    """A segment without a checksum."""
    size = 20 + len(options)
    return struct.pack(">HHIIBBHHH", *ports, seq, ack, size << 2, flags, window, 0, 0) + options + payload


def udp(payload: bytes = b"", ports: tuple[int, int] = (1024, 53)) -> bytes:
    return struct.pack(">HHHH", *ports, 8 + len(payload), 0) + payload


def icmp(message: int, payload: bytes = b"", identifier: int = 5) -> bytes:
    return struct.pack(">BBHHH", message, 0, 0, identifier, 1) + payload


@st.composite
def _transports(draw: st.DrawFn, version: int, most: int) -> tuple[int, int, int, bytes]:
    """Kind, protocol, the header's size, and all of it."""
    payload = draw(st.binary(max_size=most))
    ports = draw(st.tuples(*[st.integers(0, 65535)] * 2))
    what = draw(st.sampled_from(("TCP", "UDP", "echo", "error", "discovery", "other")))
    if what == "TCP":
        options = draw(st.integers(0, 10).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)))
        seq, ack = draw(st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 2))
        flags, window = draw(st.integers(0, 255)), draw(st.integers(0, 65535))
        return kinds.TCP, 6, 20 + len(options), tcp(payload, ports, seq, ack, flags, window, options)
    if what == "UDP":
        return kinds.UDP, 17, 8, udp(payload, ports)
    if what == "other":
        return kinds.OTHER_IP, draw(st.sampled_from((47, 50, 59, 132, 253))), 0, payload
    protocol = 1 if version == 4 else 58
    if what == "echo":
        return kinds.ICMP, protocol, 8, icmp(draw(st.sampled_from((0, 8) if version == 4 else (128, 129))), payload)
    if what == "discovery" and version == 4:
        return kinds.CONTROL, 2, 0, payload
    messages = (3, 4, 5, 11, 12) if version == 4 else (1, 2, 3, 4) if what == "error" else (130, 135, 136, 143)
    return kinds.CONTROL, protocol, 8, icmp(draw(st.sampled_from(messages)), payload)


@st.composite
def laid_packets(draw: st.DrawFn, most: int = 60, rare: bool = True) -> Laid:
    """
    Packets of every kind, tagged or not, with IPv4 options or IPv6 extension headers, and Ethernet's padding.

    Without ``rare`` as scapy knows them.
    """
    tag = st.tuples(st.sampled_from(TPIDS if rare else TPIDS[:2]), st.integers(0, 65535))
    tags = tuple(draw(st.lists(tag, max_size=4)))
    version = draw(st.sampled_from((4, 6)))
    kind, protocol, header, body = draw(_transports(version, most))
    network = 14 + 4 * len(tags)
    if version == 4:
        options = bytes(4 * draw(st.integers(0, 10)))
        packet = ethernet(0x0800, tags) + v4(protocol, body, options=options)
        transport = network + 20 + len(options)
    else:
        known = EXTENSIONS + (ROUTING, AUTHENTICATION, FRAGMENT) * rare
        chain = tuple(draw(st.lists(st.tuples(st.sampled_from(known), st.integers(0, 2)), max_size=8)))
        first, headers = extensions(chain, protocol)
        packet = ethernet(0x86DD, tags) + v6(first, headers + body)
        transport = network + 40 + len(headers)
    padding = draw(st.binary(max_size=20))
    return Laid(packet + padding, kind, version, protocol, network, transport, transport + header, len(packet))
