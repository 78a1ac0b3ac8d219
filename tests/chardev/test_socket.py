"""Socket chardevs on the real reactor: both roles, either first, one restarted, someone else knocking."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.logger import capturedLogs

from colo_twisted.chardev.socket import SocketChardev, SocketProperties
from colo_twisted.options.errors import OptionError
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeMachine, batch_of, packet, recording_front_end
from tests.support.turns import until


class Side:
    """A chardev with a front end that remembers."""

    def __init__(self, **properties: Any) -> None:
        machine = FakeMachine()
        machine.reactor = reactor
        self.chardev = SocketChardev(SocketProperties(id="c0", **properties), machine)
        front_end, self.received, self.connections, self.pressures = recording_front_end()
        self.chardev.attach(front_end)

    def run(self) -> Any:
        self.chardev.open()
        return self.chardev.start()

    @property
    def packets(self) -> list[bytes]:
        return [packet for batch in self.received for packet in batch.packets()]


@pytest.fixture(params=["unix", "abstract", "tcp", "tcp6"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param in ("unix", "abstract"):
        return {"path": str(tmp_path / "s"), "abstract": request.param == "abstract"}
    host = "127.0.0.1" if request.param == "tcp" else "::1"
    with socket.socket(socket.AF_INET6 if request.param == "tcp6" else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return {"host": host, "port": probe.getsockname()[1]}


@pytest.mark.parametrize("first", ["server", "client"])
@pytest_twisted.inlineCallbacks
def test_either_may_start_first(place: dict[str, Any], first: str) -> Any:
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    for side in (server, client) if first == "server" else (client, server):
        side.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    server.chardev.write(batch_of(packet("from the server")))
    client.chardev.write(batch_of(packet("from the client")))
    yield from until(lambda: server.received and client.received)
    assert client.packets == [packet("from the server")]
    assert server.packets == [packet("from the client")]
    yield client.chardev.close()
    yield server.chardev.close()


@pytest.mark.parametrize("restarted", ["server", "client"])
@pytest_twisted.inlineCallbacks
def test_either_may_restart(place: dict[str, Any], restarted: str) -> Any:
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    server.run()
    client.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    stays, goes = (client, server) if restarted == "server" else (server, client)
    yield goes.chardev.close()
    yield from until(lambda: not stays.chardev.connected)
    again = Side(server=True, wait=False, **place) if restarted == "server" else Side(reconnect_ms=50, **place)
    again.run()
    yield from until(lambda: again.chardev.connected and stays.chardev.connected)
    stays.chardev.write(batch_of(packet("again")))
    yield from until(lambda: again.received)
    assert again.packets == [packet("again")]
    assert stays.connections == [True, False, True]
    yield again.chardev.close()
    yield stays.chardev.close()


@pytest_twisted.inlineCallbacks
def test_reconnect_0_does_not_try_again_after_a_loss(tmp_path: Path) -> Any:
    place = {"path": str(tmp_path / "s")}
    server, client = Side(server=True, wait=False, **place), Side(reconnect=0, **place)
    client.run()
    server.run()
    yield from until(lambda: client.chardev.connected)
    server.chardev.disconnect("a test")
    yield from until(lambda: not client.chardev.connected)
    again = Side(reconnect_ms=10, **place)
    again.run()
    yield from until(lambda: again.chardev.connected)
    assert client.connections == [True, False]
    assert server.chardev.counters.connects == 2  # type: ignore[attr-defined]
    for side in (again, client, server):
        yield side.chardev.close()


@pytest_twisted.inlineCallbacks
def test_start_waits_for_a_client_with_wait_on(tmp_path: Path) -> Any:
    place = {"path": str(tmp_path / "s")}
    server, client = Side(server=True, **place), Side(**place)
    waiting = server.run()
    assert waiting is not None
    assert not waiting.called
    client.run()
    yield waiting
    assert server.chardev.connected
    yield client.chardev.close()
    yield server.chardev.close()


@pytest_twisted.inlineCallbacks
def test_it_says_that_start_up_waits_only_while_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("colo_twisted.chardev.socket.WAITING_LINE_SECONDS", 0.01)
    place = {"path": str(tmp_path / "s")}
    server = Side(server=True, **place)
    with capturedLogs() as events:
        waiting = server.run()
        yield from until(lambda: len(events) > 2)
        client = Side(reconnect=0, **place)
        client.run()
        yield waiting
        yield client.chardev.close()
        yield from until(lambda: not server.chardev.connected)
        del events[:]
        for _ in range(10):
            yield from _turn()
    assert [event for event in events if "start-up waits" in event.get("text", "")] == []
    yield server.chardev.close()


@pytest_twisted.inlineCallbacks
def test_probes_take_nobodys_place(tmp_path: Path) -> Any:
    place = {"path": str(tmp_path / "s")}
    server, client = Side(server=True, wait=False, **place), Side(**place)
    server.run()
    client.run()
    yield from until(lambda: server.chardev.connected)
    counters: Any = server.chardev.counters
    for number in range(1000):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            while probe.connect_ex(place["path"]):
                yield from _turn()
        if number % 25 == 24:
            yield from _turn()
    yield from until(lambda: counters.probes + counters.refused == 1000)
    client.chardev.write(batch_of(packet("still here")))
    yield from until(lambda: server.received)
    assert server.packets == [packet("still here")]
    assert server.connections == [True]
    yield client.chardev.close()
    yield server.chardev.close()


def _turn() -> Iterator[Any]:
    turns = iter([False, True])
    yield from until(lambda: next(turns))


@pytest_twisted.inlineCallbacks
def test_a_peer_that_reads_slowly_gets_all_in_order(tmp_path: Path) -> Any:
    place = {"path": str(tmp_path / "s")}
    server = Side(server=True, wait=False, **place)
    server.run()
    sent = [packet(f"{number}", 1000) for number in range(5000)]
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(place["path"])
        peer.setblocking(False)
        yield from until(lambda: server.chardev.connected)
        for one in sent:
            server.chardev.write(batch_of(one))
        assert server.chardev.backlog > 4_000_000
        yield from until(lambda: server.pressures == [True])
        got = bytearray()

        def read() -> bool:
            with contextlib.suppress(BlockingIOError):
                got.extend(peer.recv(100_000))
            return len(got) >= 5000 * 1004

        yield from until(read)
        yield from until(lambda: server.pressures == [True, False])
    assert bytes(got) == Batch.from_packets(sent).data
    assert server.chardev.backlog == 0
    yield server.chardev.close()


def test_detached_it_discards_what_comes(tmp_path: Path) -> None:
    side = Side(server=True, path=str(tmp_path / "s"))
    side.chardev.detach()
    assert side.chardev.front_end is None
    side.chardev.write(batch_of(packet()))
    assert side.chardev.counters.dropped_no_peer == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({}, "property 'port' is missing"),
        ({"port": 1}, "property 'host' is missing"),
        ({"host": "h", "path": "/p"}, "exclude each other"),
        ({"path": "/" + "x" * 107}, "at most 107 bytes"),
        ({"host": "h", "port": 9, "to": 8}, "'to' takes a port from 'port'"),
        ({"host": "h", "port": 9, "ipv4": False, "ipv6": False}, "can't both be off"),
        ({"path": "/p", "wait": True}, "'wait' is for servers"),
        ({"path": "/p", "server": True, "reconnect": 1}, "'reconnect' is for clients"),
        ({"path": "/p", "reconnect": 1, "reconnect_ms": 5}, "exclude each other"),
    ],
)
def test_what_does_not_go_together(properties: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SocketProperties(id="c0", **properties).check()


def test_delay_is_the_opposite_of_nodelay() -> None:
    assert SocketProperties(id="c0", path="/p").link_options.nodelay
    assert not SocketProperties(id="c0", path="/p", nodelay=False).link_options.nodelay
    assert not SocketProperties(id="c0", path="/p", delay=True).link_options.nodelay


def test_an_inherited_connection_is_not_made_again() -> None:
    assert SocketProperties(id="c0", fd=5).link_options.reconnect == 0
