"""What a listener binds and a client connects to: TCP in both families, unix sockets, inherited descriptors."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IReactorPluggableNameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from zope.interface import implementer

from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.options.errors import StartError
from tests.support.turns import until


class Recorder(Factory):
    """Remembers the connections that it made protocols for."""

    noisy = False

    def __init__(self) -> None:
        self.made: list[Protocol] = []
        self.left_behind: list[str] = []

    def buildProtocol(self, addr: object) -> Protocol:
        protocol = Protocol()
        self.made.append(protocol)
        return protocol

    def file_left_behind(self, reason: str) -> None:
        self.left_behind.append(reason)


@pytest.fixture
def factory() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    for protocol in recorder.made:
        if protocol.transport is not None:
            protocol.transport.abortConnection()  # type: ignore[attr-defined]


def free_port(family: int = socket.AF_INET) -> int:
    with socket.socket(family) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def stop(port: Any) -> Any:
    return maybeDeferred(port.stopListening)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", ""])
@pytest_twisted.inlineCallbacks
def test_tcp_listens_and_connects(host: str, factory: Recorder) -> Any:
    number = free_port()
    address = TCPAddress(host, number)
    port = address.listen(reactor, factory)
    assert port.getHost().port == number
    yield address.client(reactor).connect(factory)
    yield from until(lambda: len(factory.made) == 2)
    yield stop(port)


@pytest.mark.parametrize(
    ("options", "families"),
    [
        ({}, [socket.AF_INET, socket.AF_INET6]),
        ({"ipv4": True}, [socket.AF_INET]),
        ({"ipv6": True}, [socket.AF_INET6]),
        ({"ipv4": True, "ipv6": True}, [socket.AF_INET, socket.AF_INET6]),
        ({"ipv4": False}, [socket.AF_INET6]),
        ({"ipv6": False}, [socket.AF_INET]),
        ({"ipv4": False, "ipv6": False}, []),
    ],
)
def test_families_are_chosen_as_in_qemu(options: dict[str, bool], families: list[int]) -> None:
    assert list(TCPAddress("h", 1, **options).families) == families  # type: ignore[arg-type]


@pytest_twisted.inlineCallbacks
def test_a_name_is_resolved_in_the_chosen_family_only(factory: Recorder) -> Any:
    number = free_port()
    address = TCPAddress("localhost", number, ipv4=True)
    port = address.listen(reactor, factory)
    assert port.getHost().host == "127.0.0.1"
    yield address.client(reactor).connect(factory)
    yield from until(lambda: len(factory.made) == 2)
    assert {protocol.transport.getPeer().host for protocol in factory.made} == {"127.0.0.1"}  # type: ignore[union-attr]
    yield stop(port)


@pytest.mark.parametrize(("option", "expected"), [("ipv4", IPv4Address), ("ipv6", IPv6Address)])
def test_a_client_asks_for_addresses_of_the_chosen_family_only(option: str, expected: type) -> None:
    asked: list[object] = []

    class Resolver:
        def resolveHostName(self, receiver: object, name: str, port: int, types: object, transport: str) -> object:
            asked.append(types)
            return None

    @implementer(IReactorPluggableNameResolver)
    class Reactor(Clock):
        nameResolver = Resolver()

        def installNameResolver(self, resolver: object) -> object:
            return None

    TCPAddress("a.name.invalid", 1, **{option: True}).client(Reactor()).connect(Factory())  # type: ignore[arg-type]
    assert asked == [[expected]]


def test_a_host_without_an_address_of_the_family_is_one_line(factory: Recorder) -> None:
    with pytest.raises(StartError, match="the host has no address of a family that is allowed"):
        TCPAddress("127.0.0.1", 0, ipv6=True).listen(reactor, factory)


@pytest_twisted.inlineCallbacks
def test_the_first_free_port_of_a_range_is_taken(factory: Recorder) -> Any:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        first = taken.getsockname()[1]
        port = TCPAddress("127.0.0.1", first, to=first + 20).listen(reactor, factory)
        assert first < port.getHost().port <= first + 20
        yield stop(port)


def test_a_port_in_use_is_one_line(factory: Recorder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        with pytest.raises(StartError, match=rf"^cannot listen on tcp:127.0.0.1:{number}: Address already in use$"):
            TCPAddress("127.0.0.1", number).listen(reactor, factory)


def test_a_name_that_means_nothing_is_one_line(factory: Recorder) -> None:
    with pytest.raises(StartError, match=r"^cannot listen on tcp:no\.such\.host\.invalid:1: .+"):
        TCPAddress("no.such.host.invalid", 1).listen(reactor, factory)


@pytest.mark.parametrize("abstract", [False, True])
@pytest_twisted.inlineCallbacks
def test_unix_listens_and_connects(abstract: bool, tmp_path: Path, factory: Recorder) -> Any:
    address = UNIXAddress(str(tmp_path / "s"), abstract)
    port = address.listen(reactor, factory)
    assert (tmp_path / "s").exists() is not abstract
    yield address.client(reactor).connect(factory)
    yield from until(lambda: len(factory.made) == 2)
    yield stop(port)
    assert not (tmp_path / "s").exists()


@pytest_twisted.inlineCallbacks
def test_the_umask_decides_who_may_connect(tmp_path: Path, factory: Recorder) -> Any:
    umask = os.umask(0o027)
    try:
        port = UNIXAddress(str(tmp_path / "s")).listen(reactor, factory)
    finally:
        os.umask(umask)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o750
    yield stop(port)


@pytest_twisted.inlineCallbacks
def test_a_stale_socket_file_is_replaced(tmp_path: Path, factory: Recorder) -> Any:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    port = UNIXAddress(str(path)).listen(reactor, factory)
    yield stop(port)
    assert not path.exists()


def test_a_live_socket_is_an_error_and_stays(tmp_path: Path, factory: Recorder) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(StartError, match="another process listens there"):
            UNIXAddress(str(path)).listen(reactor, factory)
    assert path.exists()


def test_a_live_socket_with_a_full_backlog_is_one_too(tmp_path: Path, factory: Recorder) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as live, socket.socket(socket.AF_UNIX) as first:
        live.bind(str(path))
        live.listen(0)
        first.connect(str(path))
        with pytest.raises(StartError, match="another process listens there"):
            UNIXAddress(str(path)).listen(reactor, factory)
    assert path.exists()


def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path, factory: Recorder) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    with pytest.raises(StartError, match="a file that is not a socket stands there"):
        UNIXAddress(str(path)).listen(reactor, factory)
    assert path.read_text() == "data"


def test_a_missing_folder_is_one_line(tmp_path: Path, factory: Recorder) -> None:
    with pytest.raises(StartError, match="No such file or directory"):
        UNIXAddress(str(tmp_path / "none" / "s")).listen(reactor, factory)


@pytest_twisted.inlineCallbacks
def test_a_file_that_somebody_removed_is_not_missed(tmp_path: Path, factory: Recorder) -> Any:
    port = UNIXAddress(str(tmp_path / "s")).listen(reactor, factory)
    (tmp_path / "s").unlink()
    yield stop(port)
    assert factory.left_behind == []


@pytest_twisted.inlineCallbacks
def test_a_file_that_cannot_be_removed_is_told(
    tmp_path: Path, factory: Recorder, monkeypatch: pytest.MonkeyPatch
) -> Any:
    port = UNIXAddress(str(tmp_path / "s")).listen(reactor, factory)

    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "unlink", refuse)
        yield stop(port)
    assert factory.left_behind == ["Permission denied"]


@pytest_twisted.inlineCallbacks
def test_an_inherited_listener_is_taken_over(factory: Recorder) -> Any:
    listener = socket.create_server(("127.0.0.1", 0))
    number = listener.getsockname()[1]
    port = DescriptorAddress(listener.detach()).listen(reactor, factory)
    yield TCPAddress("127.0.0.1", number).client(reactor).connect(factory)
    yield from until(lambda: len(factory.made) == 2)
    yield stop(port)


@pytest_twisted.inlineCallbacks
def test_an_inherited_connection_goes_on(factory: Recorder) -> Any:
    near, far = socket.socketpair()
    with far:
        with DescriptorAddress(near.detach()).take(listening=False) as taken:
            reactor.adoptStreamConnection(taken.fileno(), taken.family, factory)  # type: ignore[attr-defined]
        (protocol,) = factory.made
        assert protocol.transport is not None
        protocol.transport.write(b"hello")
        yield from until(lambda: _readable(far))
        assert far.recv(10) == b"hello"


def _readable(one: socket.socket) -> bool:
    return bool(select.select([one], [], [], 0)[0])


@pytest.mark.parametrize(
    ("kind", "listening", "message"),
    [
        (socket.SOCK_STREAM, True, "that socket does not listen"),
        (socket.SOCK_STREAM, False, "that socket is not connected"),
        (socket.SOCK_DGRAM, False, "that is no stream socket"),
    ],
)
def test_a_socket_of_another_kind_is_refused_and_stays_open(kind: int, listening: bool, message: str) -> None:
    with socket.socket(type=kind) as other:
        with pytest.raises(StartError, match=f"^cannot use fd:{other.fileno()}: {message}$"):
            DescriptorAddress(other.fileno()).take(listening)
        assert other.getsockname() is not None


@pytest_twisted.inlineCallbacks
def test_an_inherited_unix_listeners_file_is_not_ours(tmp_path: Path, factory: Recorder) -> Any:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    (tmp_path / "s").chmod(0o600)
    port = DescriptorAddress(listener.detach()).listen(reactor, factory)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    yield UNIXAddress(str(tmp_path / "s")).client(reactor).connect(factory)
    yield from until(lambda: len(factory.made) == 2)
    yield stop(port)
    assert (tmp_path / "s").exists()


def test_a_descriptor_that_is_not_there_is_refused(factory: Recorder) -> None:
    with pytest.raises(StartError, match=r"^cannot use fd:987654: Bad file descriptor$"):
        DescriptorAddress(987654).listen(reactor, factory)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (TCPAddress("h", 1), "tcp:h:1"),
        (TCPAddress("::1", 1, 5), "tcp:[::1]:1-5"),
        (UNIXAddress("/a"), "unix:/a"),
        (UNIXAddress("a", True), "unix:@a"),
        (DescriptorAddress(3), "fd:3"),
    ],
)
def test_messages_name_addresses(address: Address, text: str) -> None:
    assert str(address) == text


@pytest.mark.parametrize(("umask", "asked", "mode"), [(0, 0o600, 0o600), (0o077, 0o660, 0o660), (0o027, None, 0o750)])
@pytest_twisted.inlineCallbacks
def test_a_unix_sockets_mode_is_the_one_asked_for_or_the_umasks(
    umask: int, asked: int | None, mode: int, tmp_path: Path, factory: Recorder
) -> Any:
    before = os.umask(umask)
    try:
        port = UNIXAddress(str(tmp_path / "s")).listen(reactor, factory, asked)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert (tmp_path / "s").stat().st_mode & 0o777 == mode
    yield stop(port)


def test_the_umask_is_given_back_when_it_fails(tmp_path: Path, factory: Recorder) -> None:
    before = os.umask(0o022)
    try:
        with pytest.raises(StartError):
            UNIXAddress(str(tmp_path / "none" / "s")).listen(reactor, factory, 0o600)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
