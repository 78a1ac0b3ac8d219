"""Checksums filled in and large segments cut: scapy makes what is to come out, a few lines leave it undone."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.checksum import ones_complement_sum
from colo_twisted.packets.finishing import LEAST_GSO_SIZE, in_form, without_vnet_headers
from colo_twisted.packets.vnet import GSO_ECN, GSO_TCPV4, GSO_TCPV6, NEEDS_CSUM, with_vnet_headers
from tests.support.cut import cut
from tests.support.strategies import VNET_LENGTHS, Frame, batch_of_frames, ethernet, frames_of, packets, streams, wire

DATA_VALID = 2
UNKNOWN_KINDS = (3, 5, GSO_ECN, 2, 0x7F)  # UDP, UDP_L4, the ECN bit alone, nonsense

ETHER = Ether(src="52:54:00:00:00:01", dst="52:54:00:00:00:02")
IP4, IP6 = IP(src="10.22.1.2", dst="10.22.1.3"), IPv6(src="fd00::2", dst="fd00::3")
CHECKSUM_AT = {TCP: 16, UDP: 6}
both_ips = pytest.mark.parametrize("ip", [IP4, IP6], ids=["IPv4", "IPv6"])


def header(
    size: int, flags: int = 0, gso_type: int = 0, gso_size: int = 0, csum_start: int = 0, csum_offset: int = 0
) -> bytes:
    """A virtio-net header of a size, in the host's byte order."""
    return struct.pack("=BBHHHH", flags, gso_type, 0, gso_size, csum_start, csum_offset).ljust(size, b"\0")


def finished(*frames: Frame) -> list[bytes]:
    """The packets that come out."""
    return list(without_vnet_headers(batch_of_frames(list(frames), True))[0].packets())


# what has nothing left to be done


@given(st.lists(packets(), max_size=6))
def test_headers_put_on_and_taken_off_leave_a_batch_as_it_was(given_packets: list[bytes]) -> None:
    plain = Batch.from_packets(given_packets)
    dressed = with_vnet_headers(plain)
    assert dressed.vnet_hdr
    assert dressed.data == wire([Frame(packet) for packet in given_packets], vnet_hdr=True)
    assert frames_of(dressed) == [Frame(packet) for packet in given_packets]
    bare, left_out = without_vnet_headers(dressed)
    assert (bare.data, bare.places, bare.vnet_hdr, left_out) == (plain.data, plain.places, False, 0)


