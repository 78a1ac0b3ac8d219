"""How to reach a peer, or be reached: what a listener binds, what a client connects to."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.options.errors import StartError

BACKLOG = 50  # connections that the kernel keeps until they are accepted
CONNECT_SECONDS = 5  # without an answer, before another try


@dataclass(frozen=True)
class TCPAddress:
    """
    A host, by name or number, and a port; a listener takes the first free one from ``port`` to ``to``.

    ``ipv4`` and ``ipv6`` choose families as QEMU's options do: one that is on excludes the other
    unless that is on too.
    """

    host: str
    port: int
    to: int | None = None
    ipv4: bool | None = None
    ipv6: bool | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp:{host}:{self.port}" + (f"-{self.to}" if self.to else "")

    @property
    def families(self) -> tuple[socket.AddressFamily, ...]:
        """The address families that may be used; none when both are off."""
        use4 = self.ipv4 if self.ipv4 is not None else not self.ipv6
        use6 = self.ipv6 if self.ipv6 is not None else not self.ipv4
        return (socket.AF_INET,) * use4 + (socket.AF_INET6,) * use6

    def listen(self, reactor: Any, factory: IProtocolFactory, mode: int | None = None) -> IListeningPort:
        reason: object = "the host has no address of a family that is allowed"
        for port in range(self.port, (self.to or self.port) + 1):
            for interface in self._interfaces():
                try:
                    return reactor.listenTCP(port, factory, backlog=BACKLOG, interface=interface)  # type: ignore[no-any-return]
                except CannotListenError as error:
                    reason = _reason(error.socketError)
        raise StartError(f"cannot listen on {self}: {reason}")

    def _interfaces(self) -> Iterator[str]:
        try:
            found = socket.getaddrinfo(self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:  # the latter for what can't be a name, such as 'a..b'
            raise StartError(f"cannot listen on {self}: {_reason(error)}") from None
        return (sockaddr[0] for family, *_, sockaddr in found if family in self.families)  # type: ignore[misc]

    def client(self, reactor: Any) -> IStreamClientEndpoint:
        if isIPAddress(self.host):  # HostnameEndpoint would take 0.3 s to see that one is refused
            return TCP4ClientEndpoint(reactor, self.host, self.port, CONNECT_SECONDS)
        if isIPv6Address(self.host):
            return TCP6ClientEndpoint(reactor, self.host, self.port, CONNECT_SECONDS)
        if len(self.families) == 1:
            reactor = _OneFamilyReactor(reactor, self.families[0])
        return HostnameEndpoint(reactor, self.host or "localhost", self.port, CONNECT_SECONDS)


@dataclass(frozen=True)
class UNIXAddress:
    """A path in the file system, or with ``abstract`` a name in the kernel's abstract namespace."""

    path: str
    abstract: bool = False

    def __str__(self) -> str:
        return f"unix:{'@' if self.abstract else ''}{self.path}"

    @property
    def _name(self) -> str:
        return f"\0{self.path}" if self.abstract else self.path

    def listen(self, reactor: Any, factory: IProtocolFactory, mode: int | None = None) -> IListeningPort:
        """``mode`` is the file's from its first moment on; without it the umask decides, as in QEMU."""
        if not self.abstract:
            self._clear_stale()
        umask = os.umask(0)
        if mode is None:
            mode = 0o777 & ~umask
        os.umask(0o777 & ~mode)  # between bind and chmod anybody could connect
        port = _UNIXPort(os.fsencode(self._name), factory, BACKLOG, mode, reactor)
        try:
            port.startListening()
        except CannotListenError as error:
            raise StartError(f"cannot listen on {self}: {_reason(error.socketError)}") from None
        finally:
            os.umask(umask)
        return port

    def _clear_stale(self) -> None:
        """Remove a socket file that nobody listens on any more. Raises StartError if somebody does."""
        try:
            if not stat.S_ISSOCK(os.stat(self.path).st_mode):
                raise StartError(f"cannot listen on {self}: a file that is not a socket stands there")
            with socket.socket(socket.AF_UNIX) as probe:
                probe.setblocking(False)
                probe.connect(self.path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody listens
        except OSError as error:
            raise StartError(f"cannot listen on {self}: {_reason(error)}") from None
        raise StartError(f"cannot listen on {self}: another process listens there")

    def client(self, reactor: Any) -> IStreamClientEndpoint:
        return UNIXClientEndpoint(reactor, self._name)


@dataclass(frozen=True)
class DescriptorAddress:
    """A socket that this process inherited: one that listens, or one that is connected."""

    fd: int

    def __str__(self) -> str:
        return f"fd:{self.fd}"

    def take(self, listening: bool) -> socket.socket:
        """
        The socket, under a descriptor of our own; the inherited one is closed.

        Raises StartError unless it is a stream socket that listens, or is connected, as asked.
        """
        try:
            taken = _socket_of(os.dup(self.fd))
        except OSError as error:
            raise StartError(f"cannot use {self}: {_reason(error)}") from None
        wrong = _what_is_wrong(taken, listening)
        if wrong is not None:
            taken.close()
            raise StartError(f"cannot use {self}: {wrong}")
        os.close(self.fd)
        taken.setblocking(False)
        return taken

    def listen(self, reactor: Any, factory: IProtocolFactory, mode: int | None = None) -> IListeningPort:
        with self.take(listening=True) as taken:
            if taken.family == socket.AF_UNIX:
                return _inherited_unix_port(taken, factory, reactor)
            return reactor.adoptStreamPort(taken.fileno(), taken.family, factory)  # type: ignore[no-any-return]


Address = TCPAddress | UNIXAddress | DescriptorAddress


def is_by_number(address: Address) -> bool:
    """Whether nobody need be asked to listen there: no name, or one that this host's own file has."""
    if not isinstance(address, TCPAddress):
        return True
    return address.host in ("", "localhost") or isIPAddress(address.host) or isIPv6Address(address.host)


def _socket_of(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise


def _what_is_wrong(taken: socket.socket, listening: bool) -> str | None:
    if taken.type != socket.SOCK_STREAM:
        return "that is no stream socket"
    if listening:
        return None if taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) else "that socket does not listen"
    try:
        taken.getpeername()
    except OSError:
        return "that socket is not connected"
    return None


def _inherited_unix_port(taken: socket.socket, factory: IProtocolFactory, reactor: Any) -> IListeningPort:
    """Twisted would chmod and unlink the file of an adopted listener; it is not ours, so its name is withheld."""
    port = _UNIXPort(b"\0inherited", factory, BACKLOG, 0, reactor)
    port._preexistingSocket = taken.dup()
    port.startListening()
    return port


class _UNIXPort(unix.Port):
    """A listener whose file may be gone, or out of reach since root was dropped, when it closes."""

    factory: Any
    reactor: Any

    def stopListening(self, connDone: Failure = connectionDone) -> Any:
        """At once where the reactor doesn't run: after a failed start it may never run what is put off."""
        if self.reactor.running:
            return super().stopListening(connDone)
        self.stopReading()
        self.connectionLost(connDone)
        return None

    def connectionLost(self, reason: Failure) -> None:
        try:
            super().connectionLost(reason)
        except OSError as error:
            if error.errno != errno.ENOENT:
                self.factory.file_left_behind(_reason(error))
            tcp.Port.connectionLost(self, reason)


@implementer(IReactorPluggableNameResolver)
class _OneFamilyReactor:
    """The reactor as an endpoint sees it, with a resolver that finds addresses of one family only."""

    def __init__(self, reactor: Any, family: socket.AddressFamily) -> None:
        self._reactor = reactor
        self.nameResolver = _OneFamilyResolver(
            reactor.nameResolver, IPv4Address if family == socket.AF_INET else IPv6Address
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        return self._reactor.installNameResolver(resolver)  # type: ignore[no-any-return]


@implementer(IHostnameResolver)
@dataclass(frozen=True)
class _OneFamilyResolver:
    resolver: IHostnameResolver
    address_type: type[IAddress]

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        return self.resolver.resolveHostName(
            resolutionReceiver, hostName, portNumber, [self.address_type], transportSemantics
        )


def _reason(error: object) -> str:
    return getattr(error, "strerror", None) or str(error)
