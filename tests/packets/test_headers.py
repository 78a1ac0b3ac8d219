"""The one entry for untrusted packets: against how they were made, a parser by the book, and scapy."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Padding

from colo_twisted.packets import kinds
from colo_twisted.packets.headers import Headers
from tests.support.internet import Laid, ethernet, extension, extensions, icmp, laid_packets, tcp, udp, v4, v6


class Watched(bytes):
    """Bytes of which only a stretch may be read (which plain Python is caught at; compiled, the result shows it)."""

    stretch = range(0)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, int):
            assert at in self.stretch, f"byte {at} is outside"
        return super().__getitem__(at)


def parse(packet: bytes, before: bytes = b"", behind: bytes = b"") -> Headers:
    """Its headers, with other data before it and behind it."""
    data = Watched(before + packet + behind)
    data.stretch = range(len(before), len(before) + len(packet))
    headers = Headers()
    assert headers.parse(data, len(before), len(before) + len(packet)) == headers.kind
    return headers


def gist(headers: Headers) -> tuple[Any, ...]:
    """What is to be relied upon for its kind; places from the packet's first byte."""
    kind = headers.kind
    if kind in (kinds.NOT_IP, kinds.MALFORMED):
        return (kind,)
    places = (headers.network, headers.transport, headers.payload, headers.end)
    seen = (kind, headers.version, headers.protocol, *(place - headers.start for place in places))
    if kind == kinds.TCP:
        return (*seen, headers.seq, headers.ack, headers.flags, headers.window)
    if kind == kinds.FRAGMENT:
        return (*seen, headers.fragment_id, headers.fragment_offset, bool(headers.more_fragments))
    return seen


# against a parser by the book: it eats the packet from the front, and gives up where bytes are missing


class Missing(Exception):
    """The packet has fewer bytes than it says."""


class Eater:
    def __init__(self, packet: bytes) -> None:
        self.rest, self.at = packet, 0

    def eat(self, count: int) -> bytes:
        if count < 0 or count > len(self.rest):
            raise Missing
        eaten, self.rest = self.rest[:count], self.rest[count:]
        self.at += count
        return eaten


def by_the_book(packet: bytes) -> tuple[Any, ...]:
    """What ``gist`` must be."""
    try:
        return _ethernet_by_the_book(Eater(packet))
    except Missing:
        return (kinds.MALFORMED,)


def _ethernet_by_the_book(eater: Eater) -> tuple[Any, ...]:
    ether_type = eater.eat(14)[12:].hex()
    for _ in range(4):
        if ether_type in ("8100", "88a8", "9100"):
            ether_type = eater.eat(4)[2:].hex()
    if ether_type in ("8100", "88a8", "9100"):
        raise Missing
    return {"0800": _v4_by_the_book, "86dd": _v6_by_the_book}.get(ether_type, lambda _: (kinds.NOT_IP,))(eater)


def _v4_by_the_book(eater: Eater) -> tuple[Any, ...]:
    network = eater.at
    first, _, total, id, fragment, _, protocol, _ = struct.unpack(">BBHHHBBH8x", eater.eat(20))
    eater.eat((first & 15) * 4 - 20)
    if first >> 4 != 4 or (size := total - (first & 15) * 4) > len(eater.rest) or size < 0:
        raise Missing
    eater.rest = eater.rest[:size]
    if fragment & 0x3FFF:
        here = eater.at
        places = (network, here, here, here + size)
        return (kinds.FRAGMENT, 4, protocol, *places, id, (fragment & 0x1FFF) * 8, bool(fragment & 0x2000))
    return _transport_by_the_book(eater, 4, protocol, network)


