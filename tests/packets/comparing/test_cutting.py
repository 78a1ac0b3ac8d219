"""Segments made two, and the comparer that does it where the rest of one must wait."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from colo_twisted.packets.comparing.cutting import first_part, last_part
from colo_twisted.packets.comparing.held import Held, read_held
from colo_twisted.packets.headers import Headers
from tests.support.comparison import CLIENT_ISN, ISN, OTHER_SYN_ACK, SYN_ACK, opened
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6
from tests.support.segments import ACK, FIN, Segment

PSH, CWR = 0x08, 0x80
NEEDS_CSUM, TCPV4 = 1, 1
MSS = 100


def held_of(packet: bytes, vnet: bytes | None = None) -> Held:
    """A packet as the comparer holds it, somewhere within a batch."""
    lengths = struct.pack(">I", len(packet)) if vnet is None else struct.pack(">II", len(packet) + len(vnet), len(vnet))
    before = b"another frame"
    frame = before + lengths + (vnet or b"") + packet
    headers = Headers()
    headers.parse(frame, len(frame) - len(packet), len(frame))
    return read_held(headers, frame, len(before), len(frame), vnet is not None, 1.0)


def packet_of(held: Held) -> bytes:
    (size,) = struct.unpack_from(">I", held.data, held.start)
    assert held.packet + len(held.data[held.packet : held.end]) == held.end
    assert size == held.end - held.start - (8 if held.vnet_hdr else 4)
    return held.data[held.packet : held.end]


def checked(packet: bytes) -> Ether:
    """What scapy reads; its checksums and lengths must be those that scapy would write."""
    read = Ether(packet)
    again = Ether(packet)
    for layer, fields in ((IP, ("len", "chksum")), (IPv6, ("plen",)), (TCP, ("chksum",))):
        if layer in again:
            for field in fields:
                delattr(again[layer], field)
    assert bytes(again) == packet
    return read


@given(
    st.binary(min_size=2, max_size=300), st.data(), st.booleans(), st.sampled_from(((), (5,), (5, 6))), st.booleans()
)
def test_both_parts_together_say_what_the_segment_said(
    payload: bytes, data: st.DataObject, v6: bool, tags: tuple[int, ...], stamped: bool
) -> None:
    count = data.draw(st.integers(1, len(payload) - 1))
    guest, client = (GUEST6, CLIENT6) if v6 else (GUEST, CLIENT)
    seq = data.draw(st.sampled_from((7000, 2**32 - 50)))
    flags = ACK | PSH | FIN | CWR
    segment = Segment(seq, 77, flags, 500, payload, timestamps=(1, 2) if stamped else None)
    held = held_of(segment.packet(guest, client, tags))
    one, other = first_part(held, count), last_part(held, count)
    first, last = checked(packet_of(one))[TCP], checked(packet_of(other))[TCP]
    assert bytes(first.payload) + bytes(last.payload) == payload
    assert (first.seq, last.seq) == (seq, (seq + count) % 2**32) == (one.seq, other.seq)
    assert (int(first.flags), int(last.flags)) == (ACK | CWR, ACK | PSH | FIN) == (one.flags, other.flags)
    assert (one.length, other.length) == (count, len(payload) - count)
    for field in ("ack", "window", "options", "sport", "dport"):
        assert getattr(first, field) == getattr(last, field) == getattr(Ether(packet_of(held))[TCP], field)


@pytest.mark.parametrize(("count", "gso"), [(MSS - 1, 0), (MSS, 0), (MSS + 1, MSS)])
def test_a_super_packets_part_is_one_only_if_it_must_be_cut_again(count: int, gso: int) -> None:
    vnet = struct.pack("=BBHHHH", NEEDS_CSUM, TCPV4, 54, MSS, 34, 16)
    held = held_of(Segment(7000, 77, ACK, 500, bytes(1000)).packet(GUEST, CLIENT, ()), vnet)
    for part, size in ((first_part(held, count), gso), (last_part(held, count), MSS)):
        _, kind, _, gso_size, *_ = struct.unpack_from("=BBHHHH", part.data, part.start + 8)
        assert (kind, gso_size) == ((TCPV4, MSS) if size else (0, 0))
        packet = packet_of(part)
        pseudo_header = packet[26:34] + struct.pack(">HH", 6, len(packet) - 34)
        total = sum(struct.unpack(">6H", pseudo_header))
        assert struct.unpack_from(">H", packet, 50)[0] == (total & 0xFFFF) + (total >> 16)  # partial, as it was


# where the comparer cuts


def data(seq: int, payload: bytes, flags: int = ACK) -> Segment:
    return Segment(ISN + 1 + seq, CLIENT_ISN + 1, flags, payload=payload)


def test_what_both_have_sent_goes_though_the_rest_of_the_packet_waits() -> None:
    """A secondary whose congestion window is full sends the rest when the client has acknowledged this."""
    bench = opened()
    assert bench.primary(data(0, b"abcdefgh", ACK | PSH)) == []
    assert bench.secondary(data(0, b"abc")) == [data(0, b"abc")]
    assert bench.secondary(data(3, b"def")) == [data(3, b"def")]
    bench.wait(2.9)
    assert bench.secondary(data(6, b"gh")) == [data(6, b"gh", ACK | PSH)]
    assert bench.kinds == []
    bench.assert_empty()


def test_a_batch_is_looked_at_whole_before_anything_is_cut() -> None:
    bench = opened()
    assert bench.primary(data(0, b"abcdefgh")) == []
    assert bench.secondary(data(0, b"abc"), data(3, b"defgh")) == [data(0, b"abcdefgh")]


def test_the_rest_that_never_comes_is_a_divergence_of_the_rest() -> None:
    bench = opened()
    bench.primary(data(0, b"abcdefgh"))
    bench.secondary(data(0, b"abc"))
    bench.wait()
    assert bench.kinds == ["unmatched"]


def test_without_ack_commit_no_packet_is_cut() -> None:
    bench = opened(ack_commit=False)
    assert bench.primary(data(0, b"abcdefgh")) == []
    assert bench.secondary(data(0, b"abc")) == []
    assert bench.secondary(data(3, b"defgh")) == [data(0, b"abcdefgh")]


# the same ports again


@pytest.mark.parametrize("secondary_first", [True, False])
def test_a_connection_between_the_same_ports_is_released_whichever_guest_opens_it_first(secondary_first: bool) -> None:
    bench = opened()
    bench.both(data(0, b"", ACK | FIN))
    syn_ack = SYN_ACK.but(seq=ISN + 100_000, ack=CLIENT_ISN + 50_000)
    others = OTHER_SYN_ACK.but(seq=OTHER_SYN_ACK.seq + 100_000, ack=CLIENT_ISN + 50_000)
    if secondary_first:
        assert bench.secondary(others) == []
        assert bench.primary(syn_ack) == [syn_ack]
    else:
        assert bench.primary(syn_ack) == []
        assert bench.secondary(others) == [syn_ack]
