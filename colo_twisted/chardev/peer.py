"""One connection that carries frames: what to do with its bytes, both ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.framing import FrameDecoder

if TYPE_CHECKING:
    from twisted.internet.tcp import Connection

    from colo_twisted.chardev.link import Link

WRITE_SIZE = 256 * 1024  # what the transport is given at once when it takes again; it joins what it holds


@implementer(IPushProducer)
class Peer(Protocol):
    """
    Frames to and from one peer.

    Once the transport holds 64 KiB that the peer doesn't take, further bytes wait in ``backlog``, in
    order: there they cost nothing until they can be sent, and their owner can see how many they are.
    """

    transport: Connection

    def __init__(self, link: Link) -> None:
        self._link = link
        self._paused = False
        self._waiting: deque[bytes] = deque()
        self.backlog = 0
        self.name = "?"
        self._decoder: FrameDecoder | None = None
        self._receive: Callable[[Batch], None] | None = None

    # incoming

    def deliver_to(self, receive: Callable[[Batch], None] | None, vnet_hdr: bool) -> None:
        """
        Hand batches to ``receive`` from here on; with None, discard what comes in.

        A decoder stays, once there is one: only it knows where the next frame begins.
        """
        if receive is not None and (self._decoder is None or self._decoder.vnet_hdr != vnet_hdr):
            self._decoder = FrameDecoder(vnet_hdr)
        self._receive = receive

    def dataReceived(self, data: bytes) -> None:
        counters = self._link.counters
        counters.bytes_in += len(data)
        decoder = self._decoder
        if decoder is None:
            counters.dropped_unread_bytes += len(data)
            return
        batch = decoder.feed(data)
        if batch is not None:
            counters.frames_in += len(batch)
            if self._receive is None:
                counters.dropped_unread_bytes += len(batch.data)
            else:
                self._receive(batch)
        if decoder.broken is not None:
            self._link.protocol_broken(self, decoder.broken)

    # outgoing

    def write(self, data: bytes) -> None:
        """Send bytes, now or when the peer takes them."""
        if self._paused:
            self._waiting.append(data)
            self.backlog += len(data)
        else:
            self.transport.write(data)

    def pauseProducing(self) -> None:
        if not self._paused:
            self._paused = True
            self._link.pressure_changed(True)

    def resumeProducing(self) -> None:
        self._paused = False
        while self._waiting and not self._paused:
            self._write_some()
        if not self._paused:
            self._link.pressure_changed(False)

    def _write_some(self) -> None:
        parts: list[bytes] = []
        size = 0
        while self._waiting and size < WRITE_SIZE:
            part = self._waiting.popleft()
            parts.append(part)
            size += len(part)
        self.backlog -= size
        self.transport.write(b"".join(parts))

    def stopProducing(self) -> None:
        self._waiting.clear()

    # coming and going

    def connectionMade(self) -> None:
        self.name = _name_of(self.transport.getPeer())
        self.transport.registerProducer(self, True)
        self._link.connection_made(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._link.connection_lost(self, reason.getErrorMessage())

    def wait(self) -> None:
        """Read nothing until go_on: the kernel keeps what the peer sends, and makes it wait too."""
        self.transport.pauseProducing()

    def go_on(self) -> None:
        self.transport.resumeProducing()

    def hang_up(self) -> None:
        """Close once what the transport holds is sent; the backlog is given up."""
        self._waiting.clear()
        self.backlog = 0
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self) -> None:
        """Close at once, whatever was still to be sent."""
        self.transport.abortConnection()


def _name_of(address: object) -> str:
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    return f"{host}:{port}" if host is not None else "a local process"
