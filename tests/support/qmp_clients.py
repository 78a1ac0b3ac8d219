"""QMP clients in memory, that read or don't, and a monitor for them with a few commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from colo_twisted.chardev.socket import SocketChardev, SocketProperties
from colo_twisted.control.client import Client
from colo_twisted.control.monitor import Monitor
from colo_twisted.control.properties import MonitorProperties
from tests.support.fakes import FakeMachine

BUFFER = 1 << 16  # Twisted's: what a transport holds before it tells its producer to pause
VERSION = {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "p"}


class Transport(StringTransport):
    """Has Twisted's buffer; what the far end takes of it is up to the test."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.aborted = False
        self.closed = False

    def write(self, data: bytes) -> None:
        super().write(data)
        if len(self.value()) > BUFFER and self.producer is not None:
            self.producer.pauseProducing()

    def take(self) -> bytes:
        """All that is there, as if the far end read it."""
        data: bytes = self.value()
        self.clear()
        if len(data) > BUFFER and self.producer is not None:
            self.producer.resumeProducing()
        return data

    def abortConnection(self) -> None:
        self.aborted = True


LOCAL = UNIXAddress(None)


class Caller:
    """A client, and its transport."""

    def __init__(self, monitor: Monitor, negotiate: bool = True, peer: IAddress = LOCAL) -> None:
        self.transport = Transport(peerAddress=peer)
        self.client: Client = monitor.buildProtocol(None)
        self.client.makeConnection(self.transport)
        self._reactor = monitor.reactor
        if negotiate:
            assert "QMP" in self.read()[0]
            assert self.ask("qmp_capabilities") == {"return": {}}

    def send(self, data: bytes) -> None:
        """As if these bytes had come; reading may be paused, as a transport's is."""
        self.client.dataReceived(data)

    def request(self, command: str, **members: Any) -> None:
        self.send(json.dumps({"execute": command, **members}).encode())

    def read(self) -> list[Any]:
        """What has been sent to it, until nothing more comes."""
        data = self.transport.take()
        self._reactor.advance(0)
        while more := self.transport.take():
            data += more
            self._reactor.advance(0)
        return [json.loads(line) for line in data.splitlines()]

    def ask(self, command: str, **members: Any) -> Any:
        """A command's answer; events before it are dropped."""
        self.request(command, **members)
        return [answer for answer in self.read() if "event" not in answer][-1]

    @property
    def reads(self) -> bool:
        """Whether the server reads from it."""
        return bool(self.transport.producerState == "producing")

    def go(self) -> None:
        """Its connection is lost."""
        self.client.connectionLost(Failure(ConnectionDone()))


class Does:
    """A command that is a function of its arguments."""

    def __init__(self, does: Callable[..., Any]) -> None:
        self.does = does

    def run(self, machine: Any, arguments: Mapping[str, Any]) -> Any:
        return self.does(**arguments)


def a_monitor(machine: FakeMachine | None = None, pretty: bool = False, **commands: Callable[..., Any]) -> Monitor:
    """A monitor at chardev c0 with commands by name; 'echo' is always there."""
    machine = machine or FakeMachine()
    machine.chardevs["c0"] = SocketChardev(SocketProperties(id="c0", path="/s", server=True), machine)  # type: ignore[assignment]
    named = {"echo": Does(lambda **arguments: arguments), **{name: Does(does) for name, does in commands.items()}}
    monitor = Monitor(MonitorProperties(chardev="c0", mode="control", pretty=pretty), machine, named, VERSION)
    monitor.open()
    monitor.start()
    return monitor
