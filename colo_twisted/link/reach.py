"""What is bound, connected or inherited at an address, whoever the connections belong to."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory

from colo_twisted.link.addresses import Address, DescriptorAddress
from colo_twisted.link.connector import Connector
from colo_twisted.options.errors import StartError
from colo_twisted.reporting import Reporter


@dataclasses.dataclass(frozen=True)
class LinkOptions:
    """
    How a link behaves.

    ``reconnect`` is the longest delay in seconds between a client's tries to connect; with 0 it tries
    until it is connected, and not again once that connection is lost.
    """

    address: Address
    server: bool
    reconnect: float = 1.0
    nodelay: bool = True


class Reach(Factory):
    """
    A factory at an address, as server or client; subclasses build the protocols.

    @ivar connected: whether a peer is there.
    @ivar peer_name: that peer's, or the first one's; None if nobody is there.
    """

    noisy = False
    connected: bool
    peer_name: str | None

    def __init__(self, reactor: Any, options: LinkOptions, report: Reporter) -> None:
        self.options = options
        self._reactor = reactor
        self._report = report
        self._port: IListeningPort | None = None
        self._inherited: socket.socket | None = None
        self._connector: Connector | None = None
        self._arrivals: list[Deferred[None]] = []

    def __str__(self) -> str:
        return f"{self.options.address}"

    def logPrefix(self) -> str:
        return self._report.name

    @property
    def filename(self) -> str:
        """What it is and where, as QEMU names a socket chardev: tcp:HOST:PORT,server=on <-> HOST:PORT."""
        text = f"{self}{',server=on' if self.options.server else ''}"
        if self.peer_name is None:
            return f"disconnected:{text}"
        return f"{text} <-> {self.peer_name}" if text.startswith("tcp:") else text

    def _open(self, mode: int | None = None) -> None:
        """Bind, if this is the server; take what was inherited. Raises StartError."""
        address = self.options.address
        try:
            if self.options.server:
                self._port = address.listen(self._reactor, self, mode)
            elif isinstance(address, DescriptorAddress):
                self._inherited = address.take(listening=False)
        except StartError as error:
            raise StartError(f"{self._report.name}: {error}") from None

    def _connect(self) -> None:
        """Connect, if this is the client; use what was inherited."""
        address = self.options.address
        if self._inherited is not None:
            self._adopt(self._inherited)
        elif not self.options.server and not isinstance(address, DescriptorAddress):
            longest = self.options.reconnect or LinkOptions.reconnect
            endpoint = address.client(self._reactor)
            self._connector = Connector(self._reactor, endpoint, self, longest, self._report)
            self._connector.connect()

    def _adopt(self, inherited: socket.socket) -> None:
        self._inherited = None
        with inherited:
            try:
                self._reactor.adoptStreamConnection(inherited.fileno(), inherited.family, self)
            except OSError as error:
                self._report.warn(f"{self} was closed before it could be used: {error.strerror}")

    def _connect_again(self) -> None:
        """The connection was lost; a client tries again."""
        if self._connector is not None and self.options.reconnect:
            self._connector.lost()

    def _leave(self) -> list[Deferred[Any]]:
        """Listen and connect no more; the Deferreds fire when that is done. Nobody waits for a peer any longer."""
        self._arrived()
        if self._connector is not None:
            self._connector.stop()
        if self._inherited is not None:
            self._inherited.close()
            self._inherited = None
        port, self._port = self._port, None
        return [] if port is None else [maybeDeferred(port.stopListening)]

    def file_left_behind(self, reason: str) -> None:
        """What the port says that couldn't remove its file."""
        self._report.warn(f"could not remove {self}: {reason}")

    def when_connected(self) -> Deferred[None]:
        """Fires at once if a peer is there, else with the next one, or when it closes."""
        arrival: Deferred[None] = Deferred()
        if self.connected:
            arrival.callback(None)
        else:
            self._arrivals.append(arrival)
        return arrival

    def _arrived(self) -> None:
        """A peer is there, or won't come: tell those who wait for it."""
        arrivals, self._arrivals = self._arrivals, []
        for arrival in arrivals:
            arrival.callback(None)
