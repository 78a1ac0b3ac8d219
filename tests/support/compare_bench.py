"""A colo-compare that runs in memory, its three chardevs, and what may stand beside it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.events import Event, ReplicaState
from colo_twisted.interfaces import ICheckpointer, IColoPeer, Outcome
from colo_twisted.options import ObjectType, Properties
from tests.support.fakes import FakeChardev, batch_of
from tests.support.house import House, Types
from tests.support.segments import ACK, SYN, Address, Segment

GUEST = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
TIMEOUT = 3.0
A_LITTLE = 0.1


def client(port: int = 40000) -> Address:
    return Address.of("52:54:00:00:00:01", "10.0.0.1", port)


def segment(seq: int, payload: bytes = b"", flags: int = ACK, port: int = 40000, ack: int = 500) -> bytes:
    options: dict[str, Any] = {"mss": 1460} if flags & SYN else {}
    return Segment(seq, ack, flags, payload=payload, **options).packet(GUEST, client(port))


@implementer(IColoPeer)
class FakePeer:
    """Remembers what it was asked; the test answers."""

    role = "primary"
    may_speak = True
    most_offsets = 1 << 20
    bound = False
    hushed: tuple[str, str] | None = None
    why_not = None
    announces = True

    def __init__(self, properties: Properties, machine: Any) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.connected = True
        self.watchers: list[Any] = []
        self.gate_watchers: list[Any] = []
        self.decided: Any = None
        self.asked: list[tuple[Any, ...]] = []
        self._pending: list[Deferred[bool]] = []

    def open(self) -> None: ...

    start = stop = close = open

    def _ask(self, *what: Any) -> Deferred[bool]:
        self.asked.append(what)
        self._pending.append(Deferred())
        return self._pending[-1]

    def go_on(self, reason: str) -> None: ...

    def name_unprotected(self, keys: Any) -> Deferred[bool]:
        return self._ask("name", keys if keys is None else len(keys))

    def protect_new(self) -> Deferred[bool]:
        return self._ask("protect new")

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        self.nonce = nonce
        return self._ask("begin")

    def done(self, number: int, offsets: Any) -> Deferred[bool]:
        return self._ask("done")

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask("abort", unchanged)

    def invalidate(self, reason: str) -> Deferred[bool]:
        return self._ask("invalidate")

    def answer(self, is_there: bool = True) -> None:
        pending, self._pending = self._pending, []
        for answer in pending:
            answer.callback(is_there)

    def come_or_go(self, connected: bool) -> None:
        self.connected = connected
        for watcher in self.watchers:
            watcher(connected)
        if not connected:
            self.answer(False)


@implementer(ICheckpointer)
class FakeCheckpointer:
    """Makes one when the test says so."""

    pauses_primary = False

    def __init__(self, properties: Properties, machine: Any) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.unasked = lambda: None
        self.made = 0
        self._under_way: Deferred[Outcome] | None = None

    def open(self) -> None: ...

    start = stop = close = open

    @property
    def is_asked(self) -> bool:
        return self._under_way is not None

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        self._under_way = Deferred()
        return self._under_way

    def cancel(self) -> None:
        self.ends(Outcome.FAILED)

    def ends(self, outcome: Outcome = Outcome.DONE) -> None:
        under_way, self._under_way = self._under_way, None
        assert under_way is not None
        under_way.callback(outcome)


TYPES = Types(
    {
        "object": (
            ObjectType("fake-peer", "a FakePeer", Properties, FakePeer),
            ObjectType("fake-checkpointer", "a FakeCheckpointer", Properties, FakeCheckpointer),
        )
    }
)


class Bench:
    """
    A colo-compare that runs, its three chardevs, and what may stand beside it.

    @ivar told: all events, in order.
    """

    def __init__(self, more: str = "", objects: str = "", start: bool = True) -> None:
        chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p", "s", "o"))
        compare = f"-object colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o{more}"
        self.house = House(f"{chardevs} {objects} {compare}", types=TYPES)
        self.compare = self.house.object("comp0")
        self.machine = self.house.machine
        self.told: list[Event] = []
        self.machine.events.subscribe(self.told.append)
        self.clock = self.house.reactor
        self.p, self.s, self.o = (self.house.chardev(id) for id in ("p", "s", "o"))
        if start:
            self.house.start()

    def primary(self, *packets: bytes) -> list[bytes]:
        return self._deliver(self.p, packets)

    def secondary(self, *packets: bytes) -> list[bytes]:
        return self._deliver(self.s, packets)

    def both(self, *packets: bytes) -> list[bytes]:
        return self.primary(*packets) + self.secondary(*packets)

    def _deliver(self, chardev: FakeChardev, packets: tuple[bytes, ...]) -> list[bytes]:
        before = len(self.o.packets)
        chardev.deliver(batch_of(*packets))
        return self.o.packets[before:]

    def wait(self, seconds: float) -> list[bytes]:
        """What goes out meanwhile."""
        before = len(self.o.packets)
        for _ in range(round(seconds / A_LITTLE)):
            self.clock.advance(A_LITTLE)
        return self.o.packets[before:]

    def connect(self, chardev: FakeChardev, connected: bool) -> None:
        chardev.connected = connected
        assert chardev.front_end is not None
        chardev.front_end.connection_changed(connected)

    def open_connection(self, port: int = 40000) -> None:
        """Both guests' SYN-ACK, ISN 100 and 9100."""
        syn = segment(100, flags=SYN | ACK, port=port)
        assert self.both(syn) == [syn]

    def fall_silent(self) -> None:
        """Three connections of the primary's wait for the secondary in vain, one after the other."""
        ports = (40000, 40001, 40002)
        for port in ports:
            self.open_connection(port)
        for port in ports:
            self.primary(segment(101, b"answer", port=port))
            self.wait(TIMEOUT + 1)

    def remove(self, id: str = "comp0") -> list[bytes]:
        """What goes out with that."""
        before = len(self.o.packets)
        self.machine.remove("object", id)
        return self.o.packets[before:]

    @property
    def states(self) -> list[str]:
        """Those that were told of since this was last asked; the last one is what the compare says."""
        told = [event for event in self.told if isinstance(event, ReplicaState)]
        self.told.clear()
        assert not told or (told[-1].state, told[-1].reason) == (self.compare.state, self.compare.reason)
        return [event.state for event in told]

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.compare.counters.rows())

    @property
    def kinds(self) -> list[str]:
        return [divergence.kind for divergence in self.compare.divergences.kept]


PEER = "-object fake-peer,id=peer0"
CHECKPOINTER = "-object fake-checkpointer,id=cp0"


def followed(more: str = "", objects: str = "") -> Bench:
    """A bench in which new connections are followed."""
    bench = Bench(more, objects)
    if "fake-peer" in objects:
        bench.house.object("peer0").answer()
    assert bench.compare.following.state == "synced"
    return bench
