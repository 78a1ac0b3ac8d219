"""
``-netdev socket`` and ``-netdev stream``: a cable whose far end is another process.

On the wire they are the same: frames without vnet headers over a stream socket.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from zope.interface import implementer

from colo_twisted.events import NetdevStreamConnected, NetdevStreamDisconnected
from colo_twisted.interfaces import IMachine, INetdev
from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.link.link import Link, LinkCounters
from colo_twisted.link.properties import ServerOrClient, check_folder, check_socket, check_unix_path, link_claims
from colo_twisted.link.reach import LinkOptions
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Choice, HostPort, Integer, Only, Port, Size, Text
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter

_DATAGRAMS = "only stream sockets carry frames here"


def _backlog() -> int:
    size: int = prop(
        Size(least=1 << 17), "bytes that may wait for the far end; frames beyond are dropped", default=16 << 20
    )
    return size


@dataclass(frozen=True, kw_only=True)
class SocketProperties(Properties):
    """QEMU's properties of -netdev socket."""

    fd: int | None = prop(Integer(0, 1 << 20), "an inherited, connected socket", default=None)
    listen: tuple[str, int] | None = prop(HostPort(), "wait for the far end here", default=None)
    connect: tuple[str, int] | None = prop(HostPort(), "connect to the far end", default=None)
    mcast: str | None = prop(Only(why=_DATAGRAMS), "refused", default=None)
    udp: str | None = prop(Only(why=_DATAGRAMS), "refused", default=None)
    localaddr: str | None = prop(Only(why=_DATAGRAMS), "refused", default=None)
    max_backlog: int = _backlog()

    def check(self) -> None:
        if sum(given is not None for given in (self.fd, self.listen, self.connect)) != 1:
            raise OptionError("exactly one of the properties 'fd', 'listen' and 'connect' is needed")

    def claims(self) -> tuple[str, ...]:
        return link_claims(self.fd)

    def check_host(self) -> None:
        check_socket("fd", self.fd)

    @property
    def link_options(self) -> LinkOptions:
        if self.fd is not None:
            return LinkOptions(DescriptorAddress(self.fd), server=False, reconnect=0)
        if self.listen is not None:
            return LinkOptions(TCPAddress(*self.listen), server=True)
        assert self.connect is not None
        return LinkOptions(TCPAddress(*self.connect), server=False)


@dataclass(frozen=True, kw_only=True)
class StreamProperties(ServerOrClient):
    """QEMU's properties of -netdev stream."""

    kind: str = prop(Choice("inet", "unix", "fd"), "TCP, a unix socket or an inherited one", name="addr.type")
    host: str | None = prop(Text("a host's name or address"), "inet: the host", default=None, name="addr.host")
    port: int | None = prop(Port(), "inet: the port", default=None, name="addr.port")
    to: int | None = prop(Integer(1, 65535), "inet server: the last port to try", default=None, name="addr.to")
    ipv4: bool | None = prop(Boolean(), "inet: whether IPv4 may be used", default=None, name="addr.ipv4")
    ipv6: bool | None = prop(Boolean(), "inet: whether IPv6 may be used", default=None, name="addr.ipv6")
    path: str | None = prop(Text("a path"), "unix: the path", default=None, name="addr.path")
    abstract: bool = prop(Boolean(), "unix: a name in the abstract namespace", default=False, name="addr.abstract")
    fd: int | None = prop(Integer(0, 1 << 20), "fd: the descriptor", default=None, name="addr.str")
    max_backlog: int = _backlog()

    def check(self) -> None:
        super().check()
        needed = {"inet": ("host", "port"), "unix": ("path",), "fd": ("fd",)}[self.kind]
        for name in needed:
            if getattr(self, name) is None:
                shown = {"fd": "str"}.get(name, name)
                raise OptionError(f"property 'addr.{shown}' is missing: addr.type={self.kind} needs it")
        check_unix_path("addr.path", self.path)
        if self.port is not None and self.to is not None and not self.port <= self.to:
            raise OptionError(f"property 'addr.to' takes a port from 'addr.port' ({self.port}) on; got '{self.to}'")
        if not TCPAddress("", 0, ipv4=self.ipv4, ipv6=self.ipv6).families:
            raise OptionError("properties 'addr.ipv4' and 'addr.ipv6' can't both be off")

    def claims(self) -> tuple[str, ...]:
        return link_claims(self.fd, self.path if self.server else None, self.abstract)

    def check_host(self) -> None:
        check_socket("addr.str", self.fd)
        if self.path is not None and self.server and not self.abstract:
            check_folder("addr.path", self.path)

    @property
    def link_options(self) -> LinkOptions:
        return LinkOptions(self._address, self.server, 0.0 if self.kind == "fd" else self.reconnect_seconds)

    @property
    def _address(self) -> Address:
        if self.kind == "fd":
            assert self.fd is not None
            return DescriptorAddress(self.fd)
        if self.kind == "unix":
            assert self.path is not None
            return UNIXAddress(self.path, self.abstract)
        assert self.host is not None
        assert self.port is not None
        return TCPAddress(self.host, self.port, self.to, self.ipv4, self.ipv6)


