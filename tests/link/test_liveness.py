"""What the kernel says of a connection's other end."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest

from colo_twisted.link import liveness
from tests.support.sockets import SocketTransport


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_only_tcp_is_tcp(family: int) -> None:
    transport = SocketTransport(family)
    assert liveness.is_tcp(transport.socket) is (family == socket.AF_INET)
    transport.close()


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
@pytest.mark.parametrize("data", [b"", b"unread"])
def test_a_close_is_seen_past_unread_data(family: int, data: bytes) -> None:
    transport = SocketTransport(family)
    transport.far_end.send(data)
    assert not liveness.has_closed(transport.socket)
    transport.far_end.shutdown(socket.SHUT_WR)
    assert liveness.has_closed(transport.socket)
    transport.close()


def test_a_live_peer_that_reads_nothing_is_not_dead() -> None:
    transport = SocketTransport(socket.AF_INET)
    transport.socket.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            transport.socket.send(bytes(65536))
    assert not liveness.is_dead(transport.socket)
    transport.close()


class Told:
    """A socket whose kernel tells what a test wants."""

    def __init__(self, retransmits: int, probes: int, last_ack_ms: int) -> None:
        self.info = struct.pack("=BBBB52xI", 1, 0, retransmits, probes, last_ack_ms)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        return self.info[:size]


@pytest.mark.parametrize(
    ("retransmits", "probes", "last_ack_ms", "dead"),
    [
        (0, 0, 1_000_000, False),  # silent because there is nothing to say
        (5, 0, 100, False),  # a lossy way, but it answers
        (5, 0, liveness.SILENT_MS, True),
        (0, liveness.PROBES, liveness.SILENT_MS, True),  # a closed window that nobody answers for
        (0, 1, liveness.SILENT_MS, False),
    ],
)
def test_dead_is_asked_often_and_answered_never(retransmits: int, probes: int, last_ack_ms: int, dead: bool) -> None:
    assert liveness.is_dead(Told(retransmits, probes, last_ack_ms)) is dead  # type: ignore[arg-type]


def test_the_offsets_are_the_kernels() -> None:
    transport = SocketTransport(socket.AF_INET)
    transport.socket.send(b"x")
    transport.far_end.recv(1)
    info = transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    *_, last_data_sent, _, _, last_ack = struct.unpack_from("=8x13I", info)
    assert last_ack == struct.unpack_from("=56xI", info)[0]
    assert abs(last_data_sent - last_ack) < 5000
    transport.close()
