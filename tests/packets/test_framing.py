"""The chardev wire, incoming: any cut of a stream gives its frames, and nothing a peer sends does harm."""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, STP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.batch import LENGTH_SIZE, MAX_FRAME, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.framing import FrameDecoder
from tests.support.strategies import VNET_LENGTHS, Frame, cut, ethernet, frames_of, split_wire, streams, wire

OVERHEAD = LENGTH_SIZE + VNET_LENGTH_SIZE
ALLOWED = "(allowed: at least 14, an Ethernet header)"
ALIKE = "set vnet_hdr_support alike at both ends"


def feed(decoder: FrameDecoder, pieces: Iterable[bytes]) -> list[Frame]:
    """Every frame that comes out, in order; what must hold at all times is checked on the way."""
    frames: list[Frame] = []
    for piece in pieces:
        batch = decoder.feed(piece)
        assert decoder.held < OVERHEAD + MAX_FRAME
        if batch is not None:
            assert len(batch) > 0
            assert batch.vnet_hdr == decoder.vnet_hdr
            assert isinstance(batch.data, bytes)
            assert batch.places[0] == 0
            assert batch.places[-1] == len(batch.data)
            frames += frames_of(batch)
    return frames


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# whole streams


@given(streams(), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames_in_order(
    stream: tuple[bool, list[Frame]], data: st.DataObject
) -> None:
    vnet_hdr, frames = stream
    decoder = FrameDecoder(vnet_hdr)
    assert feed(decoder, data.draw(cut(wire(frames, vnet_hdr)))) == frames
    assert (decoder.broken, decoder.held) == (None, 0)


@given(streams())
def test_a_stream_that_comes_whole_is_one_batch_of_the_same_bytes(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    data = wire(frames, vnet_hdr)
    batch = FrameDecoder(vnet_hdr).feed(data)
    assert batch is not None
    assert batch.data is data  # not copied
    assert frames_of(batch) == frames == split_wire(data, vnet_hdr)


@pytest.mark.parametrize("vnet_hdr", [False, True])
def test_a_stream_that_comes_byte_by_byte_gives_each_frame_with_its_last_byte(vnet_hdr: bool) -> None:
    frames = [Frame(ethernet(0x0800, bytes([n]) * n), bytes(VNET_LENGTHS[n % 4]) * vnet_hdr) for n in range(40)]
    decoder = FrameDecoder(vnet_hdr)
    for frame in frames:
        *beginning, last = bytewise(frame.on_wire(vnet_hdr))
        assert feed(decoder, beginning) == []
        assert decoder.held == len(beginning)
        assert feed(decoder, [last]) == [frame]
        assert decoder.held == 0


@given(streams(), st.data())
def test_a_part_frame_at_the_end_is_held_and_completed(stream: tuple[bool, list[Frame]], data: st.DataObject) -> None:
    vnet_hdr, frames = stream
    *before, last = frames
    tail = last.on_wire(vnet_hdr)
    missing = data.draw(st.integers(1, len(tail)))
    decoder = FrameDecoder(vnet_hdr)
    assert feed(decoder, data.draw(cut(wire(before, vnet_hdr) + tail[:-missing]))) == before
    assert decoder.held == len(tail) - missing
    assert feed(decoder, data.draw(cut(tail[-missing:]))) == [last]
    assert decoder.held == 0


def test_nothing_comes_of_nothing() -> None:
    decoder = FrameDecoder(False)
    assert decoder.feed(b"") is None
    assert (decoder.broken, decoder.held) == (None, 0)


class CountingDecoder(FrameDecoder):
    """Counts the bytes that are put together and looked through."""

    looked_at = 0

    def _whole_frames(self, begun: bytes, data: bytes) -> Batch | None:
        self.looked_at += len(begun) + len(data)
        return super()._whole_frames(begun, data)


@pytest.mark.parametrize("vnet_hdr", [False, True])
def test_a_large_frame_byte_by_byte_is_put_together_once(vnet_hdr: bool) -> None:
    frames = [Frame(ethernet(0x0800, bytes(65_000)), bytes(12) * vnet_hdr), Frame(ethernet(0x0800))]
    decoder = CountingDecoder(vnet_hdr)
    data = wire(frames, vnet_hdr)
    assert feed(decoder, bytewise(data)) == frames
    assert decoder.looked_at <= len(data) + 4 * OVERHEAD


# limits


def header(length: int, vnet_length: int | None = None) -> bytes:
    """A frame's lengths alone."""
    return struct.pack(">I", length) + (b"" if vnet_length is None else struct.pack(">I", vnet_length))


@pytest.mark.parametrize("size", [14, MAX_FRAME])
def test_the_smallest_and_the_largest_packet_are_taken(size: int) -> None:
    frames = [Frame(ethernet(0x0800, bytes(size - 14)))]
    decoder = FrameDecoder(False)
    assert feed(decoder, [wire(frames, False)]) == frames
    assert decoder.broken is None


@pytest.mark.parametrize("vnet_length", VNET_LENGTHS)
@pytest.mark.parametrize("largest", [False, True])
def test_the_smallest_and_the_largest_frame_with_a_vnet_header_are_taken(vnet_length: int, largest: bool) -> None:
    packet = ethernet(0x0800, bytes(MAX_FRAME - 14 - vnet_length) if largest else b"")
    frames = [Frame(packet, bytes(vnet_length))]
    decoder = FrameDecoder(True)
    assert feed(decoder, [wire(frames, True)]) == frames
    assert decoder.broken is None


WRONG = [
    (header(13), f"a packet of 13 bytes {ALLOWED}"),
    (header(0), f"a packet of 0 bytes {ALLOWED}"),
    (header(MAX_FRAME + 1), "a frame of 69633 bytes (allowed: at most 69632)"),
    (header(0xFFFFFFFF), "a frame of 4294967295 bytes (allowed: at most 69632)"),
    (header(13, 0), f"a packet of 13 bytes {ALLOWED}"),
    (header(23, 10), f"a packet of 13 bytes {ALLOWED}"),
    (header(33, 20), f"a packet of 13 bytes {ALLOWED}"),
    (header(19, 20), "a vnet header of 20 bytes in a frame of 19"),
    (header(0, 10), "a vnet header of 10 bytes in a frame of 0"),
    (header(MAX_FRAME + 1, 10), "a frame of 69633 bytes (allowed: at most 69632)"),
    (header(100, 11), "a vnet header of 11 bytes (allowed: 0, 10, 12, 20)"),
    (header(100, 101), "a vnet header of 101 bytes (allowed: 0, 10, 12, 20)"),
    (header(100, 0xFFFFFFFF), "a vnet header of 4294967295 bytes (allowed: 0, 10, 12, 20)"),
]


@pytest.mark.parametrize(("wrong", "why"), WRONG, ids=[why for _, why in WRONG])
@pytest.mark.parametrize("cut_up", [lambda data: [data], bytewise], ids=["whole", "byte by byte"])
def test_frames_before_an_error_are_returned_and_nothing_behind_it(wrong: bytes, why: str, cut_up: object) -> None:
    vnet_hdr = len(wrong) == OVERHEAD
    good = [Frame(ethernet(0x0800, b"one")), Frame(ethernet(0x86DD, b"two"))]
    decoder = FrameDecoder(vnet_hdr)
    assert feed(decoder, cut_up(wire(good, vnet_hdr) + wrong + wire(good, vnet_hdr))) == good  # type: ignore[operator]
    assert decoder.broken == why
    assert decoder.held == 0
    assert feed(decoder, [wire(good, vnet_hdr), b"", *bytewise(wire(good, vnet_hdr))]) == []
    assert (decoder.broken, decoder.held) == (why, 0)


@pytest.mark.parametrize(("wrong", "why"), WRONG, ids=[why for _, why in WRONG])
def test_an_error_is_seen_with_the_last_byte_of_the_lengths(wrong: bytes, why: str) -> None:
    decoder = FrameDecoder(len(wrong) == OVERHEAD)
    assert feed(decoder, bytewise(wrong[:-1])) == []
    assert decoder.broken is None
    assert feed(decoder, [wrong[-1:]]) == []
    assert decoder.broken is not None
    assert decoder.broken.startswith(why)


def by_the_book(data: bytes, vnet_hdr: bool) -> tuple[list[Frame], bool, int]:
    """The oracle: frames, whether the stream is broken, and how many bytes of a part frame are left over."""
    frames: list[Frame] = []
    lengths = OVERHEAD if vnet_hdr else LENGTH_SIZE
    while len(data) >= lengths:
        length = int.from_bytes(data[:4], "big")
        vnet_length = int.from_bytes(data[4:8], "big") if vnet_hdr else 0
        if length > MAX_FRAME or vnet_length not in VNET_LENGTHS or length < vnet_length + 14:
            return frames, True, 0
        if len(data) < lengths + length:
            break
        body, data = data[lengths : lengths + length], data[lengths + length :]
        frames.append(Frame(body[vnet_length:], body[:vnet_length]))
    return frames, False, len(data)


_lengths = st.one_of(st.sampled_from((0, 10, 12, 13, 14, 20, 24, 34, 60, MAX_FRAME, MAX_FRAME + 1)), st.integers(0, 80))
_garbage = st.lists(st.one_of(_lengths.map(lambda n: struct.pack(">I", n)), st.binary(max_size=40)), max_size=12)


@given(streams(), _garbage.map(b"".join), st.data())
def test_garbage_behind_frames_is_what_the_book_says(
    stream: tuple[bool, list[Frame]], garbage: bytes, data: st.DataObject
) -> None:
    vnet_hdr, frames = stream
    sent = wire(frames, vnet_hdr) + garbage
    decoder = FrameDecoder(vnet_hdr)
    got = feed(decoder, data.draw(cut(sent)))
    assert (got, decoder.broken is not None, decoder.held) == by_the_book(sent, vnet_hdr)
    assert decoder.broken is None or (decoder.broken.isprintable() and len(decoder.broken) < 200)


@given(st.booleans(), _garbage.map(b"".join), st.data())
def test_garbage_from_the_first_byte_on_means_the_same_in_any_cut(
    vnet_hdr: bool, garbage: bytes, data: st.DataObject
) -> None:
    whole, in_pieces = FrameDecoder(vnet_hdr), FrameDecoder(vnet_hdr)
    got = feed(whole, [garbage])
    assert feed(in_pieces, data.draw(cut(garbage))) == got
    assert in_pieces.broken == whole.broken
    assert in_pieces.held == whole.held or whole.broken is not None
    frames, _, _ = by_the_book(garbage, vnet_hdr)
    assert got == frames[: len(got)]


@given(streams(), st.data())
def test_one_changed_byte_never_raises_and_holds_no_more_than_a_frame(
    stream: tuple[bool, list[Frame]], data: st.DataObject
) -> None:
    vnet_hdr, frames = stream
    sent = bytearray(wire(frames, vnet_hdr))
    sent[data.draw(st.integers(0, min(len(sent), 400) - 1))] = data.draw(st.integers(0, 255))
    decoder = FrameDecoder(vnet_hdr)
    got = feed(decoder, data.draw(cut(bytes(sent))))
    expected, _, _ = by_the_book(bytes(sent), vnet_hdr)
    assert got == expected[: len(got)]


# vnet headers at one end only

SOURCE = "52:54:00:12:34:56"
BROADCAST = "ff:ff:ff:ff:ff:ff"
LIKE_VNET_LENGTHS = [f"00:00:00:{size:02x}:12:34" for size in VNET_LENGTHS]
"""Addresses whose first four bytes are a vnet header length; 00:00:00:00:00:01 is what simulated networks hand out."""


def to(address: str) -> Packet:
    return Ether(src=SOURCE, dst=address)


@functools.cache
def usual_packets(address: str) -> dict[str, bytes]:
    """What is met on a guest's LAN, in Ethernet II with a type that is known."""
    ip, ip6 = IP(src="10.22.1.2", dst="10.22.1.3"), IPv6(src="fd00::2", dst="fd00::3")
    built = {
        "ARP": to(address) / ARP(pdst="10.22.1.3", psrc="10.22.1.2", hwsrc=SOURCE) / Raw(bytes(18)),
        "ping": to(address) / ip / ICMP() / Raw(bytes(56)),
        "SYN": to(address) / ip / TCP(dport=80, options=[("MSS", 1460)]),
        "IPv6": to(address) / ip6 / UDP(dport=53) / Raw(b"query"),
        "neighbour solicitation": to(address) / ip6 / ICMPv6ND_NS(tgt="fd00::3"),
        "VLAN": to(address) / Dot1Q(vlan=7) / ip / UDP() / Raw(bytes(40)),
        "QinQ": to(address) / Dot1AD(vlan=7) / Dot1Q(vlan=8) / ip / TCP(),
    }
    return {name: bytes(packet) for name, packet in built.items()}


@functools.cache
def rarer_packets(address: str) -> dict[str, bytes]:
    """Whatever else is real: other types, and 802.3 with a length where the type would stand."""
    inner = bytes(IP(src="10.22.1.2", dst="10.22.1.3") / UDP() / Raw(bytes(40)))
    built = {
        "spanning tree": Dot3(src=SOURCE, dst=address) / LLC() / STP() / Raw(bytes(8)),
        "SNAP": Dot3(src=SOURCE, dst=address) / LLC() / SNAP(code=0x0800) / Raw(inner),
        "old QinQ": to(address) / Raw(bytes.fromhex("0007 0800") + inner),
        "old QinQ, VLAN": to(address) / Raw(bytes.fromhex("0007 8100 0008 0800") + inner),
        "MPLS": to(address) / Raw(bytes.fromhex("0001 0140") + inner),
        "MPLS, label 0x80": to(address) / Raw(bytes.fromhex("0008 0800") + inner),
        "PPPoE session 0x0800": to(address) / Raw(bytes.fromhex("1100 0800 002a 0021") + inner),
        "PTP": to(address) / Raw(bytes.fromhex("0002 002c") + bytes(42)),
        "loopback": to(address) / Raw(bytes(46)),
    }
    types = {"old QinQ": 0x9100, "old QinQ, VLAN": 0x9100, "MPLS": 0x8847, "MPLS, label 0x80": 0x8847}
    types |= {"PPPoE session 0x0800": 0x8864, "PTP": 0x88F7, "loopback": 0x9000}
    for name, number in types.items():
        built[name].type = number
    return {name: bytes(packet) for name, packet in built.items()}


ADDRESSES = [BROADCAST, "52:54:00:00:00:02", "01:80:c2:00:00:00", "33:33:ff:00:00:03", "00:00:0a:0a:0a:0a"]
USUAL = [(name, address) for address in (*ADDRESSES, *LIKE_VNET_LENGTHS) for name in usual_packets(address)]
RARER = [(name, address) for address in (*ADDRESSES, *LIKE_VNET_LENGTHS) for name in rarer_packets(address)]


@functools.cache
def vnet_headers() -> list[bytes]:
    """Headers of each length, as kernels and QEMU fill them: empty, and with a partial checksum of TCP or UDP."""
    partial = [struct.pack("=BBHHHH", 1, gso, 54, 1448, 34, offset) for gso, offset in ((1, 16), (0, 6))]
    return [b""] + [filled.ljust(size, b"\0") for size in VNET_LENGTHS[1:] for filled in (bytes(10), *partial)]


@pytest.mark.parametrize(("name", "address"), USUAL)
def test_vnet_headers_that_nobody_expects_are_seen_on_the_first_packet(name: str, address: str) -> None:
    for vnet_header in vnet_headers():
        first = Frame(usual_packets(address)[name], vnet_header)
        for pieces in ([wire([first] * 3, True)], bytewise(first.on_wire(True))):
            decoder = FrameDecoder(False)
            assert feed(decoder, pieces) == []
            assert decoder.broken == (
                f"the first packet begins with a vnet header of {len(vnet_header)} bytes, and none is expected here;"
                f" {ALIKE}"
            )


TWO_TYPES = ("ARP", "VLAN", "QinQ")  # a second type stands four bytes behind the first


@pytest.mark.parametrize(
    ("name", "address"), [pair for pair in USUAL if pair not in itertools.product(TWO_TYPES, LIKE_VNET_LENGTHS[:1])]
)
def test_vnet_headers_that_are_expected_and_missing_are_seen_on_the_first_packet(name: str, address: str) -> None:
    first = Frame(usual_packets(address)[name])
    begins = int(address.replace(":", "")[:8], 16)
    for pieces in ([wire([first] * 3, False)], bytewise(wire([first] * 2, False))):
        decoder = FrameDecoder(True)
        assert feed(decoder, pieces) == []
        assert decoder.broken == (
            f"the first packet has no vnet header, and one is expected here; {ALIKE}"
            if begins in VNET_LENGTHS
            else f"a vnet header of {begins} bytes (allowed: 0, 10, 12, 20); the peer seems to send none: {ALIKE}"
        )


@pytest.mark.parametrize("name", TWO_TYPES)
def test_a_packet_that_makes_sense_both_ways_is_seen_with_the_second(name: str) -> None:
    first = Frame(usual_packets(LIKE_VNET_LENGTHS[0])[name])
    decoder = FrameDecoder(True)
    assert len(feed(decoder, bytewise(wire([first] * 2, False)))) == 1
    assert decoder.broken is not None


@pytest.mark.parametrize(("name", "address"), USUAL + RARER)
def test_no_real_packet_is_taken_for_one_with_a_vnet_header(name: str, address: str) -> None:
    frames = [Frame((usual_packets(address) | rarer_packets(address))[name])] * 2
    decoder = FrameDecoder(False)
    assert feed(decoder, [wire(frames, False)]) == frames
    assert decoder.broken is None


@pytest.mark.parametrize(("name", "address"), USUAL + RARER)
def test_no_real_packet_behind_a_vnet_header_is_taken_for_one_without(name: str, address: str) -> None:
    packet = (usual_packets(address) | rarer_packets(address))[name]
    for vnet_header in vnet_headers():
        frames = [Frame(packet, vnet_header)] * 2
        decoder = FrameDecoder(True)
        assert feed(decoder, [wire(frames, True)]) == frames
        assert decoder.broken is None


@pytest.mark.parametrize("vnet_hdr", [False, True])
def test_only_the_first_packet_is_judged(vnet_hdr: bool) -> None:
    usual = Frame(usual_packets(BROADCAST)["ARP"])
    mistakable = Frame(bytes.fromhex("0000000c" + "525400120800" + "0000" + "ffff") + bytes(12) + b"\x08\0" * 20)
    frames = [usual, mistakable, usual]
    decoder = FrameDecoder(vnet_hdr)
    assert feed(decoder, [wire(frames, vnet_hdr)]) == frames
    assert decoder.broken is None
