"""What links and listeners share: names, inherited sockets, what is given back. More in test_link and test_listener."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from colo_twisted.link.addresses import Address, DescriptorAddress, TCPAddress, UNIXAddress
from colo_twisted.link.reach import LinkOptions, Reach
from colo_twisted.options.errors import StartError
from colo_twisted.reporting import Reporter


class Reached(Reach):
    """Somebody is there or not, as a test says."""

    def __init__(
        self, address: Address, server: bool, peer: str | None = None, reconnect: float = 1.0, reactor: Any = None
    ) -> None:
        super().__init__(reactor or Clock(), LinkOptions(address, server, reconnect), Reporter("a test"))
        self.peer_name = peer
        self.connected = peer is not None


@pytest.mark.parametrize(
    ("address", "server", "peer", "filename"),
    [
        (TCPAddress("127.0.0.1", 9003), True, None, "disconnected:tcp:127.0.0.1:9003,server=on"),
        (TCPAddress("127.0.0.1", 9003), True, "10.0.0.1:4", "tcp:127.0.0.1:9003,server=on <-> 10.0.0.1:4"),
        (TCPAddress("::1", 9003), False, "10.0.0.1:4", "tcp:[::1]:9003 <-> 10.0.0.1:4"),
        (UNIXAddress("/a/b"), True, "a local process", "unix:/a/b,server=on"),
        (UNIXAddress("/a/b"), False, None, "disconnected:unix:/a/b"),
    ],
)
def test_the_filename_is_in_qemus_form(address: Address, server: bool, peer: str | None, filename: str) -> None:
    assert Reached(address, server, peer).filename == filename


def lines_of(events: list[Any]) -> list[str]:
    return [event["text"] for event in events if "text" in event]


def test_a_file_that_stays_is_named() -> None:
    with capturedLogs() as events:
        Reached(UNIXAddress("/a/b"), True).file_left_behind("Permission denied")
    assert lines_of(events) == ["could not remove unix:/a/b: Permission denied"]


def test_an_inherited_socket_that_the_reactor_cannot_use_is_named() -> None:
    class Reactor(Clock):
        def adoptStreamConnection(self, fd: int, family: int, factory: object) -> None:
            raise OSError(107, "Transport endpoint is not connected")

    near, far = socket.socketpair()
    number = near.detach()
    reached = Reached(DescriptorAddress(number), False, reactor=Reactor())
    reached._open()
    with far, capturedLogs() as events:
        reached._connect()
        assert far.recv(1) == b""
    assert lines_of(events) == [f"fd:{number} was closed before it could be used: Transport endpoint is not connected"]


def test_arrivals_fire_once() -> None:
    reached = Reached(UNIXAddress("/a/b"), True)
    fired: list[object] = []
    reached.when_connected().addCallback(fired.append)
    reached._arrived()
    reached._arrived()
    assert len(fired) == 1


def test_what_was_never_opened_has_nothing_to_give_back() -> None:
    assert Reached(UNIXAddress("/a/b"), True)._leave() == []


def test_a_server_listens_and_leaves(tmp_path: Path) -> None:
    reached = Reached(UNIXAddress(str(tmp_path / "s")), True, reactor=reactor)
    reached._open(0o600)
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    reached._connect()  # nothing to connect to
    reached._connect_again()
    assert len(reached._leave()) == 1
    assert reached._leave() == []


def test_a_server_that_cannot_listen_says_so_under_its_name(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"^a test: cannot listen on unix:.*: No such file or directory$"):
        Reached(UNIXAddress(str(tmp_path / "none" / "s")), True, reactor=reactor)._open()


def test_a_client_connects_again_until_it_leaves() -> None:
    memory = MemoryReactorClock()
    reached = Reached(TCPAddress("127.0.0.1", 9003), False, reactor=memory)
    reached._open()
    reached._connect()
    assert [client[:2] for client in memory.tcpClients] == [("127.0.0.1", 9003)]
    reached._connect_again()
    memory.advance(1)
    assert len(memory.tcpClients) == 2
    reached._leave()
    reached._connect_again()
    memory.advance(10)
    assert len(memory.tcpClients) == 2


def test_a_client_that_is_not_to_reconnect_does_not() -> None:
    memory = MemoryReactorClock()
    reached = Reached(TCPAddress("127.0.0.1", 9003), False, reconnect=0.0, reactor=memory)
    reached._connect()
    reached._connect_again()
    memory.advance(10)
    assert len(memory.tcpClients) == 1


def test_what_was_inherited_and_not_used_is_closed() -> None:
    near, far = socket.socketpair()
    reached = Reached(DescriptorAddress(near.detach()), False)
    reached._open()
    with far:
        assert reached._leave() == []
        assert far.recv(1) == b""


def test_who_is_there_is_not_waited_for() -> None:
    assert Reached(UNIXAddress("/a/b"), True, "a peer").when_connected().called


def test_the_log_is_under_its_name() -> None:
    reached = Reached(UNIXAddress("/a/b"), True)
    assert (reached.logPrefix(), str(reached)) == ("a test", "unix:/a/b")