def _v6_by_the_book(eater: Eater) -> tuple[Any, ...]:
    network = eater.at
    first, size, protocol = struct.unpack(">B3xHB33x", eater.eat(40))
    if first >> 4 != 6 or size > len(eater.rest):
        raise Missing
    eater.rest = eater.rest[:size]
    for _ in range(9):
        if protocol == 44:
            protocol, _, field, id = struct.unpack(">BBHI", eater.eat(8))
            if field & 0xFFF9:
                here = eater.at
                places = (network, here, here, here + len(eater.rest))
                return (kinds.FRAGMENT, 6, protocol, *places, id, field & 0xFFF8, bool(field & 1))
        elif protocol in (0, 43, 60):
            protocol, units = eater.eat(2)
            eater.eat(6 + units * 8)
        elif protocol == 51:
            protocol, units = eater.eat(2)
            eater.eat(6)
            eater.eat(units * 4)
        else:
            return _transport_by_the_book(eater, 6, protocol, network)
    raise Missing


def _transport_by_the_book(eater: Eater, version: int, protocol: int, network: int) -> tuple[Any, ...]:
    transport, end = eater.at, eater.at + len(eater.rest)
    kind = kinds.OTHER_IP
    more: tuple[int, ...] = ()
    if protocol == 6:
        _, seq, ack, offset, flags, window = struct.unpack(">IIIBBH4x", eater.eat(20))
        eater.eat((offset >> 4) * 4 - 20)
        kind, more = kinds.TCP, (seq, ack, flags, window)
    elif protocol == 17:
        length = struct.unpack(">4xH2x", eater.eat(8))[0]
        if not 8 <= length <= end - transport:
            raise Missing
        kind = kinds.UDP
    elif (version, protocol) in ((4, 1), (6, 58)):
        message = eater.eat(8)[0]
        control = {3, 4, 5, 9, 10, 11, 12}
        if version == 6:
            control = {*range(128), *range(130, 138), 141, 142, 143, 151, 152, 153}
        kind = kinds.CONTROL if message in control else kinds.ICMP
    elif protocol == 2:
        kind = kinds.CONTROL
    return (kind, version, protocol, network, transport, eater.at, end, *more)


@given(laid_packets(), st.binary(max_size=40), st.binary(max_size=80))
def test_the_parts_are_where_they_were_put(laid: Laid, before: bytes, behind: bytes) -> None:
    seen = gist(parse(laid.packet, before, behind))
    assert seen[:7] == (laid.kind, laid.version, laid.protocol, laid.network, laid.transport, laid.payload, laid.end)
    assert seen == by_the_book(laid.packet)


def payload_of(layer: Packet) -> bytes:
    """What the layer carries, without Ethernet's padding."""
    padding = len(layer[Padding].load) if Padding in layer else 0
    payload = bytes(layer.payload)
    return payload[: len(payload) - padding]


@given(laid_packets(rare=False))
def test_scapy_sees_the_same(laid: Laid) -> None:
    headers, seen = parse(laid.packet), Ether(laid.packet)
    ip = seen[IP] if laid.version == 4 else seen[IPv6]
    assert len(bytes(ip.original)) == len(laid.packet) - headers.network
    if headers.kind == kinds.TCP:
        layer = seen[TCP]
        assert (layer.seq, layer.ack, int(layer.flags) & 0xFF, layer.window) == (
            *(headers.seq, headers.ack, headers.flags, headers.window),
        )
        assert payload_of(layer) == laid.packet[headers.payload : headers.end]
    elif headers.kind == kinds.UDP:
        assert payload_of(seen[UDP]) == laid.packet[headers.payload : headers.end]
    elif laid.version == 4 and laid.protocol == 1:
        assert ICMP in seen
    assert TCP not in seen or headers.kind == kinds.TCP or ICMP in seen  # which quotes


@given(laid_packets(most=20), st.binary(min_size=80, max_size=80))
def test_cut_short_anywhere_it_is_malformed_and_nothing_behind_is_read(laid: Laid, behind: bytes) -> None:
    for size in range(laid.end):
        assert parse(laid.packet[:size]).kind == kinds.MALFORMED
        assert parse(laid.packet[:size], b"before", behind).kind == kinds.MALFORMED
    for size in range(laid.end, len(laid.packet) + 1):
        assert gist(parse(laid.packet[:size])) == gist(parse(laid.packet))


