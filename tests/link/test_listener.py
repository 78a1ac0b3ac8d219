"""An address that serves any number of clients: who gets in, who comes back, and how it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.address import UNIXAddress as UNIXPeer
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from colo_twisted.link import listener as listener_module
from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.link.link import GOODBYE_SECONDS, LinkCounters
from colo_twisted.link.listener import Listener
from colo_twisted.link.reach import LinkOptions
from colo_twisted.options.errors import StartError
from colo_twisted.reporting import Reporter
from tests.support.sockets import Nowhere, SocketTransport
from tests.support.turns import until


class Echo(Protocol):
    """Says what it hears; ``stuck`` ones don't hang up."""

    transport: Any
    stuck = False

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)

    def hang_up(self) -> None:
        if not self.stuck:
            self.transport.loseConnection()


class Echoes:
    """Remembers whom it has served."""

    def __init__(self) -> None:
        self.made: list[Echo] = []

    def buildProtocol(self, addr: object) -> Echo:
        self.made.append(Echo())
        return self.made[-1]


def a_listener(
    address: Address | Nowhere,
    clock: Any = reactor,
    server: bool = True,
    reconnect: float = 0.05,
    insecure: bool = False,
) -> Listener:
    options = LinkOptions(address, server, reconnect)  # type: ignore[arg-type]
    return Listener(clock, options, Echoes(), Reporter("listener of a test"), LinkCounters(), insecure)


def echoes(listener: Listener) -> list[Echo]:
    return listener._factory.made  # type: ignore[attr-defined, no-any-return]


# on real sockets


