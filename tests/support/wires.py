"""A wire between two houses' colo-peers, that a test lets flow, plugs and pulls."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.failover.peer import ColoPeer
from colo_twisted.interfaces import IChardev, ICheckpointed, IObject
from colo_twisted.options import ObjectType, Properties
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.sequence import Offsets
from tests.support.fakes import FakeChardev
from tests.support.house import House, Types


@implementer(IChardev)
class WireEnd(FakeChardev):
    """What is written waits for the test; written while no wire is plugged in, it is lost."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.connected = False
        self.other: WireEnd | None = None
        self.on_its_way: deque[Batch] = deque()

    def write(self, batch: Batch) -> None:
        super().write(batch)
        if self.other is not None:
            self.on_its_way.append(batch)

    def flow(self) -> bool:
        """The other end gets what this one has written; whether that was anything."""
        moved = bool(self.on_its_way)
        while self.on_its_way:
            batch = self.on_its_way.popleft()
            if self.other is not None:
                self.other.deliver(batch)
        return moved

    def disconnect(self, reason: str) -> None:
        super().disconnect(reason)
        pull(self)

    def change(self, connected: bool) -> None:
        self.connected = connected
        if self.front_end is not None:
            self.front_end.connection_changed(connected)


def plug(one: WireEnd, other: WireEnd) -> None:
    """Connect two ends."""
    one.other, other.other = other, one
    one.change(True)
    other.change(True)


def pull(end: WireEnd) -> None:
    """Disconnect an end from the other, if it is connected; what is on its way is lost."""
    other = end.other
    if other is None:
        return
    end.other = other.other = None
    for each in (end, other):
        each.on_its_way.clear()
        each.change(False)


def flow(*ends: WireEnd) -> None:
    """Until nothing is on its way."""
    while any(end.flow() for end in ends):
        continue


@implementer(ICheckpointed, IObject)
class RecordingRewriter:
    """Remembers what it is told."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.counters = Counters()
        self.told: list[tuple[Any, ...]] = []
        self.open_ones: list[bytes] = []

    def begin_checkpoint(self) -> None:
        self.told.append(("begin",))

    def guest_turned(self) -> None:
        self.told.append(("turned",))

    def end_checkpoint(self, offsets: Mapping[bytes, Offsets], marker: bytes | None) -> None:
        self.told.append(("end", dict(offsets), marker))

    def abort_checkpoint(self, unchanged: bool) -> None:
        self.told.append(("abort", unchanged))

    def offsets(self) -> Mapping[bytes, Offsets]:
        return {}

    def unprotect(self, keys: Sequence[bytes] | None) -> None:
        self.told.append(("unprotect", keys))

    def protect_new(self) -> None:
        self.told.append(("protect_new",))

    def unprotected(self) -> list[bytes]:
        return self.open_ones

    def fail_over(self) -> None:
        self.told.append(("fail_over",))

    def open(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


TYPES = Types(
    {
        "chardev": (ObjectType("wire", "a WireEnd", Properties, lambda properties, _: WireEnd(properties.id)),),
        "object": (
            ObjectType("recorder", "a rewriter", Properties, lambda properties, _: RecordingRewriter(properties.id)),
        ),
    }
)


class Side:
    """A process of the pair: its colo-peer, its end of the wire, and on the secondary a rewriter."""

    def __init__(self, role: str, more: str = "", reactor: Any = None) -> None:
        line = f"-chardev wire,id=w0 -object recorder,id=r0 -object colo-peer,id=p0,chardev=w0,role={role}" + (
            f",{more}" if more else ""
        )
        self.house = House(line, reactor, TYPES).start()
        self.peer: ColoPeer = self.house.object("p0")
        self.end: WireEnd = self.house.chardev("w0")
        self.rewriter: RecordingRewriter = self.house.object("r0")

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return self.rewriter.told

    def joined(self, other: Side) -> Side:
        """Connected to the other, and both have said hello."""
        plug(self.end, other.end)
        flow(self.end, other.end)
        return self


def results(asked: Deferred[bool]) -> list[bool]:
    """What has come of it so far."""
    came: list[bool] = []
    asked.addCallback(came.append)
    return came
