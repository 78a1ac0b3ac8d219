"""Socket chardevs on the real reactor: both roles, either first, one restarted, someone else knocking."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.logger import capturedLogs

from colo_twisted.chardev.socket import SocketChardev, SocketProperties
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeMachine, batch_of, packet, recording_front_end
from tests.support.turns import until


class Side:
    """A chardev with a front end that remembers."""

    def __init__(self, **properties: Any) -> None:
        machine = FakeMachine()
        machine.reactor = reactor
        self.told = machine.told
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
        assert server.chardev.backlog > 2_000_000  # the kernel has the rest
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


# now, and not in the reactor's next turns


@pytest_twisted.inlineCallbacks
def test_what_was_written_can_be_sent_and_received_at_once(place: dict[str, Any]) -> Any:
    """As a removal does it: what has been sent is at the other end of a loopback socket before the next step."""
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    server.run()
    client.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    frames = [packet(f"{n}|", 1400) for n in range(4000)]
    for frame in frames:
        client.chardev.write(batch_of(frame))
    for _ in range(1000):
        if client.chardev.flush():
            break
        server.chardev.drain()
    server.chardev.drain()
    assert client.chardev.flush()
    if "path" in place:  # a local stream hands over with the system call; TCP's loopback may take a moment
        assert server.packets == frames
    yield from until(lambda: len(server.packets) == len(frames))
    assert server.packets == frames
    yield client.chardev.close()
    yield server.chardev.close()


@pytest_twisted.inlineCallbacks
def test_what_can_be_known_of_it(place: dict[str, Any]) -> Any:
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    server.run()
    where = server.chardev.filename
    assert where.startswith("disconnected:")
    assert where.endswith(",server=on")
    assert server.chardev.peer is None
    client.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    assert server.chardev.filename.startswith(where.removeprefix("disconnected:"))
    if "host" in place:
        assert server.chardev.filename.endswith(f" <-> {server.chardev.peer}")
    assert server.chardev.peer
    assert [event.data for event in server.told] == [{"id": "c0", "peer": server.chardev.peer}]
    yield client.chardev.close()
    yield from until(lambda: not server.chardev.connected)
    assert [event.name for event in server.told] == ["COLO_CHARDEV_CONNECTED", "COLO_CHARDEV_DISCONNECTED"]
    assert server.chardev.filename == where
    yield server.chardev.close()


# protocols of another kind


class Greeters:
    """Says hello to whoever comes."""

    def buildProtocol(self, addr: object) -> Protocol:
        class Greeter(Protocol):
            transport: Any

            def connectionMade(self) -> None:
                self.transport.write(b"hello")

            def hang_up(self) -> None:
                self.transport.loseConnection()

        return Greeter()


def served(**properties: Any) -> SocketChardev:
    machine = FakeMachine()
    machine.reactor = reactor
    return SocketChardev(SocketProperties(id="c0", server=True, **properties), machine)


@pytest_twisted.inlineCallbacks
def test_it_can_serve_any_number_of_clients_instead(tmp_path: Path) -> Any:
    chardev = served(path=str(tmp_path / "s"))
    chardev.serve(Greeters(), "a test")
    chardev.open()
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    with capturedLogs() as events:
        waiting = chardev.start()
    assert waiting is not None
    assert [event["text"] for event in events] == [
        f"start-up waits for a client on unix:{tmp_path}/s (wait=off would go on without)"
    ]
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        for client in (one, other):
            client.setblocking(False)
            client.connect(str(tmp_path / "s"))
        yield waiting
        yield from until(lambda: chardev.counters.connects == 2)
        for client in (one, other):
            yield from until(lambda: select.select([client], [], [], 0)[0])  # noqa: B023
            assert client.recv(9) == b"hello"
        assert chardev.connected
        assert chardev.filename == f"unix:{tmp_path}/s,server=on"
        assert chardev.peer == f"process {os.getpid()}"
        yield chardev.close()
        assert not chardev.connected


def test_who_is_served_has_it_alone(tmp_path: Path) -> None:
    chardev = served(path=str(tmp_path / "s"))
    chardev.serve(Greeters(), "monitor 'm'")
    with pytest.raises(StartError, match=r"^chardev 'c0' is taken by monitor 'm', a test can't have it$"):
        chardev.attach(recording_front_end()[0])
    taken = Side(server=True, path=str(tmp_path / "t")).chardev
    with pytest.raises(StartError, match=r"^chardev 'c0' is taken by a test, monitor 'm' can't have it$"):
        taken.serve(Greeters(), "monitor 'm'")
    assert taken.filename == f"disconnected:unix:{tmp_path}/t,server=on"
    taken.open()  # a link still, with no mode of its own
    assert (tmp_path / "t").stat().st_mode & 0o777 != 0o600
    taken.close()


def test_what_others_can_reach_serves_nobody_unless_that_is_allowed() -> None:
    chardev = served(host="0.0.0.0", port=4444)
    with pytest.raises(StartError, match=r"^chardev c0: tcp:0\.0\.0\.0:4444 is open to other hosts, .*insecure=on$"):
        chardev.serve(Greeters(), "a test")
    assert chardev.front_end is None
    chardev.serve(Greeters(), "a test", insecure=True)


@pytest_twisted.inlineCallbacks
def test_what_comes_before_there_is_a_front_end_waits_for_it(place: dict[str, Any]) -> Any:
    """Else a colo-peer that is added to a chardev whose peer is there already would never hear its hello."""
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    front_end = server.chardev.front_end
    assert front_end is not None
    server.chardev.detach()
    server.run()
    client.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    client.chardev.write(batch_of(packet("early")))
    yield from until(client.chardev.flush)
    server.chardev.drain()
    server.chardev.attach(front_end)
    yield from until(lambda: server.received)
    assert server.packets == [packet("early")]
    server.chardev.detach()
    client.chardev.write(batch_of(packet("meanwhile")))
    yield from until(client.chardev.flush)
    server.chardev.attach(front_end)
    yield from until(lambda: len(server.received) == 2)
    assert server.packets == [packet("early"), packet("meanwhile")]
    yield client.chardev.close()
    yield server.chardev.close()


@pytest_twisted.inlineCallbacks
def test_a_peer_that_goes_while_nobody_reads_is_missed(place: dict[str, Any]) -> Any:
    server, client = Side(server=True, wait=False, **place), Side(reconnect_ms=50, **place)
    server.chardev.detach()
    server.run()
    client.run()
    yield from until(lambda: server.chardev.connected and client.chardev.connected)
    yield client.chardev.close()
    yield from until(lambda: not server.chardev.connected)
    yield server.chardev.close()
