"""One connection: what comes in becomes batches, what the peer doesn't take waits in order."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.testing import StringTransport

from colo_twisted.checkpoint.xen import MessageDecoder
from colo_twisted.link.peer import READ_BYTES, TURN_BYTES, Peer, PeerCounters
from colo_twisted.packets.batch import Batch
from tests.support.fakes import batch_of, packet


class RecordingPlace:
    """A place that only remembers."""

    def __init__(self) -> None:
        self.counters = PeerCounters()
        self.events: list[object] = []

    def connection_made(self, peer: Peer) -> None:
        self.events.append("made")

    def connection_lost(self, peer: Peer, reason: str) -> None:
        self.events.append(("lost", reason))

    def protocol_broken(self, peer: Peer, how: str) -> None:
        self.events.append(("broken", how))

    def pressure_changed(self, full: bool) -> None:
        self.events.append(full)


class FullSocket:
    """Takes nothing."""

    def send(self, data: bytes) -> int:
        raise BlockingIOError(errno.EAGAIN, "full")


class NarrowTransport(StringTransport):
    """Presses its producer like Twisted's own: past READ_BYTES that a test hasn't drained."""

    socket: Any = FullSocket()

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.value()) > READ_BYTES and self.producer is not None:
            self.producer.pauseProducing()

    def drain(self) -> bytes:
        """The peer takes all that the transport holds."""
        taken = self.value()
        self.clear()
        self.producer.resumeProducing()
        return taken


def connected() -> tuple[Peer, NarrowTransport, RecordingPlace]:
    place = RecordingPlace()
    peer, transport = Peer(place), NarrowTransport()
    peer.makeConnection(transport)
    return peer, transport, place


def test_coming_and_going_are_told() -> None:
    peer, _, place = connected()
    peer.connectionLost()
    assert place.events[0] == "made"
    assert place.events[1][0] == "lost"  # type: ignore[index]


@given(st.lists(st.integers(1, 100_000), max_size=30), st.data())
def test_all_that_is_written_arrives_in_order_whatever_the_peer_takes(sizes: list[int], data: st.DataObject) -> None:
    peer, transport, _ = connected()
    written = bytearray()
    taken = bytearray()
    for index, size in enumerate(sizes):
        part = bytes([index]) * size
        peer.write(part)
        written += part
        assert peer.backlog + len(transport.value()) + len(taken) == len(written)
        if data.draw(st.booleans()):
            taken += transport.drain()
    while transport.value():
        taken += transport.drain()
    assert taken == written
    assert peer.backlog == 0
    assert not peer.paused


def test_the_transport_never_holds_much_more_than_one_write() -> None:
    peer, transport, _ = connected()
    for _ in range(100):
        peer.write(bytes(50_000))
    assert len(transport.value()) <= READ_BYTES + 50_000
    transport.drain()
    assert len(transport.value()) <= TURN_BYTES + 50_000


def test_what_is_written_at_once_is_sent_at_once() -> None:
    peer, transport, _ = connected()
    for _ in range(100):
        peer.write(bytes(250_000))
    transport.drain()
    assert TURN_BYTES < len(transport.value()) <= transport.SEND_LIMIT  # type: ignore[attr-defined]


def test_descriptors_that_come_with_the_bytes_are_closed_and_counted() -> None:
    peer, _, place = connected()
    reader, writer = os.pipe()
    os.close(reader)
    peer.fileDescriptorReceived(writer)
    assert place.counters.dropped_descriptors == 1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(writer)


def test_pressure_is_told_once_and_ends_when_all_is_taken() -> None:
    peer, transport, place = connected()
    for _ in range(20):
        peer.write(bytes(50_000))
    assert place.events == ["made", True]
    while transport.value():
        transport.drain()
    assert place.events == ["made", True, False]


def test_a_lost_peers_backlog_is_still_counted() -> None:
    peer, transport, _ = connected()
    peer.pauseProducing()
    peer.write(bytes(10))
    transport.producer.stopProducing()
    assert peer.backlog == 10


def test_nobody_receives_and_frames_stay_aligned() -> None:
    peer, _, place = connected()
    received: list[Batch] = []
    frame = batch_of(packet("one", 100)).data
    peer.deliver_to(received.append, vnet_hdr=False)
    peer.dataReceived(frame + frame[:50])
    peer.deliver_to(None, vnet_hdr=False)
    peer.dataReceived(frame[50:] + frame[:10])
    peer.deliver_to(received.append, vnet_hdr=False)
    peer.dataReceived(frame[10:])
    assert [len(batch) for batch in received] == [1, 1]
    assert place.counters.dropped_unread_bytes == len(frame)


def test_a_front_ends_own_decoder_stays_with_it_and_is_replaced_by_anothers() -> None:
    peer, _, place = connected()
    received: list[Batch] = []
    message = Batch.from_packets([b"DO_CHECKPOINT"]).data
    peer.deliver_to(received.append, False, MessageDecoder)
    peer.dataReceived(message + message[:9])
    peer.deliver_to(None, vnet_hdr=False)
    peer.deliver_to(received.append, False, MessageDecoder)
    peer.dataReceived(message[9:])
    assert [list(batch.packets()) for batch in received] == [[b"DO_CHECKPOINT"]] * 2
    peer.deliver_to(received.append, vnet_hdr=False)
    peer.dataReceived(message)
    assert place.events[-1][0] == "broken"  # type: ignore[index]


def test_a_part_frame_is_lost_with_its_sender_and_counted() -> None:
    peer, _, place = connected()
    peer.deliver_to(lambda batch: None, vnet_hdr=False)
    peer.dataReceived(batch_of(packet("", 100)).data[:50])
    peer.connectionLost()
    assert place.counters.dropped_part_bytes == 50


def test_frames_before_a_protocol_error_are_delivered() -> None:
    peer, _, place = connected()
    received: list[Batch] = []
    peer.deliver_to(received.append, vnet_hdr=False)
    peer.dataReceived(batch_of(packet("good")).data + b"\0\0\0\1")
    assert len(received) == 1
    assert place.events[-1][0] == "broken"  # type: ignore[index]
