"""Stand-ins for the seams in colo_twisted.interfaces; tests/test_interfaces.py verifies them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from colo_twisted.chardev.base import Chardev
from colo_twisted.counters import Counters
from colo_twisted.events import Event, Events
from colo_twisted.interfaces import Direction, FrontEnd, IChain, IChardev, IFilter, IMachine, INetdev
from colo_twisted.interfaces.frames import Ended
from colo_twisted.packets.batch import Batch


def batch_of(*packets: bytes) -> Batch:
    """A batch without vnet headers."""
    return Batch.from_packets(packets)


def packet(text: bytes | str = b"", size: int = 0) -> bytes:
    """An Ethernet packet (IPv4's type) whose payload begins with a text."""
    payload = text.encode() if isinstance(text, str) else text
    header = bytes.fromhex("525400000002 525400000001 0800")
    return header + payload.ljust(size - len(header), b"\0")


@implementer(IChardev)
class FakeChardev(Chardev):
    """Records what is written; a test sets ``connected`` and ``backlog``, and calls ``deliver``, ``come``, ``go``."""

    def __init__(self, id: str = "c0") -> None:
        super().__init__(id)
        self.counters = Counters()
        self.connected = True
        self.backlog = 0
        self.peer: str | None = "a test"
        self.filename = "fake"
        self.written: list[Batch] = []
        self.disconnects: list[str] = []

    def write(self, batch: Batch) -> None:
        self.written.append(batch)

    def flush(self) -> bool:
        return not self.backlog

    def drain(self) -> None: ...

    def disconnect(self, reason: str) -> None:
        self.disconnects.append(reason)

    def deliver(self, batch: Batch) -> None:
        """As if a peer had sent it."""
        assert self.front_end is not None
        assert self.front_end.receive is not None
        self.front_end.receive(batch)

    def deliver_packets(self, *packets: bytes) -> None:
        self.deliver(batch_of(*packets))

    def come(self) -> None:
        """As if a peer had connected."""
        self._become(True, None)

    def go(self, ended: Ended) -> None:
        """As if its connection had ended."""
        self._become(False, ended)

    def _become(self, connected: bool, ended: Ended | None) -> None:
        self.connected, self.ended = connected, ended
        if self.front_end is not None:
            self.front_end.connection_changed(connected)

    def press(self, full: bool) -> None:
        """As if the peer took too little, or all."""
        assert self.front_end is not None
        self.front_end.pressure_changed(full)

    @property
    def packets(self) -> list[bytes]:
        return [packet for batch in self.written for packet in batch.packets()]


@implementer(INetdev)
class FakeNetdev:
    """Records what is sent; a test calls ``receive`` as if the far end had sent something."""

    def __init__(self, id: str = "hn0", vnet_hdr: bool = False) -> None:
        self.id = id
        self.counters = Counters()
        self.vnet_hdr_support = self.vnet_hdr = vnet_hdr
        self.pressure_changed: Callable[[bool], None] = lambda full: None
        self.sent: list[Batch] = []
        self.answers: list[Batch] = []  # one is there for each glance
        self.paused = False
        self.offloads: bool | None = None
        self.link_up = True
        self.receive: Callable[[Batch], None] = lambda batch: None

    def open(self, vnet_hdr: bool) -> None: ...

    def set_offloads(self, on: bool) -> None:
        self.offloads = on

    def start(self, receive: Callable[[Batch], None]) -> None:
        self.receive = receive

    def send(self, batch: Batch) -> None:
        self.sent.append(batch)

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def drain(self) -> None: ...

    def glance(self) -> None:
        for batch in self.answers[:1]:
            self.answers.remove(batch)
            self.receive(batch)

    def set_link(self, up: bool) -> None:
        self.link_up = up

    def close(self) -> None: ...

    @property
    def packets(self) -> list[bytes]:
        return [packet for batch in self.sent for packet in batch.packets()]


@implementer(IChain)
class FakeChain:
    """Records what is injected, and who holds what."""

    def __init__(self) -> None:
        self.injected: list[tuple[Direction, Batch]] = []
        self.held: set[tuple[str, Direction]] = set()
        self.guest_address: bytes | None = None
        self.sent: list[Batch] = []
        self.refreshed = 0
        self.drained = 0

    def inject(self, behind: IFilter, direction: Direction, batch: Batch) -> None:
        self.injected.append((direction, batch))

    def drain(self) -> None:
        self.drained += 1

    def afterwards(self, call: Callable[[], None]) -> None:
        call()

    def announce(self, batch: Batch) -> None:
        self.sent.append(batch)

    def refresh(self) -> None:
        self.refreshed += 1

    def hold(self, holder: str, direction: Direction) -> None:
        self.held.add((holder, direction))

    def let_go(self, holder: str, direction: Direction) -> None:
        self.held.discard((holder, direction))

    def press(self, holder: str, direction: Direction, full: bool) -> None:
        (self.hold if full else self.let_go)(holder, direction)


@implementer(IMachine)
class FakeMachine:
    """Chardevs come into being when they are asked for; there is one chain."""

    def __init__(self, chain: Any = None) -> None:
        self.status = "prelaunch"
        self.reactor: Any = Clock()
        self.monotonic = self.reactor.seconds
        self.chardevs: dict[str, FakeChardev] = {}
        self.the_chain = chain or FakeChain()
        self.objects: dict[str, Any] = {}
        self.events = Events()
        self.told: list[Event] = []
        self.events.subscribe(self.told.append)
        self.object_watchers: list[Callable[[], None]] = []

    def chardev(self, id: str) -> FakeChardev:
        return self.chardevs.setdefault(id, FakeChardev(id))

    def chain(self, netdev: str) -> Any:
        return self.the_chain

    def object(self, id: str) -> Any:
        return self.objects[id]

    def providers(self, interface: Any) -> list[Any]:
        return [made for made in self.objects.values() if interface.providedBy(made)]

    def guests(self) -> list[tuple[str, str, Any]]:
        return [("hn0", "e0", self.the_chain)]

    def change(self, id: str, name: str, value: Any) -> None:
        setattr(self.objects[id], name, value)


def recording_front_end(vnet_hdr: bool = False) -> tuple[FrontEnd, list[Batch], list[bool], list[bool]]:
    """A front end, what it received, when its peer came and went, and when there was pressure."""
    received: list[Batch] = []
    connections: list[bool] = []
    pressures: list[bool] = []
    return (
        FrontEnd("a test", vnet_hdr, received.append, connections.append, pressures.append),
        received,
        connections,
        pressures,
    )