@given(laid_packets(most=20), st.binary(min_size=80, max_size=80))
def test_whatever_length_ip_claims_it_is_what_the_book_says(laid: Laid, behind: bytes) -> None:
    field = laid.network + (2 if laid.version == 4 else 4)
    for claimed in range(len(laid.packet) - laid.network + 3):
        packet = laid.packet[:field] + struct.pack(">H", claimed) + laid.packet[field + 2 :]
        assert gist(parse(packet)) == gist(parse(packet, b"before", behind)) == by_the_book(packet)


@given(laid_packets(), st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4), st.binary(max_size=80))
def test_changed_anywhere_it_is_what_the_book_says(laid: Laid, changes: list[tuple[int, int]], behind: bytes) -> None:
    packet = bytearray(laid.packet)
    for at, value in changes:
        packet[(laid.network - 2 + at) % len(packet)] = value
    assert gist(parse(bytes(packet))) == gist(parse(bytes(packet), b"-", behind)) == by_the_book(bytes(packet))


@given(st.sampled_from((0x0800, 0x86DD, 0x8100, 0x88A8, 0x0806, 0x05DC)), st.binary(max_size=120))
def test_any_bytes_are_what_the_book_says(ether_type: int, body: bytes) -> None:
    for packet in (ethernet(ether_type) + body, ethernet(ether_type) + b"\x45\0\0" + body, body):
        assert gist(parse(packet, b"-", body)) == by_the_book(packet)


@given(
    st.sampled_from((4, 6)),
    st.integers(0, 0x1FFF),
    st.booleans(),
    st.integers(0, 0xFFFF),
    st.binary(max_size=40),
    st.binary(max_size=9),
)
def test_fragments(version: int, units: int, more: bool, id: int, part: bytes, padding: bytes) -> None:
    assume(units or more)
    if version == 4:
        ip = v4(6, part, options=bytes(8), id=id, fragment=units | more << 13)
        expected = (kinds.FRAGMENT, 4, 6, 14, 42, 42, 42 + len(part))
    else:
        fragment = struct.pack(">BBHI", 6, 0, units << 3 | more, id << 16 | 5)
        ip = v6(60, extension(60, 44, 1) + fragment + part)
        expected = (kinds.FRAGMENT, 6, 6, 14, 78, 78, 78 + len(part))
        id = id << 16 | 5
    packet = ethernet(0x0800 if version == 4 else 0x86DD) + ip + padding
    assert gist(parse(packet, b"-", padding)) == (*expected, id, units << 3, more) == by_the_book(packet)


@pytest.mark.parametrize("extension_kind", [0, 43, 44, 51, 60])
def test_eight_extension_headers_are_walked_and_a_ninth_is_malformed(extension_kind: int) -> None:
    for count, kind in ((8, kinds.TCP), (9, kinds.MALFORMED)):
        first, headers = extensions(((extension_kind, 0),) * count, 6)
        assert parse(ethernet(0x86DD) + v6(first, headers + tcp())).kind == kind


def test_thousands_of_atomic_fragment_headers_raise_nothing() -> None:
    first, headers = extensions(((44, 0),) * 8000, 6)
    assert parse(ethernet(0x86DD) + v6(first, headers + tcp())).kind == kinds.MALFORMED


def test_headers_are_used_again_and_again() -> None:
    headers = Headers()
    tagged = ethernet(0x0800, ((0x8100, 7),)) + v4(6, tcp(b"one", seq=5))
    plain = ethernet(0x86DD) + v6(17, udp(b"two"))
    for packet in (tagged, plain, b"short", ethernet(0x0806), plain, tagged):
        headers.parse(packet, 0, len(packet))
        assert gist(headers) == by_the_book(packet)
    headers.parse(b"short", 0, 5)
    assert headers.version == 0