@given(streams())
def test_a_batch_in_the_form_that_is_asked_for_is_itself(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    assert in_form(batch, vnet_hdr) == (batch, 0)
    assert (with_vnet_headers(batch) if vnet_hdr else without_vnet_headers(batch)[0]) is batch
    assert in_form(batch, not vnet_hdr)[0].vnet_hdr is not vnet_hdr


@given(st.lists(st.tuples(packets(), st.sampled_from(VNET_LENGTHS)), max_size=6))
def test_a_header_that_says_nothing_is_taken_off(given_packets: list[tuple[bytes, int]]) -> None:
    frames = [Frame(packet, bytes(size)) for packet, size in given_packets]
    assert finished(*frames) == [packet for packet, _ in given_packets]


@pytest.mark.parametrize("flags", [0, DATA_VALID])
def test_a_checksum_that_is_whole_is_left_alone(flags: int) -> None:
    packet = ethernet(0x0800, bytes(range(100)))
    assert finished(Frame(packet, header(10, flags, csum_start=34, csum_offset=16))) == [packet]


# partial checksums


def pseudo_header(ip: Packet, length: int, protocol: int) -> bytes:
    """RFC 793 and RFC 8200, 8.1."""
    addresses = bytes(ip)[12:20] if ip.version == 4 else bytes(ip)[8:40]
    return addresses + struct.pack(">II", length, protocol)


def left_partial(whole: bytes, ip: Packet, start: int, transport: type[Packet]) -> bytes:
    """A whole packet as a sender with offloads leaves it; its transport header begins at ``start``."""
    partial = ones_complement_sum(pseudo_header(ip, len(whole) - start, 6 if transport is TCP else 17))
    at = start + CHECKSUM_AT[transport]
    return whole[:at] + struct.pack(">H", partial) + whole[at + 2 :]


def partial_and_whole(ip: Packet, transport: Packet, payload: bytes) -> tuple[bytes, int, int, bytes]:
    """A packet left partial, its checksum's start and offset, and as scapy finishes it."""
    whole = bytes(ETHER / ip / transport / Raw(payload))
    start = 14 + (20 if ip.version == 4 else 40)
    return left_partial(whole, ip, start, type(transport)), start, CHECKSUM_AT[type(transport)], whole


def finish_checksum(packet: bytes, start: int, offset: int, size: int = 10) -> bytes | None:
    """The packet with its checksum, or None where it is left out."""
    frame = Frame(packet, header(size, NEEDS_CSUM, csum_start=start, csum_offset=offset))
    batch, left_out = without_vnet_headers(batch_of_frames([frame], True))
    assert left_out == 1 - len(batch)
    return next(batch.packets(), None)


@pytest.mark.parametrize("transport", [TCP, UDP])
@both_ips
def test_a_partial_checksum_is_finished_as_scapy_would(ip: Packet, transport: type[Packet]) -> None:
    @given(st.binary(max_size=101), st.integers(0, 65535), st.integers(0, 65535), st.sampled_from((10, 12, 20)))
    @example(b"", 1, 2, 10)
    @example(b"odd", 1, 2, 10)
    def check(payload: bytes, sport: int, dport: int, size: int) -> None:
        packet, start, offset, whole = partial_and_whole(ip.copy(), transport(sport=sport, dport=dport), payload)
        # TCP's sum of zero, which may be written either way, has tests of its own
        assume(transport is UDP or whole[start + offset : start + offset + 2] != b"\0\0")
        assert finish_checksum(packet, start, offset, size) == whole

    check()


def payload_that_sums_to_zero(ip: Packet, transport: Packet) -> bytes:
    """Two bytes of payload with which the checksum is 0."""
    packet, start, _, _ = partial_and_whole(ip, transport, b"\0\0")
    return struct.pack(">H", 0xFFFF - ones_complement_sum(packet[start:]))


@both_ips
def test_udp_spells_a_checksum_of_zero_as_ones(ip: Packet) -> None:
    payload = payload_that_sums_to_zero(ip.copy(), UDP(sport=5, dport=7))
    packet, start, offset, whole = partial_and_whole(ip.copy(), UDP(sport=5, dport=7), payload)
    done = finish_checksum(packet, start, offset)
    assert done is not None
    assert done[start + offset : start + offset + 2] == b"\xff\xff"
    assert done == whole


@both_ips
def test_tcps_checksum_of_zero_is_right_too(ip: Packet) -> None:
    payload = payload_that_sums_to_zero(ip.copy(), TCP(sport=5, dport=7))
    packet, start, offset, _ = partial_and_whole(ip.copy(), TCP(sport=5, dport=7), payload)
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
        checksum = ~ones_complement_sum(packet[start:]) & 0xFFFF
        assert int.from_bytes(done[field : field + 2], "big") == checksum or 0xFFFF


def test_the_fields_last_possible_place_is_the_packets_last_two_bytes() -> None:
    assert finish_checksum(bytes(20), 18, 0) is not None
    assert finish_checksum(bytes(20), 18, 1) is None
    assert finish_checksum(bytes(20), 0xFFFF, 0xFFFF) is None


# large segments


def large(whole: bytes, ip: Packet, start: int, size: int, ecn: bool = False, length: int = 10) -> Frame:
    """A whole TCP packet as a sender with offloads leaves it."""
    kind = (GSO_TCPV4 if ip.version == 4 else GSO_TCPV6) | (GSO_ECN if ecn else 0)
    return Frame(left_partial(whole, ip, start, TCP), header(length, NEEDS_CSUM, kind, size, start, 16))


@given(data=st.data())
def test_a_large_segment_becomes_what_a_kernel_makes_of_it(data: Any) -> None:
    ip: Packet = data.draw(
        st.sampled_from(
            (IP(src="10.0.0.1", dst="10.0.0.2", id=0xFFFE), IP(src="1.2.3.4", dst="4.3.2.1", flags="DF"), IP6)
        )
    ).copy()
    if ip.version == 4 and data.draw(st.booleans()):
        ip.options = [IPOption_NOP()] * 4
    between = Dot1Q(vlan=7) if data.draw(st.booleans()) else None
    numbers = st.integers(0, 0xFFFFFFFF)
    tcp = TCP(sport=80, dport=999, seq=data.draw(numbers), ack=data.draw(numbers), flags=data.draw(st.integers(0, 255)))
    if data.draw(st.booleans()):
        tcp.options = [("NOP", None), ("NOP", None), ("Timestamp", (5, 6))]
    size = data.draw(st.integers(LEAST_GSO_SIZE, 300) | st.just(1448))
    payload = data.draw(st.binary(max_size=40)) * data.draw(st.integers(0, 40)) + data.draw(st.binary(max_size=3))
    outer = ETHER / between / ip if between is not None else ETHER / ip
    start = len(bytes(outer))
    whole = bytes(outer / tcp / Raw(payload))
    frame = large(whole, ip, start, size, data.draw(st.booleans()), data.draw(st.sampled_from((10, 12, 20))))
    assert finished(frame) == cut(outer, tcp, payload, size)


def test_the_largest_one_and_what_stands_round_it() -> None:
    tcp = TCP(sport=80, seq=1, flags="PA")
    payload = bytes(range(256)) * 255
    whole = bytes(ETHER / IP4 / tcp / Raw(payload))
    before, after = ethernet(0x0800, b"before"), ethernet(0x0800, b"after")
    batch, left_out = without_vnet_headers(
        batch_of_frames([Frame(before), large(whole, IP4, 34, 48), Frame(after)], True)
    )
    assert list(batch.packets()) == [before, *cut(ETHER / IP4, tcp, payload, 48), after]
    assert (left_out, batch.vnet_hdr, batch.places[-1]) == (0, False, len(batch.data))


def test_what_was_finished_stays_as_it_is_when_more_is() -> None:
    first, second = ethernet(0x0800, b"first"), ethernet(0x0800, b"other")
    batch, _ = without_vnet_headers(batch_of_frames([Frame(first)] * 3, True))
    for count in (1, 5, 100_000, 2):
        assert finished(*[Frame(second)] * count) == [second] * count
    assert list(batch.packets()) == [first] * 3


def test_behind_an_extension_header() -> None:
    ip = IP6 / IPv6ExtHdrDestOpt()
    payload = bytes(1000)
    whole = bytes(ETHER / ip / TCP(seq=9) / Raw(payload))
    pieces = [bytes(ETHER / ip / TCP(seq=9 + at) / Raw(payload[at : at + 400])) for at in (0, 400, 800)]
    assert finished(large(whole, IP6, 62, 400)) == pieces


WHOLE = bytes(ETHER / IP4 / TCP(seq=1) / Raw(bytes(3000)))
PARTIAL = left_partial(WHOLE, IP4, 34, TCP)


@pytest.mark.parametrize("size", [10, 12, 20])
@pytest.mark.parametrize("gso_type", [*UNKNOWN_KINDS, GSO_TCPV6])
def test_what_is_to_be_cut_in_a_way_that_is_unknown_is_left_out_and_counted(gso_type: int, size: int) -> None:
    before, after = ethernet(0x0800, b"before"), ethernet(0x0800, b"after")
    wrong = Frame(PARTIAL, header(size, NEEDS_CSUM, gso_type, 1448, 34, 16))
    batch, left_out = without_vnet_headers(batch_of_frames([Frame(before, bytes(size)), wrong, Frame(after)], True))
    assert list(batch.packets()) == [before, after]
    assert left_out == 1


@pytest.mark.parametrize(
    "wrong",
    [
        Frame(PARTIAL, header(10, 0, GSO_TCPV4, 1448, 34, 16)),
        Frame(PARTIAL, header(10, NEEDS_CSUM, GSO_TCPV4, 0, 34, 16)),
        Frame(PARTIAL, header(10, NEEDS_CSUM, GSO_TCPV4, LEAST_GSO_SIZE - 1, 34, 16)),
        Frame(PARTIAL, header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 35, 16)),
        Frame(PARTIAL, header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 6)),
        Frame(PARTIAL + b"padding", header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)),
        Frame(PARTIAL[:-1], header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)),
        Frame(PARTIAL[:40], header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)),
        Frame(ethernet(0x0806, bytes(3000)), header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)),
        Frame(bytes(ETHER / IP4 / UDP() / Raw(bytes(3000))), header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)),
        Frame(
            bytes(ETHER / IP(flags="MF") / TCP() / Raw(bytes(3000))), header(10, NEEDS_CSUM, GSO_TCPV4, 1448, 34, 16)
        ),
    ],
)
def test_a_large_segment_that_is_none_is_left_out_and_counted(wrong: Frame) -> None:
    batch, left_out = without_vnet_headers(batch_of_frames([wrong], True))
    assert (len(batch), batch.data, left_out) == (0, b"", 1)


@given(
    st.lists(
        st.builds(Frame, packets(), st.sampled_from(VNET_LENGTHS).flatmap(lambda n: st.binary(min_size=n, max_size=n)))
    )
)
def test_any_headers_at_all_give_packets_no_longer_than_theirs_or_none(frames: list[Frame]) -> None:
    for frame in frames:
        batch, left_out = without_vnet_headers(batch_of_frames([frame], True))
        assert all(len(packet) <= len(frame.packet) for packet in batch.packets())
        assert left_out == (0 if len(batch) else 1)
        assert batch.places[-1] == len(batch.data)