@dataclass
class StreamCounters(LinkCounters):
    """A link's, and what its bound dropped."""

    dropped_backlog: int = 0  # frames beyond max_backlog


@implementer(INetdev)
class StreamNetdev:
    """A link as the end of a cable."""

    vnet_hdr_support = vnet_hdr = False

    def __init__(self, properties: SocketProperties | StreamProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.properties = properties
        self.counters: StreamCounters = StreamCounters()
        self._events = machine.events
        self._link = Link(machine.reactor, properties.link_options, Reporter(f"netdev {self.id}"), self.counters)
        self._link.connection_changed = self._connection_changed

    @property
    def pressure_changed(self) -> Callable[[bool], None]:
        return self._link.pressure_changed

    @pressure_changed.setter
    def pressure_changed(self, changed: Callable[[bool], None]) -> None:
        self._link.pressure_changed = changed

    def open(self, vnet_hdr: bool) -> None:
        self._link.open()

    def _connection_changed(self, connected: bool) -> None:
        """As QEMU, only a netdev of type stream tells of it."""
        if not isinstance(self.properties, StreamProperties):
            return
        if connected:
            self._events.emit(NetdevStreamConnected(self.id, self._far_address()))
        else:
            self._events.emit(NetdevStreamDisconnected(self.id))

    def _far_address(self) -> dict[str, Any]:
        """QEMU's SocketAddress of the far end, or of the socket file that leads to it."""
        address = self._link.options.address
        if isinstance(address, UNIXAddress):
            return {"type": "unix", "path": address.path}
        peer = self._link.peer
        far = peer.transport.getPeer() if peer is not None else None
        if isinstance(far, (IPv4Address, IPv6Address)):
            return {"type": "inet", "host": far.host, "port": str(far.port), "ipv6": isinstance(far, IPv6Address)}
        return {"type": "fd", "str": str(address)}

    @property
    def filename(self) -> str:
        """What it is and where, as QEMU says it of a chardev."""
        return self._link.filename

    def set_offloads(self, on: bool) -> None:
        """Frames without vnet headers know none."""

    def start(self, receive: Callable[[Batch], None]) -> None:
        self._link.deliver_to(receive)
        self._link.start()

    def send(self, batch: Batch) -> None:
        if self._link.backlog and self._link.backlog + len(batch.data) > self.properties.max_backlog:
            self.counters.dropped_backlog += len(batch)
        else:
            self._link.write(batch)

    def pause(self) -> None:
        """The far end is always read: making it wait could make it wait for us in turn."""

    def resume(self) -> None:
        """It never waited."""

    def drain(self) -> None:
        self._link.drain()

    def glance(self) -> None:
        """Another process has not answered yet."""

    def set_link(self, up: bool) -> None:
        """This wire has no way to say so."""

    def close(self) -> Deferred[Any]:
        return self._link.close()


SOCKET = ObjectType("socket", "frames to another process over TCP", SocketProperties, StreamNetdev)
STREAM = ObjectType("stream", "frames to another process over TCP or a unix socket", StreamProperties, StreamNetdev)
