"""Fragments put together: whatever the cuts and the order, the result is what was cut; scapy as second opinion."""

from __future__ import annotations

import dataclasses
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, defragment, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, defragment6, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from colo_twisted.packets import kinds
from colo_twisted.packets.fragments import COST, MOST_FRAGMENTS, Reassembler, Whole
from colo_twisted.packets.headers import Headers
from tests.support.internet import FRAGMENT, Laid, ethernet, extensions, laid_packets, udp, v4, v6

LIFETIME = 30.0
PLENTY = 1 << 30


def cut_header(laid: Laid, id: int, units: int, more: bool, length: int) -> bytes:
    """The headers of a fragment of ``length`` bytes."""
    header = bytearray(laid.packet[: laid.transport])
    at = laid.network
    if laid.version == 4:
        struct.pack_into(">HHH", header, at + 2, laid.transport - at + length, id, more << 13 | units)
        return bytes(header)
    field, walked = at + 6, at + 40
    while walked < laid.transport:
        kind, field = header[field], walked
        sizes = {51: (header[walked + 1] + 2) * 4, FRAGMENT: 8}
        walked += sizes.get(kind, (header[walked + 1] + 1) * 8)
    header[field] = FRAGMENT
    struct.pack_into(">H", header, at + 4, laid.transport - at - 32 + length)
    return bytes(header) + struct.pack(">BBHI", laid.protocol, 0, units << 3 | more, id)


def fragments_of(laid: Laid, id: int, cuts: list[int]) -> list[bytes]:
    """The packet cut at these multiples of 8 bytes."""
    body = laid.packet[laid.transport : laid.end]
    places = sorted({0, *(cut for cut in cuts if 0 < cut * 8 < len(body))})
    parts = [(start, body[start * 8 : end * 8]) for start, end in zip(places, [*places[1:], 1 << 16])]
    return [cut_header(laid, id, start, start != places[-1], len(part)) + part for start, part in parts]


def framed(packet: bytes) -> bytes:
    return struct.pack(">I", len(packet)) + packet


def add(reassembler: Reassembler, packet: bytes, now: float = 0.0) -> Whole | None:
    """Hand a fragment over, from the middle of other data."""
    headers = Headers()
    data = b"before" + packet + b"behind"
    assert headers.parse(data, 6, 6 + len(packet)) == kinds.FRAGMENT
    return reassembler.add(data, 6, 6 + len(packet), headers, framed(packet), now)


def without_checksum(packet: bytes, laid: Laid) -> bytes:
    """IPv4's header checksum need not be right."""
    at = laid.network + 10
    return packet[:at] + packet[at + 2 :] if laid.version == 4 else packet


def uncut(laid: Laid, id: int) -> bytes:
    """What the packet is when it has been cut and put together."""
    whole = bytearray(laid.packet[: laid.end])
    if laid.version == 4:
        struct.pack_into(">H", whole, laid.network + 4, id)
    return without_checksum(bytes(whole), laid)


@dataclasses.dataclass
class Cut:
    """A packet, its identification, and its fragments in the order in which they come."""

    laid: Laid
    id: int
    fragments: list[bytes]


