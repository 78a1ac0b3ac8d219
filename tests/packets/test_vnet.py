"""The virtio-net header: put on, taken off, fitted to a TAP."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.checksum import ones_complement_sum
from colo_twisted.packets.vnet import (
    HEADER_SIZES,
    TAP_HEADER_SIZE,
    fit_header,
    frame_lengths,
    in_form,
    with_vnet_headers,
    without_vnet_headers,
)
from tests.support.strategies import VNET_LENGTHS, Frame, batch_of_frames, ethernet, frames_of, packets, streams, wire

NEEDS_CSUM, DATA_VALID = 1, 2
GSO_KINDS = (1, 3, 4, 5, 0x81, 0x80)  # TCPv4, UDP, TCPv6, UDP_L4, and with the ECN bit


def header(
    size: int, flags: int = 0, gso_type: int = 0, gso_size: int = 0, csum_start: int = 0, csum_offset: int = 0
) -> bytes:
    """A virtio-net header of a size, in the host's byte order."""
    return struct.pack("=BBHHHH", flags, gso_type, 0, gso_size, csum_start, csum_offset).ljust(size, b"\0")


@given(st.lists(packets(), max_size=6))
def test_headers_put_on_and_taken_off_leave_a_batch_as_it_was(given_packets: list[bytes]) -> None:
    plain = Batch.from_packets(given_packets)
    dressed = with_vnet_headers(plain)
    assert dressed.vnet_hdr
    assert dressed.data == wire([Frame(packet) for packet in given_packets], vnet_hdr=True)
    assert frames_of(dressed) == [Frame(packet) for packet in given_packets]
    bare = without_vnet_headers(dressed)
    assert (bare.data, bare.places, bare.vnet_hdr) == (plain.data, plain.places, False)


@given(streams())
def test_a_batch_in_the_form_that_is_asked_for_is_itself(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    assert in_form(batch, vnet_hdr) is batch
    assert (with_vnet_headers if vnet_hdr else without_vnet_headers)(batch) is batch
    assert in_form(batch, not vnet_hdr).vnet_hdr is not vnet_hdr


@given(st.lists(st.tuples(packets(), st.sampled_from(VNET_LENGTHS)), max_size=6))
def test_a_header_that_says_nothing_is_taken_off(given_packets: list[tuple[bytes, int]]) -> None:
    batch = batch_of_frames([Frame(packet, bytes(size)) for packet, size in given_packets], True)
    assert list(without_vnet_headers(batch).packets()) == [packet for packet, _ in given_packets]


@pytest.mark.parametrize("size", [10, 12, 20])
def test_a_partial_checksum_is_finished_when_the_header_goes(size: int) -> None:
    addresses = Ether(src="52:54:00:00:00:01", dst="52:54:00:00:00:02")
    finished = bytes(addresses / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=80) / b"odd")
    pseudo = ones_complement_sum(finished[26:34] + struct.pack(">HH", 6, len(finished) - 34))
    partial = finished[:50] + struct.pack(">H", pseudo) + finished[52:]
    batch = batch_of_frames([Frame(partial, header(size, NEEDS_CSUM, csum_start=34, csum_offset=16))], True)
    assert list(without_vnet_headers(batch).packets()) == [finished]


@pytest.mark.parametrize("flags", [0, DATA_VALID])
def test_a_checksum_that_is_whole_is_left_alone(flags: int) -> None:
    packet = ethernet(0x0800, bytes(range(100)))
    batch = batch_of_frames([Frame(packet, header(10, flags, csum_start=34, csum_offset=16))], True)
    assert list(without_vnet_headers(batch).packets()) == [packet]


@pytest.mark.parametrize("size", [10, 12, 20])
@pytest.mark.parametrize("gso_type", GSO_KINDS)
def test_a_packet_that_is_to_be_segmented_is_left_out(gso_type: int, size: int) -> None:
    before, after = ethernet(0x0800, b"before"), ethernet(0x0800, b"after")
    large = Frame(ethernet(0x0800, bytes(3000)), header(size, NEEDS_CSUM, gso_type, 1448, 34, 16))
    batch = batch_of_frames([Frame(before, bytes(size)), large, Frame(after)], True)
    assert list(without_vnet_headers(batch).packets()) == [before, after]


@pytest.mark.parametrize(("csum_start", "csum_offset"), [(60, 0), (34, 25), (59, 0), (0xFFFF, 0xFFFF)])
def test_a_packet_whose_checksum_field_lies_outside_it_is_left_out(csum_start: int, csum_offset: int) -> None:
    packet = ethernet(0x0800, bytes(46))
    wrong = Frame(packet, header(10, NEEDS_CSUM, csum_start=csum_start, csum_offset=csum_offset))
    assert list(without_vnet_headers(batch_of_frames([wrong, Frame(packet)], True)).packets()) == [packet]


@given(st.lists(st.builds(Frame, packets(), st.binary(min_size=10, max_size=10)), max_size=6))
def test_any_header_at_all_gives_a_packet_of_the_same_length_or_none(frames: list[Frame]) -> None:
    for frame in frames:
        for packet in without_vnet_headers(batch_of_frames([frame], True)).packets():
            assert len(packet) == len(frame.packet)


@given(packets(), st.sampled_from(VNET_LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_a_tap_gets_a_header_of_its_size_and_the_packet(packet: bytes, given_header: bytes) -> None:
    fitted = fit_header(Frame(packet, given_header).on_wire(vnet_hdr=True))
    assert fitted[TAP_HEADER_SIZE:] == packet
    assert len(fitted) == TAP_HEADER_SIZE + len(packet)
    assert fitted[:TAP_HEADER_SIZE] == (given_header + bytes(TAP_HEADER_SIZE))[:TAP_HEADER_SIZE]


@given(packets(), st.binary(min_size=TAP_HEADER_SIZE, max_size=TAP_HEADER_SIZE))
def test_what_a_tap_gives_becomes_a_frame_that_fits_it_again(packet: bytes, its_header: bytes) -> None:
    from_tap = its_header + packet
    frame = frame_lengths(len(from_tap)) + from_tap
    assert frame == Frame(packet, its_header).on_wire(vnet_hdr=True)
    assert fit_header(frame) == from_tap


def test_header_sizes_are_those_of_the_wire() -> None:
    assert sorted(HEADER_SIZES) == list(VNET_LENGTHS)
