"""Frames received from a real socket where they are to stay: as the decoder alone has them."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.link.receiving import LEAST, FrameReceiver
from colo_twisted.packets.framing import FrameDecoder
from tests.support.inlined import in_use
from tests.support.strategies import Frame, cut, ethernet, frames_of, streams, wire

calls = in_use("colo_twisted.link.calls")
MOST = 1 << 18
SO_SNDBUFFORCE = 32  # socket(7); the module socket lacks it


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peers = socket.socketpair()
    with ours, peers:
        ours.setblocking(False)
        yield ours, peers


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=3000), st.integers(1, 4000), st.data())
def test_what_has_begun_and_what_comes_are_one_object(
    begun: bytes, sent: bytes, most: int, draw: st.DataObject
) -> None:
    ours, peers = socket.socketpair()
    with ours, peers:
        peers.sendall(sent)
        data = calls.receive(ours.fileno(), begun, most)
    assert data == begun + sent[:most]
    size = draw.draw(st.integers(1, len(data)))
    kept = bytes(bytearray(data))
    shorter = calls.shortened(data, size)
    assert shorter == kept[:size]
    assert len(shorter + b"!") == size + 1
    assert b"".join((shorter, b"!")) == kept[:size] + b"!"


def test_nothing_there_is_an_error_and_a_close_is_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peers = pair
    with pytest.raises(BlockingIOError) as caught:
        calls.receive(ours.fileno(), b"begun", 10)
    assert caught.value.errno == errno.EAGAIN
    peers.close()
    assert calls.receive(ours.fileno(), b"begun", 10) == b"begun"


def test_an_error_is_the_kernels(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        calls.receive(-1, b"", 10)


@given(streams(), st.data())
def test_any_cut_of_a_stream_gives_the_same_frames_in_order(
    stream: tuple[bool, list[Frame]], draw: st.DataObject
) -> None:
    vnet_hdr, frames = stream
    decoder = FrameDecoder(vnet_hdr)
    receiver = FrameReceiver(decoder)
    got: list[Frame] = []
    ours, peers = socket.socketpair()
    with ours, peers:
        for piece in draw.draw(cut(wire(frames, vnet_hdr))):
            if not piece:
                continue
            peers.sendall(piece)
            read = 0
            while read < len(piece):
                batch = receiver.receive(ours.fileno(), MOST)
                assert receiver.octets
                read += receiver.octets
                if batch is not None:
                    assert batch.places[-1] == len(batch.data)
                    got += frames_of(batch)
            assert read == len(piece)
        peers.close()
        assert receiver.receive(ours.fileno(), MOST) is None
        assert receiver.octets == 0
    assert got == frames
    assert (decoder.broken, decoder.held) == (None, 0)


@pytest.mark.parametrize(("octets", "most"), [(46, LEAST), (1400, MOST)], ids=["small", "large"])
def test_what_is_asked_for_makes_a_batch_of_frames_of_the_size_that_they_had(
    pair: tuple[socket.socket, socket.socket], octets: int, most: int
) -> None:
    ours, peers = pair
    frame = Frame(ethernet(0x0800, bytes(octets)))
    receiver = FrameReceiver(FrameDecoder(False))
    peers.sendall(wire([frame], False))
    receiver.receive(ours.fileno(), MOST)
    peers.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 * MOST)
    peers.setblocking(False)
    assert peers.send(wire([frame] * (2 * MOST // octets), False)) > most
    receiver.receive(ours.fileno(), MOST)
    assert receiver.octets == most


def test_an_error_leaves_what_has_begun(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peers = pair
    frame = Frame(ethernet(0x0800, bytes(100)))
    data = wire([frame], False)
    receiver = FrameReceiver(FrameDecoder(False))
    peers.sendall(data[:50])
    assert receiver.receive(ours.fileno(), MOST) is None
    with pytest.raises(BlockingIOError):
        receiver.receive(ours.fileno(), MOST)
    peers.sendall(data[50:])
    batch = receiver.receive(ours.fileno(), MOST)
    assert batch is not None
    assert frames_of(batch) == [frame]


def test_a_stream_that_breaks_the_protocol_gives_what_came_before(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, peers = pair
    frame = Frame(ethernet(0x0800, bytes(100)))
    decoder = FrameDecoder(False)
    peers.sendall(wire([frame], False) + b"\xff" * 8)
    batch = FrameReceiver(decoder).receive(ours.fileno(), MOST)
    assert batch is not None
    assert frames_of(batch) == [frame]
    assert decoder.broken is not None
    peers.sendall(wire([frame], False))
    assert FrameReceiver(decoder).receive(ours.fileno(), MOST) is None
