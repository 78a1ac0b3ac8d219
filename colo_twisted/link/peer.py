"""One connection that carries frames: what to do with its bytes, both ways."""

from __future__ import annotations

import os
import socket
import struct
import typing
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.interfaces import IFileDescriptorReceiver, IPushProducer
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Decoder
from colo_twisted.interfaces.frames import Ended
from colo_twisted.link.ending import ObservedSocket
from colo_twisted.link.receiving import FrameReceiver
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.framing import FrameDecoder

if typing.TYPE_CHECKING:
    from twisted.internet.tcp import Connection

# What one turn of the reactor may send. It must be more than what a turn's reading brings (of a TAP: TURN_BYTES),
# else a mirror's backlog grows without end though its peer reads as fast as it can.
TURN_BYTES = 1024 * 1024
# At once: the more packets a batch has, the less each costs, as long as a core's cache holds them.
READ_BYTES = 256 * 1024
MOST_DRAINED = 256  # reads, of 64 KiB at least: more than a socket's buffer holds


@dataclass
class PeerCounters(Counters):
    """What peers sent and were sent."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    dropped_unread_bytes: int = 0  # came in where nobody reads
    dropped_descriptors: int = 0  # came over a unix socket with bytes that aren't frames; else the kernel drops them
    dropped_part_bytes: int = 0  # the beginning of a frame whose sender went away


class Place(typing.Protocol):
    """What gives a peer its place: it is told what becomes of the connection."""

    pressure_changed: Callable[[bool], None]

    @property
    def counters(self) -> PeerCounters: ...

    def connection_made(self, peer: Peer) -> None: ...

    def connection_lost(self, peer: Peer, reason: str) -> None: ...

    def protocol_broken(self, peer: Peer, how: str) -> None: ...


@implementer(IPushProducer, IFileDescriptorReceiver)
class Peer(Protocol):
    """
    Frames to and from one peer.

    What the kernel takes goes at once. Once the transport holds READ_BYTES that the peer doesn't take, further
    bytes wait in ``backlog``, in order: there they cost nothing until they can be sent, and their owner can see how
    many they are.
    """

    transport: Connection
    _socket: ObservedSocket

    def __init__(self, place: Place) -> None:
        self._place = place
        self.paused = False
        self._waiting: deque[bytes] = deque()
        self.backlog = 0
        self._handed_on = 0  # bytes, to the kernel or to the transport
        self.pressing = False  # told that the peer takes less than is written, and not yet that it took all
        self._leaving = False
        self.name = "?"
        self._decoder: Decoder | None = None
        self._receiver: FrameReceiver | None = None
        self._decoder_from: Callable[[], Decoder] | None = None
        self._receive: Callable[[Batch], None] | None = None

    # incoming

    def deliver_to(
        self,
        receive: Callable[[Batch], None] | None,
        vnet_hdr: bool,
        decoder_from: Callable[[], Decoder] | None = None,
    ) -> None:
        """
        Hand batches to ``receive`` from here on; with None, discard what comes in.

        A decoder of the same kind stays, once there is one: only it knows where the next frame begins.
        """
        same = self._decoder is not None and self._decoder.vnet_hdr == vnet_hdr and self._decoder_from is decoder_from
        if receive is not None and not same:
            self._decoder = decoder_from() if decoder_from is not None else FrameDecoder(vnet_hdr)
            self._decoder_from = decoder_from
            self._receiver = FrameReceiver(self._decoder) if isinstance(self._decoder, FrameDecoder) else None
        self._receive = receive

    def _read(self) -> typing.Any:
        """In place of the transport's doRead: frames are received where they are to stay."""
        receiver = self._receiver
        if receiver is None:
            return self._read_bytes()
        try:
            batch = receiver.receive(self.transport.fileno(), READ_BYTES)
        except OSError as error:
            return CONNECTION_LOST if self._socket.failed(error.errno) else None
        if not receiver.octets:
            self._socket.closed_by_peer()
            return CONNECTION_DONE
        self._place.counters.bytes_in += receiver.octets
        self._hand_on(batch)
        return None

    def dataReceived(self, data: bytes) -> None:
        """What isn't frames, or nobody reads."""
        self._place.counters.bytes_in += len(data)
        if self._decoder is None:
            self._place.counters.dropped_unread_bytes += len(data)
        else:
            self._hand_on(self._decoder.feed(data))

    def _hand_on(self, batch: Batch | None) -> None:
        decoder = self._decoder
        if batch is not None:
            counters = self._place.counters
            counters.frames_in += len(batch)
            if self._receive is None:
                counters.dropped_unread_bytes += len(batch.data)
            else:
                self._receive(batch)
        if decoder is not None and decoder.broken is not None:
            self._place.protocol_broken(self, decoder.broken)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """A unix socket can bring descriptors; nobody here wants one, and Twisted would log each."""
        os.close(descriptor)
        self._place.counters.dropped_descriptors += 1

    # outgoing

    def write(self, data: bytes) -> None:
        """Send bytes, now or when the peer takes them."""
        if self.paused:
            self._waiting.append(data)
            self.backlog += len(data)
            return
        sent = 0 if self._leaving or self._handed_on != self._socket.sent else self._send_at_once(data)
        self._handed_on += len(data)
        if sent < len(data):
            self.transport.write(data[sent:] if sent else data)

    def _send_at_once(self, data: bytes) -> int:
        """
        How many bytes the kernel has taken, where the transport holds none: it would take a turn of the reactor's.

        What is wrong with the connection the transport finds out, which is given the rest.
        """
        try:
            return self._socket.send(data)
        except OSError:
            return 0

    def pauseProducing(self) -> None:
        self.paused = True
        self._press(True)

    def resumeProducing(self) -> None:
        self.paused = False
        while self._waiting and not self.paused:
            self._write_some()
        if not self.paused:
            self._press(False)
            if self._leaving:
                self._leave()

    def _press(self, full: bool) -> None:
        if full != self.pressing:
            self.pressing = full
            self._place.pressure_changed(full)

    def _write_some(self) -> None:
        parts: list[bytes] = []
        size = 0
        while self._waiting and size < TURN_BYTES:
            part = self._waiting.popleft()
            parts.append(part)
            size += len(part)
        self.backlog -= size
        self._handed_on += size
        self.transport.write(b"".join(parts))

    def stopProducing(self) -> None:
        self._waiting.clear()

    # now, and not in the reactor's next turns

    def flush(self) -> bool:
        """Send what waits, as far as the kernel takes it; True if it took all. What is lost the reactor finds out."""
        self.transport.doWrite()
        return not self.paused and not self.backlog and not self.transport.dataBuffer

    def drain(self) -> None:
        """Receive what the kernel has, at most MOST_DRAINED reads of it."""
        counters = self._place.counters
        for _ in range(MOST_DRAINED):
            before = counters.bytes_in
            self.transport.doRead()
            if counters.bytes_in == before:
                return

    # coming and going

    def connectionMade(self) -> None:
        self.name = name_of(self.transport)
        self._socket = ObservedSocket(self.transport.socket)
        self.transport.socket = typing.cast(socket.socket, self._socket)
        self.transport.bufferSize = READ_BYTES
        if hasattr(self.transport, "doRead"):  # one in memory hasn't
            self._read_bytes: Callable[[], typing.Any] = self.transport.doRead
            self.transport.doRead = self._read  # type: ignore[method-assign]
        self.transport.SEND_LIMIT = 2 * TURN_BYTES  # what is written at once may overshoot by a batch, and goes whole
        self.transport.registerProducer(self, True)
        self._place.connection_made(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._decoder is not None:
            self._place.counters.dropped_part_bytes += self._decoder.held
        self._place.connection_lost(self, self._socket.reason or reason.getErrorMessage())

    @property
    def ended(self) -> Ended:
        """How the connection ended, once it has. Where the kernel said nothing, it was closed here."""
        return self._socket.ended or Ended.BY_US

    def wait(self) -> None:
        """Read nothing until go_on: the kernel keeps what the peer sends, and makes it wait too."""
        self.transport.pauseProducing()

    def go_on(self) -> None:
        self.transport.resumeProducing()

    def hang_up(self) -> None:
        """Close once all that was written is sent."""
        self._leaving = True
        self._socket.end(Ended.BY_US)
        if not self.paused:
            self._leave()

    def _leave(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def abort(self, ended: Ended = Ended.BY_US) -> None:
        """Close at once, whatever was still to be sent; ``ended`` is why, unless the peer has closed before."""
        self._socket.end(ended)
        self.transport.abortConnection()


def name_of(transport: typing.Any) -> str:
    """A peer's name, for messages: its host and port, or its process on this host."""
    address = transport.getPeer()
    host, port = getattr(address, "host", None), getattr(address, "port", None)
    if host is not None:
        return f"{host}:{port}"
    process = _process_of(transport.getHandle()) if hasattr(transport, "getHandle") else 0
    return f"process {process}" if process else "a local process"


_CREDENTIALS = struct.Struct("=iII")  # struct ucred (unix(7)): process, user, group


def _process_of(connection: socket.socket) -> int:
    """The id of the process at the other end of a unix socket when that was connected; 0 where it has none here."""
    try:
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return 0
    return int(_CREDENTIALS.unpack(found)[0])
