"""
A listener: an address at which this process serves any number of clients, with a protocol of any kind.

Where a link holds the place of one peer that sends frames, this leaves all that to a factory. (A
client has the one peer that it connects to, and connects again, as links do.)
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.protocols.policies import ProtocolWrapper

from colo_twisted.link import liveness
from colo_twisted.link.exposure import REMEDY, exposure, is_loopback
from colo_twisted.link.link import GOODBYE_SECONDS, LinkCounters
from colo_twisted.link.peer import name_of
from colo_twisted.link.reach import LinkOptions, Reach
from colo_twisted.options.errors import StartError
from colo_twisted.reporting import Reporter

PRIVATE = 0o600  # the mode of a unix socket's file
MOST_CLIENTS = 512  # at once; each costs a descriptor, which the data path needs too


class Served(Protocol):
    """What a factory for a listener makes."""

    def hang_up(self) -> None:
        """Close once all that was written is sent; called when the listener closes."""


class Serving(Protocol):
    """The factory."""

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A Served, which is an IProtocol, for a new connection."""


class _Connection(ProtocolWrapper):
    """Stands between a transport and what serves it, so that the listener knows who is there."""

    transport: Any
    wrappedProtocol: Any

    def makeConnection(self, transport: Any) -> None:
        self.name = name_of(transport)
        connection = transport.getHandle()
        if liveness.is_tcp(connection):
            transport.setTcpNoDelay(True)
            liveness.keep_alive(connection)
        super().makeConnection(transport)


class Listener(Reach):
    """
    Obeys whoever connects, so what others than this host's permitted users can reach is refused.

    A unix socket's file is for its owner alone; TCP is for loopback, unless ``insecure`` allows more.
    """

    def __init__(
        self,
        reactor: Any,
        options: LinkOptions,
        factory: Serving,
        report: Reporter,
        counters: LinkCounters,
        insecure: bool = False,
    ) -> None:
        """@raise StartError: it can be told already that others can reach the address."""
        super().__init__(reactor, options, report)
        self.clients: list[_Connection] = []
        self.counters = counters
        self.insecure = insecure
        self._factory = factory
        self._started = False
        self._closing: Deferred[None] | None = None
        self._impatience: IDelayedCall | None = None
        self._refuse_exposure(resolve=False)

    @property
    def connected(self) -> bool:  # type: ignore[override]
        return bool(self.clients)

    @property
    def peer_name(self) -> str | None:  # type: ignore[override]
        return self.clients[0].name if self.clients else None

    def _refuse_exposure(self, resolve: bool) -> None:
        if self.insecure:
            return
        danger = exposure(self.options.address, self.options.server, resolve)
        if danger is not None:
            raise StartError(f"{self._report.name}: {danger}")

    # life

    def open(self) -> None:
        """Bind and serve, if this is the server; take what was inherited. Raises StartError."""
        self._refuse_exposure(resolve=True)
        self._open(PRIVATE)

    def start(self) -> None:
        """Connect, if this is the client; harmless when it was called before."""
        if not self._started:
            self._started = True
            self._connect()

    def close(self) -> Deferred[Any]:
        """Listen and connect no more, and end what is open; fires when all is closed, at most a second later."""
        done = self._leave()
        if self._closing is None:
            self._closing = Deferred()
            self._impatience = self._reactor.callLater(GOODBYE_SECONDS, self._abort_all)
            for connection in list(self.clients):
                connection.wrappedProtocol.hang_up()
            self._perhaps_all_gone()
        return DeferredList([*done, self._closing])

    def _abort_all(self) -> None:
        for connection in list(self.clients):
            connection.transport.abortConnection()

    def _perhaps_all_gone(self) -> None:
        if self._closing is not None and not self.clients and not self._closing.called:
            assert self._impatience is not None
            if self._impatience.active():
                self._impatience.cancel()
            self._closing.callback(None)

    # those who come and go

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if self._closing is not None:
            return None
        if len(self.clients) >= MOST_CLIENTS:
            self._refuse(f"refused a client: {MOST_CLIENTS} are connected")
            return None
        host = getattr(addr, "host", None)
        if not self.insecure and host is not None and not is_loopback(host):
            self._refuse(f"left {self}: {host} is another host; {REMEDY}")
            return None
        return _Connection(self, self._factory.buildProtocol(addr))  # type: ignore[arg-type]

    def _refuse(self, why: str) -> None:
        self.counters.refused += 1
        self._report.warn(why, kind="refused")

    def registerProtocol(self, connection: _Connection) -> None:
        """What a _Connection says when it is there."""
        self.clients.append(connection)
        self.counters.connects += 1
        self._arrived()

    def unregisterProtocol(self, connection: _Connection) -> None:
        """What a _Connection says when it is gone."""
        self.clients.remove(connection)
        self.counters.disconnects += 1
        if self._closing is None:
            self._connect_again()
        self._perhaps_all_gone()