@pytest.fixture(params=["unix", "tcp", "tcp6"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    if request.param == "unix":
        return UNIXAddress(str(tmp_path / "s"))
    host = "127.0.0.1" if request.param == "tcp" else "::1"
    with socket.socket(socket.AF_INET6 if request.param == "tcp6" else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return TCPAddress(host, probe.getsockname()[1])


class Caller(Protocol):
    """Remembers what it heard, and whether that has ended."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.ended = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:
        self.ended = True


def call(address: Address) -> Any:
    """Connect a Caller."""
    return address.client(reactor).connect(Factory.forProtocol(Caller))  # type: ignore[union-attr]


@pytest_twisted.inlineCallbacks
def test_any_number_of_clients_are_served(address: Address) -> Any:
    listener = a_listener(address)
    listener.open()
    assert listener.filename == f"disconnected:{address},server=on"
    callers = []
    for number in range(5):
        callers.append((yield call(address)))
        callers[-1].transport.write(b"%d" % number)
    yield from until(lambda: all(caller.heard for caller in callers))
    assert [caller.heard for caller in callers] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(listener.clients) == listener.counters.connects == 5
    assert listener.connected
    yield listener.close()
    yield from until(lambda: all(caller.ended for caller in callers))
    assert listener.counters.disconnects == 5
    assert listener.filename.startswith("disconnected:")


@pytest_twisted.inlineCallbacks
def test_a_client_tries_until_its_server_is_there_and_again(address: Address) -> Any:
    listener = a_listener(address, server=False)
    listener.open()
    listener.start()
    listener.start()
    arrival = listener.when_connected()
    for times in (1, 2):
        server = a_listener(address)
        server.open()
        yield from until(lambda: len(listener.clients) == 1 and server.connected)  # noqa: B023
        assert listener.counters.connects == times
        yield server.close()
        yield from until(lambda: not listener.connected)
    assert arrival.called
    yield listener.close()


@pytest_twisted.inlineCallbacks
def test_the_file_is_its_owners_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    path = tmp_path / "s"
    modes = []

    def chmod(name: bytes, mode: int) -> None:
        """What follows bind."""
        modes.append(path.stat().st_mode & 0o777)

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "chmod", chmod)
        listener = a_listener(UNIXAddress(str(path)))
        listener.open()
        assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert path.stat().st_mode & 0o777 == 0o600
    yield listener.close()
    assert not path.exists()


@pytest_twisted.inlineCallbacks
def test_an_inherited_connection_is_served() -> Any:
    near, far = socket.socketpair()
    with far:
        listener = a_listener(DescriptorAddress(near.detach()), server=False)
        listener.open()
        listener.start()
        far.send(b"hello")
        yield from until(lambda: echoes(listener))
        far.setblocking(False)
        yield from until(lambda: listener.connected)
        yield listener.close()
        assert not listener.connected


def test_an_inherited_connection_that_is_not_used_is_closed() -> None:
    near, far = socket.socketpair()
    with far:
        listener = a_listener(DescriptorAddress(near.detach()), server=False)
        listener.open()
        listener.close()
        assert far.recv(1) == b""


# who gets in


@pytest.mark.parametrize(
    "address", [TCPAddress("0.0.0.0", 4444), TCPAddress("", 4444), TCPAddress("10.0.0.1", 4444), UNIXAddress("s", True)]
)
def test_what_others_can_reach_is_refused_when_it_is_made(address: Address) -> None:
    with pytest.raises(StartError, match=r"^listener of a test: .*insecure=on"):
        a_listener(address)
    a_listener(address, insecure=True)


def test_a_name_is_looked_up_when_it_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("10.0.0.1", 4444))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    listener = a_listener(TCPAddress("elsewhere", 4444))
    with pytest.raises(StartError, match=r"^listener of a test: tcp:elsewhere:4444 is open to other hosts"):
        listener.open()


@pytest_twisted.inlineCallbacks
def test_insecure_opens_it_to_all(tmp_path: Path) -> Any:
    for address in (TCPAddress("0.0.0.0", 0), UNIXAddress(f"{tmp_path}/s", True)):
        listener = a_listener(address, insecure=True)
        listener.open()
        assert str(address) in listener.filename
        yield listener.close()


def test_what_is_wrong_is_said_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(StartError, match=r"^listener of a test: cannot listen on unix:.*not a socket"):
        a_listener(UNIXAddress(str(tmp_path / "s"))).open()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def transports() -> Iterator[list[SocketTransport]]:
    made: list[SocketTransport] = []
    yield made
    for transport in made:
        transport.close()


def arrive(listener: Listener, transports: list[SocketTransport], family: int = socket.AF_UNIX) -> SocketTransport:
    """Somebody connects."""
    transport = SocketTransport(family)
    transports.append(transport)
    connection = listener.buildProtocol(None)
    connection.makeConnection(transport)
    transport.protocol = connection
    return transport


@pytest.mark.parametrize(
    ("peer", "taken"),
    [
        (IPv4Address("TCP", "10.0.0.1", 4444), False),
        (IPv6Address("TCP", "2001:db8::1", 4444), False),
        (IPv4Address("TCP", "127.0.0.1", 4444), True),
        (UNIXPeer(b"/tmp/s"), True),
    ],
)
def test_a_name_that_leads_elsewhere_meanwhile_leads_nowhere(clock: Clock, peer: Any, taken: bool) -> None:
    listener = a_listener(TCPAddress("changing", 4444), clock, server=False)
    with capturedLogs() as events:
        assert (listener.buildProtocol(peer) is not None) is taken
    assert listener.counters.refused == (not taken)
    assert any("is another host; use 127.0.0.1" in event.get("text", "") for event in events) is not taken


def test_no_more_than_the_most_get_in(
    clock: Clock, transports: list[SocketTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "MOST_CLIENTS", 2)
    listener = a_listener(Nowhere(), clock, insecure=True)
    first = arrive(listener, transports)
    arrive(listener, transports)
    assert listener.buildProtocol(None) is None
    assert listener.counters.refused == 1
    lose(first)
    assert listener.buildProtocol(None) is not None


def lose(transport: SocketTransport) -> None:
    transport.protocol.connectionLost(Failure(ConnectionDone()))


def test_tcp_is_asked_for_life_and_sent_at_once(clock: Clock, transports: list[SocketTransport]) -> None:
    transport = arrive(a_listener(Nowhere(), clock, insecure=True), transports, socket.AF_INET)
    assert transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert transport.nodelay is True


def test_when_connected_fires_with_the_first_client(clock: Clock, transports: list[SocketTransport]) -> None:
    listener = a_listener(Nowhere(), clock, insecure=True)
    arrival = listener.when_connected()
    assert not arrival.called
    arrive(listener, transports)
    assert arrival.called
    assert listener.when_connected().called


# the end


def test_close_asks_all_to_go_and_fires_when_they_have(clock: Clock, transports: list[SocketTransport]) -> None:
    listener = a_listener(Nowhere(), clock, insecure=True)
    both = [arrive(listener, transports), arrive(listener, transports)]
    done: list[object] = []
    listener.close().addCallback(done.append)
    assert [transport.disconnecting for transport in both] == [True, True]
    lose(both[0])
    assert not done
    lose(both[1])
    assert len(done) == 1
    assert clock.getDelayedCalls() == []
    assert listener.buildProtocol(None) is None


def test_close_waits_no_longer_than_a_second(clock: Clock, transports: list[SocketTransport]) -> None:
    listener = a_listener(Nowhere(), clock, insecure=True)
    stuck, other = arrive(listener, transports), arrive(listener, transports)
    echoes(listener)[0].stuck = True
    listener.close()
    lose(other)
    assert not stuck.aborted
    clock.advance(GOODBYE_SECONDS)
    assert stuck.aborted


def test_close_twice_is_closed_once(clock: Clock) -> None:
    listener = a_listener(Nowhere(), clock, insecure=True)
    done: list[object] = []
    listener.close().addCallback(done.append)
    listener.close().addCallback(done.append)
    assert len(done) == 2
    assert clock.getDelayedCalls() == []
