"""The way of a frame: chardevs and netdevs at the ends, a chain between."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from colo_twisted.counters import Counters
from colo_twisted.packets.batch import Batch


class Direction(enum.Enum):
    """Seen from the netdev: TX is what it sends, from the network to the guest; RX is from the guest to the network."""

    TX = "tx"
    RX = "rx"

    __hash__ = object.__hash__  # they are keys for each batch, and Enum's own is a call into Python


class Ended(enum.Enum):
    """
    How a connection ended, as far as that can be known at this end of it.

    Only BY_PEER says anything of the other process: it has closed the connection, or is dead, and its kernel or that
    of its host's next start says so. What stands between the two (a tunnel, a proxy, a firewall) can say it too.
    """

    BY_PEER = "by-peer"  # its FIN or RST came; of a unix socket or a pair: the other end is closed
    SILENT = "silent"  # no answer any more, an unreachable host, any other error: it may live
    BY_US = "by-us"  # closed here, for whatever reason: it may live


class Decoder(Protocol):
    """
    Makes batches from a byte stream that is cut anywhere; packets.framing.FrameDecoder is the usual one.

    @ivar vnet_hdr: whether its batches carry vnet headers.
    @ivar broken: how the stream broke the protocol, in one line; None while it hasn't.
    @ivar held: bytes of a part frame that wait for the rest of it.
    """

    @property
    def vnet_hdr(self) -> bool: ...

    @property
    def broken(self) -> str | None: ...

    @property
    def held(self) -> int: ...

    def feed(self, data: bytes) -> Batch | None:
        """Take received bytes; return the frames that are whole now, or None if there are none."""


def _ignore(_: Any) -> None:
    """For the events that a front end has no use for."""


@dataclass
class FrontEnd:
    """
    The one user of a chardev.

    @ivar owner: who it is, for messages.
    @ivar vnet_hdr: whether frames on this chardev carry vnet headers, both ways.
    @ivar receive: called with each batch that came in; None means that whatever the peer sends is discarded.
    @ivar connection_changed: called with True when a peer is there, with False when it has gone: the chardev's
        ``ended`` says how.
    @ivar pressure_changed: called with True when the peer takes less than is written, with False when all is taken.
    @ivar decoder: makes what a byte stream from each new peer is read with, where that isn't Ethernet; else None.
    """

    owner: str
    vnet_hdr: bool = False
    receive: Callable[[Batch], None] | None = None
    connection_changed: Callable[[bool], None] = _ignore
    pressure_changed: Callable[[bool], None] = _ignore
    decoder: Callable[[], Decoder] | None = None


class IChardev(Interface):
    """A character device that carries frames: one front end here, one peer there."""

    id: str = Attribute("The chardev's id.")
    counters: Counters = Attribute("What it has counted.")
    front_end: FrontEnd | None = Attribute("Its user, if it has one.")
    connected: bool = Attribute("Whether a peer is there.")
    ended: Ended | None = Attribute(
        "How the last connection ended; None while a peer is there, and before the first. Set before"
        " the front end's connection_changed is called."
    )
    backlog: int = Attribute("Bytes written that the transport hasn't been given yet, as the peer doesn't take them.")
    peer: str | None = Attribute("The peer's name, while one is there.")
    filename: str = Attribute("What it is and where, in QEMU's form: 'disconnected:tcp:127.0.0.1:9003,server=on'.")

    def attach(front_end: FrontEnd) -> None:
        """
        Become the front end of this chardev.

        @raise StartError: it has one, or the other end of a pair carries vnet headers and this one doesn't.
        """

    def detach() -> None:
        """Stop being its front end; its peer stays connected, and what it sends waits for the next one."""

    def write(batch: Batch) -> None:
        """Send frames, in the form that the front end named. Never blocks; what can't be sent is dropped by name."""

    def flush() -> bool:
        """Send what waits, as far as it goes now; True if nothing waits any more."""

    def drain() -> None:
        """Receive what has come already, up to a bound, instead of in the reactor's next turns."""

    def disconnect(reason: str) -> None:
        """Drop the peer and whatever is still to be sent to it; it may connect again as new."""

    def open() -> None:
        """
        Do what needs privileges: bind.

        @raise StartError: it can't be done; nothing is left behind.
        """

    def start() -> Deferred[None] | None:
        """Begin to connect; the Deferred fires when start-up need no longer wait for a peer."""

    def close() -> Deferred[None] | None:
        """Give everything back that open and start took; harmless when neither was called."""


class INetdev(Interface):
    """One end of a guest's cable: a TAP, or a stream of frames to another process."""

    id: str = Attribute("The netdev's id.")
    counters: Counters = Attribute("What it has counted.")
    vnet_hdr_support: bool = Attribute("Whether it could carry vnet headers.")
    vnet_hdr: bool = Attribute("Whether the batches that it gives do carry them; known once it is open.")
    pressure_changed: Callable[[bool], None] = Attribute(
        "Called with True when it takes less than is sent, with False when all is taken. Set by its chain."
    )

    def open(vnet_hdr: bool) -> None:
        """
        Do what needs privileges.

        @param vnet_hdr: whether everything on this cable could carry vnet headers.
        @raise StartError: it can't be done; nothing is left behind.
        """

    def set_offloads(on: bool) -> None:
        """Let the kernel hand over segments to be cut and checksums to be finished, or not; only with vnet_hdr."""

    def start(receive: Callable[[Batch], None]) -> None:
        """Begin to read; ``receive`` is called with each batch. Said again: another one is, from now on."""

    def send(batch: Batch) -> None:
        """Send all frames, in whichever form they are. Never blocks; what can't be sent is dropped by name."""

    def pause() -> None:
        """Read no more for now, where the frames can wait at their source (a TAP); otherwise do nothing."""

    def resume() -> None:
        """Read again."""

    def drain() -> None:
        """Receive what has come already, up to a bound, even while it is paused."""

    def glance() -> None:
        """
        Receive what has come already, a turn's share at most; nothing while it is paused or not started.

        What was just sent may be answered by now, where the far end is a kernel.
        """

    def set_link(up: bool) -> None:
        """Show the far end that the cable is plugged in or pulled out, where there is a way to show it."""

    def close() -> Deferred[None] | None:
        """Give everything back that open and start took; harmless when neither was called."""
