"""TCP segments in Ethernet packets, written and read by the book: nothing here comes from the code under test."""

from __future__ import annotations

import dataclasses
import ipaddress
import struct
from dataclasses import dataclass

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MODULUS = 1 << 32


@dataclass(frozen=True)
class Address:
    """One end of a connection: MAC, IP (4 or 16 bytes) and port."""

    mac: bytes
    ip: bytes
    port: int

    @classmethod
    def of(cls, mac: str, ip: str, port: int) -> Address:
        return cls(bytes.fromhex(mac.replace(":", "")), ipaddress.ip_address(ip).packed, port)


def internet_checksum(data: bytes) -> int:
    """RFC 1071: a sum of words with its carries added is their remainder, where 0xFFFF is written for 0."""
    number = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return ~(number % 0xFFFF or (0xFFFF if number else 0)) & 0xFFFF


@dataclass(frozen=True)
class Segment:
    """A TCP header and payload (RFC 9293 section 3.1), its window field as on the wire."""

    seq: int
    ack: int = 0
    flags: int = ACK
    window: int = 0xFFFF
    payload: bytes = b""
    mss: int | None = None
    scale: int | None = None
    sack_permitted: bool = False
    sack: tuple[tuple[int, int], ...] = ()
    timestamps: tuple[int, int] | None = None  # TSval, TSecr

    @property
    def length(self) -> int:
        """SEG.LEN."""
        return len(self.payload) + bool(self.flags & SYN) + bool(self.flags & FIN)

    @property
    def end(self) -> int:
        return (self.seq + self.length) % MODULUS

    def but(self, **fields: object) -> Segment:
        return dataclasses.replace(self, **fields)  # type: ignore[arg-type]

    def _options(self) -> bytes:
        options = b""
        if self.mss is not None:
            options += struct.pack(">BBH", 2, 4, self.mss)
        if self.sack_permitted:
            options += b"\x04\x02"
        if self.timestamps is not None:
            options += struct.pack(">BBBBII", 1, 1, 8, 10, *self.timestamps)
        if self.scale is not None:
            options += struct.pack(">BBBB", 1, 3, 3, self.scale)
        if self.sack:
            edges = b"".join(struct.pack(">II", *block) for block in self.sack)
            options += struct.pack(">BBBB", 1, 1, 5, 2 + len(edges)) + edges
        return options + bytes(-len(options) % 4)

    def tcp(self, source: Address, target: Address) -> bytes:
        """The segment with its checksum."""
        options = self._options()
        offset = (20 + len(options)) // 4 << 4
        header = struct.pack(">HHIIBBH", source.port, target.port, self.seq, self.ack, offset, self.flags, self.window)
        whole = header + bytes(4) + options + self.payload
        checksum = internet_checksum(pseudo_header(source.ip, target.ip, 6, len(whole)) + whole)
        return header + struct.pack(">H", checksum) + bytes(2) + options + self.payload

    def packet(self, source: Address, target: Address, tags: tuple[int, ...] = ()) -> bytes:
        """The Ethernet packet, with an 802.1Q tag for each of ``tags``."""
        tcp = self.tcp(source, target)
        return ethernet(source.mac, target.mac, tags, source.ip) + ip_header(source.ip, target.ip, 6, len(tcp)) + tcp

    @classmethod
    def of(cls, packet: bytes) -> Segment | None:
        """The segment in a packet, or None if its checksum is wrong."""
        source, target, tcp = _payload(packet)
        if internet_checksum(pseudo_header(source, target, 6, len(tcp)) + tcp):
            return None
        _, _, seq, ack, offset, flags, window = struct.unpack(">HHIIBBH", tcp[:16])
        options = tcp[20 : (offset >> 4) * 4]
        return cls(seq, ack, flags & 0x1F, window, tcp[(offset >> 4) * 4 :], **_read_options(options))


def _read_options(options: bytes) -> dict[str, object]:
    found: dict[str, object] = {}
    while options and options[0]:
        if options[0] == 1:
            options = options[1:]
            continue
        kind, value, options = options[0], options[2 : options[1]], options[options[1] :]
        if kind == 2:
            found["mss"] = int.from_bytes(value, "big")
        elif kind == 3:
            found["scale"] = value[0]
        elif kind == 4:
            found["sack_permitted"] = True
        elif kind == 5:
            found["sack"] = tuple(struct.iter_unpack(">II", value))
        elif kind == 8:
            found["timestamps"] = struct.unpack(">II", value)
    return found


def pseudo_header(source: bytes, target: bytes, protocol: int, length: int) -> bytes:
    """What a transport's checksum covers besides itself (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    if len(source) == 4:
        return source + target + struct.pack(">BBH", 0, protocol, length)
    return source + target + struct.pack(">IxxxB", length, protocol)


def ethernet(source: bytes, target: bytes, tags: tuple[int, ...], ip: bytes) -> bytes:
    """An Ethernet header with 802.1Q tags for a packet from this IP."""
    ethertype = 0x0800 if len(ip) == 4 else 0x86DD
    return target + source + b"".join(struct.pack(">HH", 0x8100, tag) for tag in tags) + struct.pack(">H", ethertype)


def ip_header(source: bytes, target: bytes, protocol: int, length: int) -> bytes:
    """An IPv4 or IPv6 header before ``length`` bytes."""
    if len(source) == 16:
        return struct.pack(">IHBB", 6 << 28, length, protocol, 64) + source + target
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, 64, protocol, 0) + source + target
    return header[:10] + struct.pack(">H", internet_checksum(header)) + header[12:]


def _payload(packet: bytes) -> tuple[bytes, bytes, bytes]:
    """Source, target and what the IP packet carries."""
    at = 12
    while packet[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    ip = packet[at + 2 :]
    if ip[0] >> 4 == 6:
        return ip[8:24], ip[24:40], ip[40 : 40 + int.from_bytes(ip[4:6], "big")]
    return ip[12:16], ip[16:20], ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
