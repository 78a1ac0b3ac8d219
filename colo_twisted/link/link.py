"""
A link: the place of one peer at an address, as server or client, held against whoever else comes by.

Socket chardevs and socket and stream netdevs are each a link with a different use for its frames.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress
from twisted.internet.task import LoopingCall

from colo_twisted.interfaces import Decoder
from colo_twisted.interfaces.frames import Ended
from colo_twisted.link import liveness
from colo_twisted.link.peer import TURN_BYTES, Peer, PeerCounters
from colo_twisted.link.reach import LinkOptions, Reach
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.finishing import in_form
from colo_twisted.reporting import Reporter

MOST_WAITING = 4
WATCH_SECONDS = 1.0
GOODBYE_SECONDS = 1.0  # for what the transport still holds, when the link closes


@dataclasses.dataclass
class LinkCounters(PeerCounters):
    """What came and went over one link, and who."""

    connects: int = 0  # peers that got the place
    disconnects: int = 0  # peers that lost it
    probes: int = 0  # others that came and went while the place was taken
    refused: int = 0  # others beyond MOST_WAITING
    dead_peers: int = 0  # disconnects because nothing was answered any more
    protocol_errors: int = 0
    dropped_no_peer: int = 0  # frames written while no peer was there
    dropped_needs_vnet_hdr: int = 0  # frames that mean nothing without their vnet header, and this link carries none
    dropped_disconnect_bytes: int = 0  # backlog given up with its peer


def _ignore(_: bool) -> None:
    pass


class Link(Reach):
    """
    Holds the place of the one peer.

    A server's further clients wait (a probe among them takes nobody's place): while one does, the
    peer is asked for life, and when it goes the first that still lives follows it.

    @ivar ended: how the last connection in the place ended; None while a peer has it, and before the first.
        Set before ``connection_changed`` is called.
    """

    def __init__(
        self, reactor: Any, options: LinkOptions, report: Reporter, counters: LinkCounters | None = None
    ) -> None:
        super().__init__(reactor, options, report)
        self.counters = counters or LinkCounters()
        self.connection_changed: Callable[[bool], None] = _ignore
        self.pressure_changed: Callable[[bool], None] = _ignore
        self.peer: Peer | None = None
        self.ended: Ended | None = None
        self._receive: Callable[[Batch], None] | None = None
        self._vnet_hdr = False
        self._decoder_from: Callable[[], Decoder] | None = None
        self._waiting: list[Peer] = []
        self._started = False
        self._attended = True
        self._closing: Deferred[None] | None = None
        self._watch = LoopingCall(self._watch_peers)
        self._watch.clock = reactor

    @property
    def peer_name(self) -> str | None:  # type: ignore[override]
        return self.peer.name if self.peer is not None else None

    @property
    def connected(self) -> bool:  # type: ignore[override]
        return self.peer is not None

    @property
    def pressing(self) -> bool:
        """Whether the peer takes less than is written."""
        return self.peer is not None and self.peer.pressing

    @property
    def backlog(self) -> int:
        """Bytes written that the peer's transport hasn't been given yet."""
        return self.peer.backlog if self.peer is not None else 0

    # life

    def open(self) -> None:
        """Bind, if this is the server; take what was inherited. Raises StartError."""
        self._open()

    def start(self) -> None:
        """Connect, if this is the client; read, if a peer is there already: until now the kernel kept what it sent."""
        if self._started:
            return
        self._started = True
        if self.peer is not None and self._attended:
            self.peer.go_on()
        self._connect()

    def close(self) -> Deferred[Any]:
        """Listen and connect no more, and end what is open; fires when all is closed."""
        done = self._leave()
        peers = [peer for peer in (self.peer, *self._waiting) if peer is not None]
        if peers:
            self._closing = Deferred()
            done.append(self._closing)
            impatience = self._reactor.callLater(GOODBYE_SECONDS, self._abort_all)
            self._closing.addCallback(lambda _: impatience.cancel() if impatience.active() else None)
            for peer in peers:
                peer.hang_up()
        return DeferredList(done)

    def _abort_all(self) -> None:
        for peer in (self.peer, *self._waiting):
            if peer is not None:
                peer.abort()

    # frames

    def deliver_to(
        self,
        receive: Callable[[Batch], None] | None,
        vnet_hdr: bool = False,
        decoder_from: Callable[[], Decoder] | None = None,
    ) -> None:
        """
        Hand what comes in to ``receive``; with None, discard it.

        ``vnet_hdr`` says whether frames carry vnet headers on this link, both ways; ``decoder_from``
        makes what each peer's bytes are read with, where they aren't Ethernet.
        """
        self._receive = receive
        self._vnet_hdr = vnet_hdr
        self._decoder_from = decoder_from
        if self.peer is not None:
            self.peer.deliver_to(receive, vnet_hdr, decoder_from)

    def attend(self, attended: bool) -> None:
        """Read what the peer sends; or leave it in the kernel, until there is somebody for it."""
        self._attended = attended
        if self.peer is not None and self._started:
            (self.peer.go_on if attended else self.peer.wait)()

    def write(self, batch: Batch) -> None:
        """Send frames, in the form that deliver_to named."""
        if self.peer is None:
            self.counters.dropped_no_peer += len(batch)
            return
        framed, left_out = in_form(batch, self._vnet_hdr)
        self.counters.dropped_needs_vnet_hdr += left_out
        if not len(framed):
            return
        self.counters.frames_out += len(framed)
        self.counters.bytes_out += len(framed.data)
        self.peer.write(framed.data)

    def flush(self) -> bool:
        """Send what waits, as far as it goes now; True if nothing waits any more."""
        return self.peer is None or self.peer.flush()

    def drain(self) -> None:
        """Receive what has come already."""
        if self.peer is not None and self._attended:
            self.peer.drain()

    def disconnect(self, reason: str) -> None:
        """Drop the peer and what was still to be sent to it."""
        self._drop(reason, Ended.BY_US)

    def _drop(self, reason: str, ended: Ended) -> None:
        peer = self.peer
        if peer is not None:
            self._report.warn(f"disconnected {peer.name}: {reason}", kind="disconnect")
            peer.abort(ended)
            self._take_place_from(peer)

    # what the peers say

    def buildProtocol(self, addr: IAddress | None) -> Peer:
        return Peer(self)

    def connection_made(self, peer: Peer) -> None:
        connection: socket.socket = peer.transport.getHandle()
        if liveness.is_tcp(connection):
            peer.transport.setTcpNoDelay(self.options.nodelay)
            liveness.keep_alive(connection)
        else:  # of TCP's the kernel knows better
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TURN_BYTES)
        if self._closing is not None:
            peer.abort()
        elif self.peer is None:
            self._give_place_to(peer)
            if not (self._started and self._attended):
                peer.wait()
        else:
            self._let_wait(peer)
        if not self._watch.running and self._closing is None:
            self._watch.start(WATCH_SECONDS, now=False)

    def connection_lost(self, peer: Peer, reason: str) -> None:
        if peer in self._waiting:
            self._waiting.remove(peer)
            self.counters.probes += 1
        elif peer is self.peer:
            if self._closing is None:
                self._report.info(f"lost {peer.name}: {reason}", kind="lost")
            self._take_place_from(peer)
        if self.peer is None and not self._waiting:
            self._all_gone()

    def protocol_broken(self, peer: Peer, how: str) -> None:
        if peer is self.peer:
            self.counters.protocol_errors += 1
            self.disconnect(f"protocol error: {how}")

    def _give_place_to(self, peer: Peer) -> None:
        self.peer = peer
        self.ended = None
        self.counters.connects += 1
        peer.deliver_to(self._receive, self._vnet_hdr, self._decoder_from)
        where = f"{peer.name} on {self}" if self.options.server else str(self)
        self._report.info(f"connected to {where}", kind="connected")
        self.connection_changed(True)
        self._arrived()

    def _let_wait(self, peer: Peer) -> None:
        assert self.peer is not None
        self._drop_closed()
        if len(self._waiting) >= MOST_WAITING:
            self.counters.refused += 1
            self._report.warn(
                f"refused {peer.name}: {self.peer.name} has the place and {MOST_WAITING} others wait", kind="refused"
            )
            peer.abort()
            return
        self._waiting.append(peer)
        peer.wait()
        connection: socket.socket = self.peer.transport.getHandle()
        if liveness.is_tcp(connection):
            liveness.keep_alive(connection, liveness.HURRIED_IDLE_SECONDS)

    def _take_place_from(self, peer: Peer) -> None:
        self.peer = None
        self.ended = peer.ended
        self.counters.disconnects += 1
        self.counters.dropped_disconnect_bytes += peer.backlog
        if peer.pressing:
            self.pressure_changed(False)
        self.connection_changed(False)
        if self._closing is None:
            self._fill_place()

    def _fill_place(self) -> None:
        self._drop_closed()
        if self._waiting:
            follower = self._waiting.pop(0)
            self._give_place_to(follower)
            if self._attended:
                follower.go_on()
        else:
            self._connect_again()

    def _all_gone(self) -> None:
        if self._watch.running:
            self._watch.stop()
        if self._closing is not None and not self._closing.called:
            self._closing.callback(None)

    def _drop_closed(self) -> None:
        """Those that wait are not read, so only the kernel knows that one has gone."""
        for peer in list(self._waiting):
            if liveness.has_closed(peer.transport.getHandle()):
                self._waiting.remove(peer)
                self.counters.probes += 1
                peer.abort()

    def _watch_peers(self) -> None:
        self._drop_closed()
        if self.peer is None:
            return
        connection: socket.socket = self.peer.transport.getHandle()
        if not self._attended and liveness.has_closed(connection):  # whoever isn't read can't be heard going
            self.disconnect("it has closed, and nobody here has read what it sent")
        elif liveness.is_tcp(connection) and liveness.is_dead(connection):
            self.counters.dead_peers += 1
            self._drop(f"it has answered nothing for {liveness.SILENT_MS // 1000} s", Ended.SILENT)