@pytest.mark.parametrize("buffer", [bytes, bytearray])
def test_what_may_be_changed_is_parsed_too(buffer: type) -> None:
    packet = buffer(ethernet(0x0800) + v4(17, udp(b"data")))
    assert Headers().parse(packet, 0, len(packet)) == kinds.UDP


# keys

Flow = tuple[str, int, tuple[int, ...], int, int, int, int]


def a_packet(flow: Flow, payload: bytes, priority: int) -> bytes:
    """One of a flow's: transport, version, VLANs, the last parts of the addresses, ports (or type and identifier)."""
    what, version, vlans, source, destination, one, other = flow
    tags = tuple((0x8100, priority << 12 | vlan) for vlan in vlans)
    body = {"TCP": tcp(payload, (one, other)), "UDP": udp(payload, (one, other)), "ESP": payload}
    body["echo"] = icmp((8 if version == 4 else 128) - one % 2 * (8 if version == 4 else -1), payload, other)
    protocol = {"TCP": 6, "UDP": 17, "echo": 1 if version == 4 else 58, "ESP": 50}[what]
    if version == 4:
        return ethernet(0x0800, tags) + v4(protocol, body[what], (f"10.0.0.{source}", f"10.0.0.{destination}"))
    return ethernet(0x86DD, tags) + v6(protocol, body[what], (f"fd00::{source}", f"fd00::{destination}"))


def identity(flow: Flow) -> tuple[Any, ...]:
    """What tells it from other flows."""
    what, *others, one, other = flow
    return (what, *others, *{"ESP": (), "echo": (one % 2, other)}.get(what, (one, other)))


_two = st.integers(1, 2)
flows = st.tuples(
    st.sampled_from(("TCP", "UDP", "echo", "ESP")),
    st.sampled_from((4, 6)),
    st.lists(_two, max_size=2).map(tuple),
    *[_two] * 4,
)


@given(flows, flows, st.tuples(*[st.binary(max_size=9)] * 2), st.tuples(*[st.integers(0, 15)] * 2))
@example(("TCP", 4, (), 1, 2, 1, 2), ("TCP", 4, (), 2, 1, 2, 1), (b"", b""), (0, 0))
def test_keys_are_equal_for_the_same_flow_only(
    one: Flow, other: Flow, payloads: tuple[bytes, bytes], priorities: tuple[int, int]
) -> None:
    keys = []
    for flow, payload, priority in zip((one, other), payloads, priorities):
        packet = a_packet(flow, payload, priority)
        keys.append(parse(packet, payload).connection_key(payload + packet))
    assert (keys[0] == keys[1]) == (identity(one) == identity(other))


def test_keys_of_all_flows_differ() -> None:
    pool = [
        (what, version, vlans, 1, 2, 1, other)
        for what in ("TCP", "UDP", "echo", "ESP")
        for version in (4, 6)
        for vlans in ((), (1,), (2,), (1, 2), (2, 1), (1, 1, 1, 1))
        for other in ((1,) if what == "ESP" else (1, 2, 65535))
    ]
    keys = {parse(packet).connection_key(packet) for packet in (a_packet(flow, b"", 0) for flow in pool)}
    assert len(keys) == len(pool)


def test_ipv4_options_and_extension_headers_are_no_part_of_a_key() -> None:
    first, headers = extensions(((60, 1), (44, 0)), 6)
    pairs = [
        (ethernet(0x0800) + v4(6, tcp()), ethernet(0x0800) + v4(6, tcp(), options=bytes(12))),
        (ethernet(0x86DD) + v6(6, tcp()), ethernet(0x86DD) + v6(first, headers + tcp())),
    ]
    for plain, other in pairs:
        assert parse(plain).connection_key(plain) == parse(other).connection_key(other)
