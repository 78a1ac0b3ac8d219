"""``-chardev socket``: frames over TCP or a unix stream socket, as server or client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from colo_twisted.chardev.base import Chardev
from colo_twisted.events import ChardevConnected, ChardevDisconnected
from colo_twisted.interfaces import FrontEnd, IChardev, IMachine
from colo_twisted.interfaces.frames import Ended
from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.link.link import Link
from colo_twisted.link.listener import Listener, Serving
from colo_twisted.link.properties import ServerOrClient, check_folder, check_socket, check_unix_path, link_claims
from colo_twisted.link.reach import LinkOptions
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Ignored, Integer, Only, OnlyOff, Port, Text
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter

WAITING_LINE_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class SocketProperties(ServerOrClient):
    """QEMU's properties of a socket chardev; defaults are QEMU's but for nodelay and reconnect."""

    host: str | None = prop(
        Text("a host's name or address"),
        "TCP: where to connect, or listen (without one: every IPv4 address)",
        default=None,
    )
    port: int | None = prop(Port(), "TCP: its port", default=None)
    to: int | None = prop(Integer(1, 65535), "TCP server: the last port to try", default=None)
    ipv4: bool | None = prop(Boolean(), "TCP: whether IPv4 may be used", default=None)
    ipv6: bool | None = prop(Boolean(), "TCP: whether IPv6 may be used", default=None)
    path: str | None = prop(Text("a path"), "a unix socket instead of TCP", default=None)
    abstract: bool = prop(Boolean(), "unix: the path is a name in the abstract namespace", default=False)
    fd: int | None = prop(Integer(0, 1 << 20), "an inherited socket instead", default=None)
    wait: bool | None = prop(Boolean(), "server: start-up waits for the peer (on unless set)", default=None)
    nodelay: bool = prop(Boolean(), "TCP: send small frames at once", default=True)
    delay: bool | None = prop(Boolean(), "the opposite of nodelay", default=None)
    tls_creds: str | None = prop(Only(why="TLS is not available yet"), "refused", default=None, name="tls-creds")
    tls_authz: str | None = prop(Only(why="TLS is not available yet"), "refused", default=None, name="tls-authz")
    telnet: bool = prop(OnlyOff("frames are binary"), "refused when on", default=False)
    websocket: bool = prop(OnlyOff("frames go over plain sockets"), "refused when on", default=False)
    mux: bool = prop(OnlyOff("a chardev serves one front end"), "refused when on", default=False)
    tight: str | None = prop(Ignored(), "taken", default=None)
    logfile: str | None = prop(Only(why="filter-dump records frames"), "refused", default=None)

    def check(self) -> None:
        super().check()
        if sum(given is not None for given in (self.host or None, self.path, self.fd)) > 1:
            raise OptionError("properties 'host', 'path' and 'fd' exclude each other")
        if self.path is None and self.fd is None:
            if self.port is None:
                raise OptionError("property 'port' is missing (or 'path', or 'fd')")
            if self.host is None and not self.server:
                raise OptionError("property 'host' is missing: where to connect")
        check_unix_path("path", self.path)
        if self.port is not None and self.to is not None and not self.port <= self.to:
            raise OptionError(f"property 'to' takes a port from 'port' ({self.port}) on; got '{self.to}'")
        if not TCPAddress("", 0, ipv4=self.ipv4, ipv6=self.ipv6).families:
            raise OptionError("properties 'ipv4' and 'ipv6' can't both be off")
        if self.wait and not self.server:
            raise OptionError("property 'wait' is for servers (server=on)")

    def claims(self) -> tuple[str, ...]:
        return link_claims(self.fd, self.path if self.server else None, self.abstract)

    def check_host(self) -> None:
        check_socket("fd", self.fd)
        if self.path is not None and self.server and not self.abstract:
            check_folder("path", self.path)

    @property
    def address(self) -> Address:
        if self.fd is not None:
            return DescriptorAddress(self.fd)
        if self.path is not None:
            return UNIXAddress(self.path, self.abstract)
        assert self.port is not None
        return TCPAddress(self.host or "", self.port, self.to, self.ipv4, self.ipv6)

    @property
    def link_options(self) -> LinkOptions:
        nodelay = self.nodelay if self.delay is None else not self.delay
        reconnect = 0.0 if self.fd is not None else self.reconnect_seconds
        return LinkOptions(self.address, self.server, reconnect, nodelay)


@implementer(IChardev)
class SocketChardev(Chardev):
    """A link whose frames go to and come from the front end."""

    def __init__(self, properties: SocketProperties, machine: IMachine) -> None:
        super().__init__(properties.id)
        self._reactor = machine.reactor
        self._report = Reporter(f"chardev {self.id}")
        self._wait = properties.server and properties.wait is not False
        self._waiting_line: IDelayedCall | None = None
        self._events = machine.events
        self._link = Link(self._reactor, properties.link_options, self._report)
        self._link.connection_changed = self._connection_changed
        self._link.attend(False)  # as in QEMU: what comes before its front end waits in the kernel
        self._line: Link | Listener = self._link
        self.counters = self._link.counters

    @property
    def connected(self) -> bool:
        return self._line.connected

    @property
    def ended(self) -> Ended | None:  # type: ignore[override]
        """Of a link. Those who are served come and go, and no one of them is the peer."""
        return self._link.ended

    @property
    def filename(self) -> str:
        return self._line.filename

    @property
    def peer(self) -> str | None:  # type: ignore[override]
        return self._line.peer_name

    @property
    def backlog(self) -> int:
        return self._link.backlog

    def attach(self, front_end: FrontEnd) -> None:
        super().attach(front_end)
        self._link.pressure_changed = front_end.pressure_changed
        self._link.deliver_to(front_end.receive, front_end.vnet_hdr, front_end.decoder)
        self._link.attend(True)
        if self._link.pressing:
            front_end.pressure_changed(True)

    def serve(self, factory: Serving, owner: str, insecure: bool = False) -> None:
        """
        Have the factory's protocols at this address instead of a front end's frames.

        A server has any number of clients then. Whoever connects is obeyed, so without ``insecure`` only this
        host's permitted users may be able to: see link.listener.

        @param owner: who it is for, in messages.
        @raise StartError: it has a front end, or others could connect.
        """
        listener = Listener(self._reactor, self._link.options, factory, self._report, self._link.counters, insecure)
        super().attach(FrontEnd(owner))
        self._line = listener

    def detach(self) -> None:
        super().detach()
        self._link.pressure_changed = FrontEnd("nobody").pressure_changed
        self._link.deliver_to(None)
        self._link.attend(False)

    def _connection_changed(self, connected: bool) -> None:
        self._events.emit(ChardevConnected(self.id, self.peer or "") if connected else ChardevDisconnected(self.id))
        if self.front_end is not None:
            self.front_end.connection_changed(connected)

    def write(self, batch: Batch) -> None:
        self._link.write(batch)

    def flush(self) -> bool:
        return self._link.flush()

    def drain(self) -> None:
        self._link.drain()

    def disconnect(self, reason: str) -> None:
        self._link.disconnect(reason)

    def open(self) -> None:
        self._line.open()

    def start(self) -> Deferred[None] | None:
        self._line.start()
        if not self._wait:
            return None
        self._say_waiting()
        return self._line.when_connected().addCallback(lambda _: self._cancel_waiting_line())

    def close(self) -> Deferred[Any]:
        self._cancel_waiting_line()
        return self._line.close()

    def _cancel_waiting_line(self) -> None:
        if self._waiting_line is not None and self._waiting_line.active():
            self._waiting_line.cancel()

    def _say_waiting(self) -> None:
        if not self.connected:
            self._report.info(f"start-up waits for a client on {self._line} (wait=off would go on without)")
            self._waiting_line = self._reactor.callLater(WAITING_LINE_SECONDS, self._say_waiting)


SOCKET = ObjectType("socket", "frames over TCP or a unix socket, as server or client", SocketProperties, SocketChardev)
