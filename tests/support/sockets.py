"""Transports for tests of links: in memory, over a real socket that the kernel can be asked about."""

from __future__ import annotations

import socket
from contextlib import suppress

from twisted.internet.testing import StringTransport

from colo_twisted.link.link import Link
from colo_twisted.link.peer import Peer
from colo_twisted.link.reach import LinkOptions
from colo_twisted.reporting import Reporter


class SocketTransport(StringTransport):
    """A StringTransport that has a socket; ``far_end`` is what the peer would hold."""

    def __init__(self, family: int = socket.AF_UNIX) -> None:
        self.socket, self.far_end = socket.socketpair(family) if family == socket.AF_UNIX else _tcp_pair()
        self._arrived = b""
        super().__init__()
        self.nodelay: bool | None = None
        self.aborted = False

    def value(self) -> bytes:
        """All that was written: what the kernel took, then what it didn't."""
        self.far_end.setblocking(False)
        with suppress(BlockingIOError):
            while part := self.far_end.recv(1 << 20):
                self._arrived += part
        return self._arrived + super().value()

    def clear(self) -> None:
        super().clear()
        self.value()
        self._arrived = b""

    def getHandle(self) -> socket.socket:
        return self.socket

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.nodelay = enabled

    def abortConnection(self) -> None:
        self.aborted = True
        super().abortConnection()

    def close(self) -> None:
        self.socket.close()
        self.far_end.close()


def _tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    return server, client


class Nowhere:
    """An address that nothing listens on or connects to: tests bring their own peers."""

    def __str__(self) -> str:
        return "nowhere"


def a_link(reactor: object, server: bool = True, reconnect: float = 1.0, report: Reporter | None = None) -> Link:
    """A link that was started, and waits for a test to bring peers."""
    link = Link(reactor, LinkOptions(Nowhere(), server, reconnect), report or Reporter("link of a test"))  # type: ignore[arg-type]
    link._started = True
    return link


def arrive(link: Link, transport: SocketTransport | None = None) -> tuple[Peer, SocketTransport]:
    """A peer connects."""
    transport = transport or SocketTransport()
    peer = link.buildProtocol(None)
    peer.makeConnection(transport)
    return peer, transport
