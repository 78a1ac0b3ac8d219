"""``-chardev null``: takes all and gives nothing."""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import implementer

from colo_twisted.chardev.base import Chardev
from colo_twisted.counters import Counters
from colo_twisted.interfaces import IChardev, IMachine
from colo_twisted.options.declare import ObjectType, Properties
from colo_twisted.packets.batch import Batch


@dataclass
class NullCounters(Counters):
    """What was thrown away."""

    dropped_null: int = 0


@implementer(IChardev)
class NullChardev(Chardev):
    """Always connected; what is written is counted and forgotten."""

    connected = True
    backlog = 0
    filename = "null"

    def __init__(self, properties: Properties, machine: IMachine) -> None:
        super().__init__(properties.id)
        self.counters: NullCounters = NullCounters()

    def write(self, batch: Batch) -> None:
        self.counters.dropped_null += len(batch)

    def disconnect(self, reason: str) -> None:
        """There is no peer."""


NULL = ObjectType("null", "takes all and gives nothing", Properties, NullChardev)
