"""The Internet checksum, against RFC 1071's words and scapy's numbers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import checksum as scapy_checksum

from colo_twisted.packets.checksum import finish_checksum, ones_complement_sum, put_long, put_word, updated

IP4, IP6 = IP(src="10.22.1.2", dst="10.22.1.3"), IPv6(src="fd00::2", dst="fd00::3")
CHECKSUM_AT = {TCP: 16, UDP: 6}


def by_the_book(data: bytes) -> int:
    """RFC 1071, one word at a time, carrying at once."""
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] * 256 + (data[at + 1] if at + 1 < len(data) else 0)
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff" * 2)
@example(b"\xff" * 3)
@example(b"\xff" * 200_000)
def test_the_sum_is_rfc_1071s(data: bytes) -> None:
    assert ones_complement_sum(data) == by_the_book(data)


@given(st.binary(min_size=1, max_size=300))
def test_the_complement_of_the_sum_is_scapys_checksum(data: bytes) -> None:
    assert ~ones_complement_sum(data) & 0xFFFF == scapy_checksum(data)


def pseudo_header(ip: Packet, length: int, protocol: int) -> bytes:
    """RFC 793 and RFC 8200, 8.1."""
    addresses = bytes(ip)[12:20] if ip.version == 4 else bytes(ip)[8:40]
    return addresses + struct.pack(">II", length, protocol)


def left_partial(ip: Packet, transport: Packet, payload: bytes) -> tuple[bytes, int, int, bytes]:
    """A packet as a kernel with offloads leaves it, its checksum's start and offset, and as scapy finishes it."""
    finished = bytes(Ether(src="52:54:00:00:00:01", dst="52:54:00:00:00:02") / ip / transport / Raw(payload))
    start = 14 + (20 if ip.version == 4 else 40)
    offset = CHECKSUM_AT[type(transport)]
    partial = ones_complement_sum(pseudo_header(ip, len(finished) - start, 6 if isinstance(transport, TCP) else 17))
    at = start + offset
    return finished[:at] + struct.pack(">H", partial) + finished[at + 2 :], start, offset, finished


@pytest.mark.parametrize("transport", [TCP, UDP])
@pytest.mark.parametrize("ip", [IP4, IP6], ids=["IPv4", "IPv6"])
def test_a_partial_checksum_is_finished_as_scapy_would(ip: Packet, transport: type[Packet]) -> None:
    @given(st.binary(max_size=101), st.integers(0, 65535), st.integers(0, 65535))
    @example(b"", 1, 2)
    @example(b"odd", 1, 2)
    def check(payload: bytes, sport: int, dport: int) -> None:
        packet, start, offset, finished = left_partial(ip.copy(), transport(sport=sport, dport=dport), payload)
        # TCP's sum of zero, which may be written either way, has tests of its own
        assume(transport is UDP or finished[start + offset : start + offset + 2] != b"\0\0")
        assert finish_checksum(packet, start, offset) == finished

    check()


def payload_that_sums_to_zero(ip: Packet, transport: Packet) -> bytes:
    """Two bytes of payload with which the checksum is 0."""
    packet, start, _, _ = left_partial(ip, transport, b"\0\0")
    return struct.pack(">H", 0xFFFF - ones_complement_sum(packet[start:]))


@pytest.mark.parametrize("ip", [IP4, IP6], ids=["IPv4", "IPv6"])
def test_udp_spells_a_checksum_of_zero_as_ones(ip: Packet) -> None:
    payload = payload_that_sums_to_zero(ip.copy(), UDP(sport=5, dport=7))
    packet, start, offset, finished = left_partial(ip.copy(), UDP(sport=5, dport=7), payload)
    done = finish_checksum(packet, start, offset)
    assert done is not None
    assert done[start + offset : start + offset + 2] == b"\xff\xff"
    assert done == finished


