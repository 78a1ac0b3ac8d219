"""Packets that are held, and the outlet."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.held import Held, needs_room, place_of, read_held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.kinds import TCP, UDP
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, FIN, RST, SYN, Segment
from tests.support.strategies import Frame, batch_of_frames, frames_of, streams

SEGMENT = Segment(500, 600, ACK, 700, b"payload", timestamps=(1, 2))


def read(segment: Segment, vnet: bytes | None = None, before: bytes = b"") -> Held:
    frame = Frame(segment.packet(GUEST, CLIENT), vnet or b"").on_wire(vnet is not None)
    data = before + frame
    headers = Headers()
    packet = len(data) - len(segment.packet(GUEST, CLIENT))
    headers.parse(data, packet, len(data))
    return read_held(headers, data, len(before), len(data), vnet is not None, 42.0)


@pytest.mark.parametrize("vnet", [None, b"", bytes(10)])
def test_what_is_read(vnet: bytes | None) -> None:
    held = read(SEGMENT, vnet, b"before")
    assert (held.seq, held.ack, held.flags, held.window, held.length) == (500, 600, ACK, 700, 7)
    assert held.data[held.payload : held.payload + held.length] == b"payload"
    assert held.cost == held.end - held.start + 256  # what Python takes for it
    assert (held.since, held.partial, held.vnet_hdr) == (42.0, False, vnet is not None)


@pytest.mark.parametrize("flags", [0, 1, 2, 3])
def test_a_partial_checksum_is_seen(flags: int) -> None:
    assert read(SEGMENT, bytes((flags,)) + bytes(9)).partial == bool(flags & 1)


def test_kept_it_is_the_same_without_its_batch() -> None:
    held = read(SEGMENT, bytes(10), b"x" * 1000)
    frame = held.data[held.start : held.end]
    held.keep()
    assert (held.data, held.start, held.end) == (frame, 0, len(frame))
    assert held.data[held.payload : held.payload + held.length] == b"payload"
    assert held.data[held.packet :] == SEGMENT.packet(GUEST, CLIENT)
    assert held.data[held.transport : held.transport + 2] == GUEST.port.to_bytes(2, "big")


def test_a_syns_payload_begins_behind_it() -> None:
    held = read(SEGMENT.but(flags=SYN))
    assert (held.seq, place_of(held)) == (501, 500)
    assert place_of(read(SEGMENT)) == 500
    assert place_of(None) == 0


@pytest.mark.parametrize(
    ("segment", "kind", "needs"),
    [
        (SEGMENT, TCP, True),
        (SEGMENT.but(payload=b""), TCP, False),
        (SEGMENT.but(payload=b"", flags=FIN | ACK), TCP, True),
        (SEGMENT.but(payload=b"", flags=SYN), TCP, True),
        (SEGMENT.but(payload=b"", flags=RST), TCP, True),
        (SEGMENT.but(payload=b""), UDP, True),
    ],
)
def test_pure_acks_need_no_room(segment: Segment, kind: int, needs: bool) -> None:
    assert needs_room(read(segment), kind) == needs


@given(streams(), st.data())
def test_frames_leave_as_they_were_added(stream: tuple[bool, list[Frame]], data: st.DataObject) -> None:
    vnet_hdr, frames = stream
    batch = batch_of_frames(frames, vnet_hdr)
    outlet = Outlet()
    for _ in range(2):
        chosen = data.draw(st.lists(st.integers(0, len(frames) - 1), max_size=8))
        for index in chosen:
            copied = data.draw(st.booleans())
            start, end = batch.places[index], batch.places[index + 1]
            piece = bytes(bytearray(batch.data[start:end]))
            outlet.add(piece, 0, len(piece)) if copied else outlet.add(batch.data, start, end)
        taken = outlet.take(vnet_hdr)
        assert (taken is None) == (chosen == [])
        if taken is not None:
            assert frames_of(taken) == [frames[index] for index in chosen]
    assert outlet.take(vnet_hdr) is None


def test_what_stood_together_is_one_piece() -> None:
    batch = Batch.from_packets([b"a" * 20, b"b" * 20])
    outlet = Outlet()
    outlet.add(batch.data, 0, batch.places[1])
    outlet.add(batch.data, batch.places[1], batch.places[2])
    taken = outlet.take(False)
    assert taken is not None
    assert taken.data is batch.data


def test_parts_leave_in_place_of_the_whole() -> None:
    held = read(SEGMENT)
    held.parts = [Frame(b"1" * 20).on_wire(False), Frame(b"2" * 20).on_wire(False)]
    outlet = Outlet()
    outlet.add_held(held)
    taken = outlet.take(False)
    assert taken is not None
    assert list(taken.packets()) == [b"1" * 20, b"2" * 20]
