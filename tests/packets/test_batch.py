"""Batches: packets in, the same packets out, and the wire's bytes in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.batch import MAX_FRAME, MIN_PACKET, Batch
from tests.support.strategies import Frame, batch_of_frames, packets, streams, wire


@given(st.lists(packets(), max_size=8))
def test_packets_come_out_as_they_went_in(given_packets: list[bytes]) -> None:
    batch = Batch.from_packets(given_packets)
    assert list(batch.packets()) == given_packets
    assert batch.data == wire([Frame(packet) for packet in given_packets], vnet_hdr=False)
    assert not batch.vnet_hdr


def test_packets_may_come_from_a_generator() -> None:
    assert list(Batch.from_packets(bytes([n]) * MIN_PACKET for n in range(3)).packets()) == [
        b"\0" * MIN_PACKET,
        b"\1" * MIN_PACKET,
        b"\2" * MIN_PACKET,
    ]


@given(streams())
def test_packets_are_found_behind_lengths_and_vnet_headers(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    assert list(batch.packets()) == [frame.packet for frame in frames]


@given(streams())
def test_places_have_one_entry_more_than_there_are_frames(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    assert len(batch) == len(frames) == len(batch.places) - 1
    assert batch.places[0] == 0
    assert batch.places[-1] == len(batch.data)


@given(streams())
def test_packet_bytes_leaves_out_the_length_fields_and_counts_vnet_headers(stream: tuple[bool, list[Frame]]) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    assert batch.packet_bytes == sum(len(frame.header) + len(frame.packet) for frame in frames)


def test_an_empty_batch_has_no_frames() -> None:
    batch = Batch.from_packets([])
    assert len(batch) == 0
    assert batch.packet_bytes == 0
    assert list(batch.packets()) == []
    assert batch.data == b""


def test_a_batch_describes_itself() -> None:
    assert repr(Batch.from_packets([bytes(60)])) == "<Batch of 1 frames, 64 bytes, vnet_hdr=False>"


def test_the_largest_frame_is_qemus() -> None:
    assert MAX_FRAME == 69632
