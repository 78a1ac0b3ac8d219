"""
``-chardev pair``: two chardevs joined inside the process.

For what QEMU's users do with loopback sockets between two objects of one process: a batch goes from
one front end to the other as it is, with no system call.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from zope.interface import implementer

from colo_twisted.chardev.base import Chardev
from colo_twisted.counters import Counters
from colo_twisted.interfaces import FrontEnd, IChardev, IMachine
from colo_twisted.interfaces.frames import Ended
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.options.kinds import Identifier
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.finishing import in_form

MOST_DEFERRED = 16 << 20  # bytes that may wait for the reactor's next turns
MOST_A_TURN = 128  # batches of them that one turn delivers


@dataclass(frozen=True, kw_only=True)
class PairProperties(Properties):
    """Two ids, each a chardev."""

    peer: str = prop(Identifier(), "the id of the other end, made by this option too")

    def check(self) -> None:
        if self.peer == self.id:
            raise OptionError("property 'peer' takes another id than 'id'")

    def also_makes(self) -> tuple[str, ...]:
        return (self.peer,)


@dataclass
class PairCounters(Counters):
    """What one end was given to send."""

    frames_out: int = 0
    bytes_out: int = 0
    dropped_no_peer: int = 0  # the other end had no front end, or one that doesn't receive
    dropped_needs_vnet_hdr: int = 0
    dropped_loop: int = 0  # came back to where it started faster than it could go round again


@implementer(IChardev)
class PairEnd(Chardev):
    """
    One end.

    A batch is delivered at once. What is written while a delivery is under way (objects wired in a
    circle) waits for the reactor's next turn, so that a circle neither recurses nor starves others.
    """

    backlog = 0
    other: PairEnd

    def __init__(self, id: str, reactor: Any) -> None:
        super().__init__(id)
        self.counters: PairCounters = PairCounters()
        self._reactor = reactor
        self._delivering = False
        self._deferred: deque[Batch] = deque()
        self._deferred_bytes = 0
        self._turn_awaited = False

    @property
    def filename(self) -> str:
        return f"pair:{self.other.id}"

    @property
    def peer(self) -> str | None:  # type: ignore[override]
        return self.other.front_end.owner if self.connected and self.other.front_end is not None else None

    @property
    def connected(self) -> bool:
        return self.front_end is not None and self.other.front_end is not None

    def attach(self, front_end: FrontEnd) -> None:
        facing = self.other.front_end
        if facing is not None and facing.vnet_hdr != front_end.vnet_hdr:
            raise StartError(
                f"chardevs '{self.id}' and '{self.other.id}' are a pair: vnet_hdr_support must be the same"
                f" for {front_end.owner} and {facing.owner}"
            )
        super().attach(front_end)
        if facing is not None:
            self.ended = self.other.ended = None
            facing.connection_changed(True)
            front_end.connection_changed(True)

    def detach(self) -> None:
        was_connected = self.connected
        super().detach()
        if was_connected and self.other.front_end is not None:
            self.ended, self.other.ended = Ended.BY_US, Ended.BY_PEER
            self.other.front_end.connection_changed(False)

    def write(self, batch: Batch) -> None:
        facing = self.other.front_end
        if facing is None or facing.receive is None:
            self.counters.dropped_no_peer += len(batch)
            return
        framed, left_out = in_form(batch, facing.vnet_hdr)
        self.counters.dropped_needs_vnet_hdr += left_out
        if not len(framed):
            return
        if self._delivering or self._deferred:
            self._defer(framed)
        else:
            self._deliver(framed)

    def drain(self) -> None:
        """Take what the other end has put off."""
        for _ in range(len(self.other._deferred)):
            self.other._deliver(self.other._pop_deferred())

    def disconnect(self, reason: str) -> None:
        """The other end is this process: there is nobody to drop."""

    def close(self) -> None:
        """What still goes round in a circle ends here."""
        self.detach()

    def _deliver(self, batch: Batch) -> None:
        facing = self.other.front_end
        if facing is None or facing.receive is None:
            self.counters.dropped_no_peer += len(batch)
            return
        self.counters.frames_out += len(batch)
        self.counters.bytes_out += len(batch.data)
        self._delivering = True
        try:
            facing.receive(batch)
        finally:
            self._delivering = False

    def _defer(self, batch: Batch) -> None:
        if self._deferred_bytes + len(batch.data) > MOST_DEFERRED:
            self.counters.dropped_loop += len(batch)
            return
        self._deferred.append(batch)
        self._deferred_bytes += len(batch.data)
        self._await_turn()

    def _await_turn(self) -> None:
        if not self._turn_awaited:
            self._turn_awaited = True
            self._reactor.callLater(0, self._deliver_deferred)

    def _deliver_deferred(self) -> None:
        self._turn_awaited = False
        for _ in range(min(len(self._deferred), MOST_A_TURN)):
            if not self._deferred:
                break  # the first of them made somebody drain the rest
            self._deliver(self._pop_deferred())
        if self._deferred:
            self._await_turn()

    def _pop_deferred(self) -> Batch:
        batch = self._deferred.popleft()
        self._deferred_bytes -= len(batch.data)
        return batch


def _create(properties: PairProperties, machine: IMachine) -> tuple[PairEnd, PairEnd]:
    one, other = PairEnd(properties.id, machine.reactor), PairEnd(properties.peer, machine.reactor)
    one.other, other.other = other, one
    return one, other


PAIR = ObjectType("pair", "two chardevs, id= and peer=, joined inside the process", PairProperties, _create)
