"""Socket and stream netdevs: the same wire over every way there, a bound on what waits."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from colo_twisted.netdev.stream import SocketProperties, StreamNetdev, StreamProperties
from colo_twisted.options.errors import OptionError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import with_vnet_headers
from tests.support.fakes import FakeMachine, batch_of, packet
from tests.support.turns import until

Properties = SocketProperties | StreamProperties


class Side:
    """A netdev and what it received."""

    def __init__(self, properties: Properties) -> None:
        machine = FakeMachine()
        machine.reactor = reactor
        self.netdev = StreamNetdev(properties, machine)
        self.received: list[Batch] = []

    def run(self) -> Side:
        self.netdev.open(True)
        self.netdev.start(self.received.append)
        return self

    @property
    def packets(self) -> list[bytes]:
        return [packet for batch in self.received for packet in batch.packets()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ends(way: str, folder: Path) -> tuple[Properties, Properties]:
    number, path = free_port(), str(folder / "s")
    if way == "socket":
        there = ("127.0.0.1", number)
        return SocketProperties(id="a", listen=there), SocketProperties(id="b", connect=there)
    if way == "fd":
        one, other = socket.socketpair()
        return SocketProperties(id="a", fd=one.detach()), StreamProperties(id="b", kind="fd", fd=other.detach())
    inet: dict[str, Any] = {"kind": "inet", "host": "127.0.0.1", "port": number}
    unix: dict[str, Any] = {"kind": "unix", "path": path}
    place = inet if way == "inet" else unix
    return StreamProperties(id="a", server=True, **place), StreamProperties(id="b", **place)


@pytest.mark.parametrize("way", ["socket", "fd", "inet", "unix"])
@pytest_twisted.inlineCallbacks
def test_frames_pass_both_ways(way: str, tmp_path: Path) -> Any:
    one, other = (Side(properties).run() for properties in ends(way, tmp_path))
    yield from until(lambda: one.netdev._link.connected and other.netdev._link.connected)
    one.netdev.send(batch_of(packet("to the other")))
    other.netdev.send(with_vnet_headers(batch_of(packet("to the one"))))
    yield from until(lambda: one.received and other.received)
    assert other.packets == [packet("to the other")]
    assert one.packets == [packet("to the one")]
    yield one.netdev.close()
    yield other.netdev.close()


@pytest_twisted.inlineCallbacks
def test_what_comes_before_start_is_not_lost(tmp_path: Path) -> Any:
    server, client = (Side(properties) for properties in ends("unix", tmp_path))
    server.netdev.open(False)
    client.run()
    yield from until(lambda: server.netdev._link.connected)
    client.netdev.send(batch_of(packet("early")))
    server.netdev.start(server.received.append)
    yield from until(lambda: server.received)
    assert server.packets == [packet("early")]
    yield client.netdev.close()
    yield server.netdev.close()


@pytest_twisted.inlineCallbacks
def test_beyond_the_bound_frames_are_dropped_by_name_and_pressure_is_told(tmp_path: Path) -> Any:
    properties = StreamProperties(id="a", server=True, kind="unix", path=str(tmp_path / "s"), max_backlog=1 << 17)
    side = Side(properties)
    pressures: list[bool] = []
    side.netdev.pressure_changed = pressures.append
    side.run()
    with socket.socket(socket.AF_UNIX) as stuck:
        stuck.connect(str(tmp_path / "s"))
        yield from until(lambda: side.netdev._link.connected)
        for _ in range(4000):
            side.netdev.send(batch_of(packet("", 1500)))
        counters = side.netdev.counters
        assert pressures == [True]
        assert counters.dropped_backlog > 0
        assert counters.frames_out + counters.dropped_backlog == 4000
        assert side.netdev._link.backlog <= 1 << 17
    yield from until(lambda: pressures == [True, False])
    yield side.netdev.close()


@pytest_twisted.inlineCallbacks
def test_one_batch_larger_than_the_bound_passes_where_nothing_waits(tmp_path: Path) -> Any:
    properties = StreamProperties(id="a", server=True, kind="unix", path=str(tmp_path / "s"), max_backlog=1 << 17)
    server, client = Side(properties).run(), Side(StreamProperties(id="b", kind="unix", path=properties.path)).run()
    yield from until(lambda: server.netdev._link.connected and client.netdev._link.connected)
    sent = [packet(f"{number}", 1500) for number in range(200)]
    server.netdev.send(batch_of(*sent))
    yield from until(lambda: len(client.packets) == 200)
    assert client.packets == sent
    yield client.netdev.close()
    yield server.netdev.close()


def test_it_carries_no_vnet_headers_and_is_always_read() -> None:
    netdev = StreamNetdev(SocketProperties(id="a", listen=("", 1)), FakeMachine())
    assert not netdev.vnet_hdr
    netdev.set_offloads(True)
    netdev.pause()
    netdev.resume()


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (SocketProperties(id="a"), "exactly one of"),
        (SocketProperties(id="a", fd=1, listen=("", 1)), "exactly one of"),
        (StreamProperties(id="a", kind="inet", host="h"), "'addr.port' is missing: addr.type=inet needs it"),
        (StreamProperties(id="a", kind="unix"), "'addr.path' is missing"),
        (StreamProperties(id="a", kind="fd"), "'addr.str' is missing"),
        (StreamProperties(id="a", kind="unix", path="x" * 108), "at most 107 bytes"),
        (StreamProperties(id="a", kind="inet", host="h", port=1, ipv4=False, ipv6=False), "can't both be off"),
        (StreamProperties(id="a", kind="unix", path="/p", server=True, reconnect=1), "'reconnect' is for clients"),
    ],
)
def test_what_does_not_go_together(properties: Properties, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        properties.check()


def test_the_folder_of_a_path_must_be_there() -> None:
    with pytest.raises(OptionError, match="there is no folder /no/such"):
        StreamProperties(id="a", kind="unix", path="/no/such/s", server=True).check_host()
