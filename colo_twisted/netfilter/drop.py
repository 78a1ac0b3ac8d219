"""``filter-drop``: takes everything in its queue; a secondary's gate until failover."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IMachine
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType
from colo_twisted.packets.batch import Batch


@dataclass
class DropCounters(Counters):
    """What was taken."""

    dropped_by_gate: int = 0


class FilterDrop(Filter):
    """Nothing goes on while it is on."""

    def __init__(self, properties: FilterProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: DropCounters = DropCounters()

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        self.counters.dropped_by_gate += len(batch)
        return None


DROP = ObjectType("filter-drop", "lets nothing pass", FilterProperties, FilterDrop)