@st.composite
def cut_packets(draw: st.DrawFn, id: int = 7, rare: bool = True) -> Cut:
    most = draw(st.sampled_from((60, 60, 60, 3000)))
    laid = draw(laid_packets(most, rare).filter(lambda laid: laid.size > 8))
    cuts = draw(st.lists(st.integers(1, (laid.size - 1) // 8), min_size=1, max_size=12))
    fragments = fragments_of(laid, id, cuts)
    again = draw(st.lists(st.sampled_from(fragments), max_size=3))
    return Cut(laid, id, draw(st.permutations(fragments + again)))


@given(cut_packets())
def test_in_any_order_and_with_copies_it_is_whole_with_the_last_missing_part(cut: Cut) -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    missing = set(cut.fragments)
    for number, packet in enumerate(cut.fragments, 1):
        missing.discard(packet)
        whole = add(reassembler, packet)
        assert (whole is None) == bool(missing)
        if whole is None:
            continue
        assert without_checksum(whole.packet, cut.laid) == uncut(cut.laid, cut.id)
        assert whole.frames == [framed(each) for each in cut.fragments[:number]]
        assert (len(reassembler), reassembler.held_bytes, reassembler.next_deadline) == (0, 0, None)
        headers = Headers()
        assert headers.parse(whole.packet, 0, len(whole.packet)) == cut.laid.kind
        break
    assert reassembler.given_up == []


@given(st.lists(cut_packets(), min_size=2, max_size=5), st.data())
def test_packets_come_mixed_with_each_other(cuts: list[Cut], data: st.DataObject) -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    numbered = [Cut(cut.laid, n, fragments_of(cut.laid, n, [1, 3])) for n, cut in enumerate(cuts)]
    turns = data.draw(st.permutations([n for n, cut in enumerate(numbered) for _ in cut.fragments]))
    left = [list(cut.fragments) for cut in numbered]
    for turn in turns:
        whole = add(reassembler, left[turn].pop())
        assert (whole is None) == bool(left[turn])
        if whole is not None:
            assert without_checksum(whole.packet, numbered[turn].laid) == uncut(numbered[turn].laid, turn)
            assert whole.frames == [framed(each) for each in numbered[turn].fragments[::-1]]
    assert (len(reassembler), reassembler.given_up) == (0, [])


@given(st.integers(9, 5000), st.integers(1, 40), st.booleans(), st.randoms(use_true_random=False))
def test_what_scapy_cuts_is_put_together(size: int, units: int, version6: bool, random: Any) -> None:
    payload = Raw(random.randbytes(size))
    ports = UDP(sport=5, dport=7)
    ether = Ether(dst="52:54:00:00:00:02", src="52:54:00:00:00:01")
    if version6:
        source = IPv6(src="fd00::2", dst="fd00::3") / IPv6ExtHdrHopByHop()
        pieces = fragment6(source / IPv6ExtHdrFragment(id=9) / ports / payload, units * 8 + 96)
        expected = bytes(ether / source / ports / payload)
    else:
        pieces = fragment(IP(src="10.0.0.2", dst="10.0.0.3", id=9) / ports / payload, units * 8)
        expected = bytes(ether / IP(src="10.0.0.2", dst="10.0.0.3", id=9) / ports / payload)
    packets = [bytes(ether / piece) for piece in pieces]
    random.shuffle(packets)
    if not 1 < len(packets) <= MOST_FRAGMENTS:
        return
    reassembler = Reassembler(PLENTY, LIFETIME)
    wholes = [add(reassembler, packet) for packet in packets]
    assert wholes[:-1] == [None] * (len(packets) - 1)
    assert wholes[-1] is not None
    skip = slice(0, 0) if version6 else slice(24, 26)
    whole, known = bytearray(wholes[-1].packet), bytearray(expected)
    del whole[skip], known[skip]
    assert whole == known


@given(cut_packets(rare=False).filter(lambda cut: cut.laid.network == 14))
def test_scapy_puts_the_same_together(cut: Cut) -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    (whole, *_) = [whole for packet in cut.fragments if (whole := add(reassembler, packet))]
    in_order = [Ether(packet) for packet in dict.fromkeys(sorted(cut.fragments, key=lambda each: place_of(each)))]
    if cut.laid.version == 4:
        (seen,) = defragment(in_order).res
    else:
        seen = defragment6([packet[IPv6] for packet in in_order])
    body = len(whole.packet) - cut.laid.transport
    assert bytes(seen)[-body:] == whole.packet[cut.laid.transport :]


def place_of(packet: bytes) -> int:
    """Where a fragment's part stands in the packet."""
    headers = Headers()
    headers.parse(packet, 0, len(packet))
    return headers.fragment_offset


# what is not put together


def part(version: int, at: int, data: bytes, more: bool, id: int = 3, protocol: int = 17) -> bytes:
    """A fragment whose part stands ``at`` bytes from the packet's begin."""
    if version == 4:
        return ethernet(0x0800) + v4(protocol, data, id=id, fragment=at // 8 | more << 13)
    return ethernet(0x86DD) + v6(FRAGMENT, struct.pack(">BBHI", protocol, 0, at | more, id) + data)


def bytes_at(start: int, end: int) -> bytes:
    return bytes(range(start, end))


A, B, C = (0, bytes_at(0, 16), True), (16, bytes_at(16, 32), True), (32, bytes_at(32, 41), False)
CONTRADICTIONS = {
    "other bytes": [A, C, (0, bytes(16), True)],
    "other bytes in an overlap": [A, C, (8, bytes_at(9, 33), True)],
    "a part that ends behind the end": [A, C, (24, bytes_at(24, 48), True)],
    "an end before what there is": [A, (48, bytes_at(48, 56), True), C],
    "another end": [A, C, (40, bytes_at(40, 50), False)],
    "no multiple of 8": [A, (16, bytes_at(16, 31), True)],
    "nothing in it": [A, (16, b"", True)],
    "nothing in the last": [A, (16, b"", False)],
    "more than 64 KiB": [A, (65528, bytes_at(0, 8), True)],
    "an end behind 64 KiB": [A, (65528, bytes_at(0, 8), False)],
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("parts", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_give_the_packet_up(version: int, parts: list[tuple[int, bytes, bool]]) -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    packets = [part(version, *each) for each in parts]
    assert [add(reassembler, packet) for packet in packets] == [None] * len(packets)
    assert reassembler.given_up == [[framed(packet) for packet in packets]]
    late = [part(version, *each) for each in (A, B, C)]
    assert [add(reassembler, packet) for packet in late] == [None] * 3
    assert reassembler.given_up[1:] == [[framed(packet)] for packet in late]
    assert reassembler.held_bytes == COST
    assert reassembler.expire(LIFETIME) == []
    assert (len(reassembler), reassembler.held_bytes) == (0, 0)
    assert [add(reassembler, packet) is not None for packet in late] == [False, False, True]


OVERLAPS = {
    "inside": [A, (0, bytes_at(0, 8), True), B, C],
    "begin": [(8, bytes_at(8, 24), True), A, (24, bytes_at(24, 32), True), C],
    "over two": [A, (16, bytes_at(16, 24), True), (8, bytes_at(8, 32), True), C],
    "over holes": [(8, bytes_at(8, 16), True), (24, bytes_at(24, 32), True), C, (0, bytes_at(0, 32), True)],
    "the end": [A, C, (16, bytes_at(16, 41), False)],
}


@pytest.mark.parametrize("parts", OVERLAPS.values(), ids=OVERLAPS)
def test_ipv4_may_overlap_where_the_bytes_are_the_same_and_ipv6_not(parts: list[tuple[int, bytes, bool]]) -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    wholes = [add(reassembler, part(4, *each)) for each in parts]
    assert wholes[:-1] == [None] * (len(parts) - 1)
    assert wholes[-1] is not None
    assert wholes[-1].packet[34:] == bytes_at(0, 41)
    assert [add(reassembler, part(6, *each)) for each in parts] == [None] * len(parts)
    assert len(reassembler.given_up) >= 1


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(1, 8), st.integers(0, 9)), max_size=14))
def test_ipv4_overlaps_are_what_a_map_of_bytes_says(pieces: list[tuple[int, int, int]]) -> None:
    """Each piece is where it begins and ends, in units of 8 bytes, and whether (0) a byte of it is wrong."""
    reassembler = Reassembler(PLENTY, LIFETIME)
    known: dict[int, int] = {}
    for start, units, wrong in pieces:
        end = min(8, start + units)
        data = bytearray(range(start * 8, end * 8))
        data[-1] ^= not wrong
        fits = all(known.get(start * 8 + n, byte) == byte for n, byte in enumerate(data))
        whole = add(reassembler, part(4, start * 8, bytes(data), end < 8))
        if not fits:
            assert whole is None
            assert len(reassembler.given_up) == 1
            return
        known |= {start * 8 + n: byte for n, byte in enumerate(data)}
        assert (whole is not None) == (len(known) == 64)
        if whole is not None:
            assert whole.packet[34:] == bytes(known[n] for n in range(64))
            return


@pytest.mark.parametrize("version", [4, 6])
def test_the_largest_packet_is_put_together_and_a_larger_one_is_not(version: int) -> None:
    for size, fits in ((65515 if version == 4 else 65535, True), (65516 if version == 4 else 65536, False)):
        reassembler = Reassembler(PLENTY, LIFETIME)
        body = udp(bytes(size - 8) if size < 65536 else bytes(size - 9)) + b"\0" * (size == 65536)
        pieces = [part(version, at, body[at : at + 1480], at + 1480 < size) for at in range(0, size, 1480)]
        whole = [add(reassembler, piece) for piece in pieces][-1]
        assert (whole is not None) == fits
        if whole is not None:
            assert whole.packet.endswith(body)
            assert Headers().parse(whole.packet, 0, len(whole.packet)) == kinds.UDP
        else:
            assert sum(map(len, reassembler.given_up)) == len(pieces)


def test_ipv6s_headers_before_the_fragments_count() -> None:
    first, headers = extensions(((60, 2),), FRAGMENT)
    reassembler = Reassembler(PLENTY, LIFETIME)
    body = bytes(65520)
    for at in (0, 32768):
        more = at == 0
        cut = headers + struct.pack(">BBHI", 17, 0, at | more, 1) + body[at : at + 32768]
        assert add(reassembler, ethernet(0x86DD) + v6(first, cut)) is None
    assert len(reassembler.given_up) == 1


def test_too_many_fragments_give_the_packet_up() -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    for number in range(MOST_FRAGMENTS):
        assert add(reassembler, part(4, number * 16, bytes(8), True)) is None
    assert reassembler.given_up == []
    assert add(reassembler, part(4, 8, bytes(8), True)) is None
    assert [len(frames) for frames in reassembler.given_up] == [MOST_FRAGMENTS + 1]


def test_what_tells_packets_apart() -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    first = part(4, 0, bytes(8), True)
    others = [
        part(4, 8, bytes(8), False, id=4),
        part(4, 8, bytes(8), False, protocol=6),
        part(6, 8, bytes(8), False),
        ethernet(0x0800, ((0x8100, 1),)) + v4(17, bytes(8), id=3, fragment=1),
        ethernet(0x0800) + v4(17, bytes(8), ("10.22.1.3", "10.22.1.2"), id=3, fragment=1),
    ]
    assert [add(reassembler, packet) for packet in (first, *others)] == [None] * 6
    assert len(reassembler) == 6
    tagged = ethernet(0x0800, ((0x8100, 0xE001),)) + v4(17, bytes(8), id=3, fragment=0x2000)
    assert add(reassembler, tagged) is not None


def test_only_the_first_fragment_of_ipv6_says_the_protocol() -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    assert add(reassembler, part(6, 8, bytes(8), False, protocol=6)) is None
    whole = add(reassembler, part(6, 0, udp(bytes(8))[:8], True, protocol=17))
    assert whole is not None
    assert Headers().parse(whole.packet, 0, len(whole.packet)) == kinds.UDP


def test_they_expire_by_age() -> None:
    reassembler = Reassembler(PLENTY, LIFETIME)
    packets = [part(4, 0, bytes(8), True, id=id) for id in range(3)]
    for second, packet in enumerate(packets):
        add(reassembler, packet, float(second))
    add(reassembler, part(4, 16, bytes(8), True, id=0), 20.0)  # makes the first no younger
    assert reassembler.next_deadline == LIFETIME
    assert reassembler.expire(LIFETIME - 0.5) == []
    assert reassembler.expire(LIFETIME + 1) == [
        [framed(packets[0]), framed(part(4, 16, bytes(8), True, id=0))],
        [framed(packets[1])],
    ]
    assert (len(reassembler), reassembler.next_deadline) == (1, LIFETIME + 2)
    assert reassembler.expire(LIFETIME + 9) == [[framed(packets[2])]]
    assert (reassembler.held_bytes, reassembler.given_up) == (0, [])


def test_the_oldest_go_when_there_is_too_much() -> None:
    one = part(4, 0, bytes(800), True)
    a_packet = COST + len(framed(one)) + 800 + COST
    reassembler = Reassembler(3 * a_packet, LIFETIME)
    packets = [part(4, 0, bytes(800), True, id=id) for id in range(5)]
    for packet in packets:
        add(reassembler, packet)
        assert reassembler.held_bytes <= 3 * a_packet
    assert reassembler.given_up == [[framed(packet)] for packet in packets[:2]]


@given(
    st.lists(
        st.tuples(st.sampled_from((4, 6)), st.integers(0, 3), st.integers(0, 9), st.integers(0, 30), st.booleans()),
        max_size=40,
    ),
    st.integers(0, 8000),
)
def test_no_frame_is_lost_or_doubled_and_no_more_is_held_than_allowed(
    pieces: list[tuple[int, int, int, int, bool]], most_bytes: int
) -> None:
    reassembler = Reassembler(most_bytes, 5.0)
    given_back: list[bytes] = []
    came = []
    for now, (version, id, units, size, more) in enumerate(pieces):
        if not units and not more:
            continue
        packet = part(version, units * 8, bytes(size), more, id=id)
        came.append(framed(packet))
        whole = add(reassembler, packet, float(now))
        given_back += whole.frames if whole else []
        assert 0 <= reassembler.held_bytes <= most_bytes
        if now % 3 == 0:
            for frames in reassembler.expire(float(now)):
                assert frames
                given_back += frames
            assert reassembler.next_deadline is None or reassembler.next_deadline > now
    for frames in (*reassembler.given_up, *reassembler.expire(1e9)):
        assert frames
        given_back += frames
    assert sorted(given_back) == sorted(came)
    assert (len(reassembler), reassembler.held_bytes) == (0, 0)