@pytest.mark.parametrize("ip", [IP4, IP6], ids=["IPv4", "IPv6"])
def test_tcps_checksum_of_zero_is_right_too(ip: Packet) -> None:
    payload = payload_that_sums_to_zero(ip.copy(), TCP(sport=5, dport=7))
    packet, start, offset, _ = left_partial(ip.copy(), TCP(sport=5, dport=7), payload)
    done = finish_checksum(packet, start, offset)
    assert done is not None
    verified = ones_complement_sum(pseudo_header(ip, len(done) - start, 6) + done[start:])
    assert verified == 0xFFFF  # RFC 1071: what a receiver sums up


@given(st.binary(max_size=60), st.integers(0, 70), st.integers(0, 70))
def test_only_the_field_is_changed_and_none_outside_the_packet(packet: bytes, start: int, offset: int) -> None:
    done = finish_checksum(packet, start, offset)
    field = start + offset
    if field + 2 > len(packet):
        assert done is None
    else:
        assert done is not None
        assert len(done) == len(packet)
        assert (done[:field], done[field + 2 :]) == (packet[:field], packet[field + 2 :])
        assert int.from_bytes(done[field : field + 2], "big") in (~by_the_book(packet[start:]) & 0xFFFF, 0xFFFF)


def test_the_fields_last_possible_place_is_the_packets_last_two_bytes() -> None:
    assert finish_checksum(bytes(20), 18, 0) is not None
    assert finish_checksum(bytes(20), 18, 1) is None
    assert finish_checksum(bytes(20), 0xFFFF, 0xFFFF) is None


# changes to what a checksum covers

EVERY = st.integers(0, 0xFFFF)


def with_checksum(data: bytes, at: int) -> bytes:
    """The data with a right checksum of all of it at an even place."""
    checksum = ~by_the_book(data[:at] + b"\0\0" + data[at + 2 :]) & 0xFFFF
    return data[:at] + struct.pack(">H", checksum) + data[at + 2 :]


@given(st.integers(1, 0xFFFF), EVERY, EVERY)  # never all zero: a pseudo-header has a protocol
@example(1, 0xFFFF, 0)
@example(0xFFFF, 0, 0xFFFF)
@example(0xFFFF, 0xFFFF, 0)
def test_an_update_is_the_sum_made_anew(rest: int, old: int, new: int) -> None:
    checksum = ~by_the_book(struct.pack(">HH", rest, old)) & 0xFFFF
    verified = by_the_book(struct.pack(">HHH", rest, new, updated(checksum, old, new)))
    assert verified == 0xFFFF  # what a receiver sums up


def test_rfc_1624s_example() -> None:
    assert updated(0xDD2F, 0x5555, 0x3285) == 0x0000


@given(st.binary(min_size=12, max_size=60), st.integers(0, 0xFFFFFFFF), st.integers(2, 200), st.booleans())
@example(b"\0" * 11 + b"\1", 0, 2, False)
@example(b"\0" * 11 + b"\1", 0xFFFFFFFF, 3, True)
@example(b"\xff" * 13, 0, 3, True)
def test_a_field_is_changed_and_the_checksum_stays_right(data: bytes, value: int, place: int, long: bool) -> None:
    size = 4 if long else 2
    at = 2 + place % (len(data) - size - 1)
    at -= 0 if long else at % 2
    assume(any(data[2:]))
    before = with_checksum(data, 0)
    after = bytearray(before)
    if long:
        put_long(after, at, value, 0, at % 2 == 1)
    else:
        put_word(after, at, value & 0xFFFF, 0)
    new = (value & (0xFFFFFFFF if long else 0xFFFF)).to_bytes(size, "big")
    assert after[2:] == before[2:at] + new + before[at + size :]
    assume(any(after[2:]))  # a pseudo-header has a protocol
    assert by_the_book(bytes(after)) == 0xFFFF  # what a receiver sums up


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_scapy_agrees_on_a_changed_segment(old: int, new: int) -> None:
    segments = [bytes(IP4 / TCP(seq=seq, ack=7) / Raw(b"data"))[20:] for seq in (old, new)]
    changed = bytearray(segments[0])
    put_long(changed, 4, new, 16)
    assert changed == segments[1]
