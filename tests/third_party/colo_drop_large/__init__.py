"""``filter-drop-large``: what another package's own filter looks like."""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IFilter, IMachine
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options import ObjectType, OptionError, prop
from colo_twisted.options.kinds import Size
from colo_twisted.packets.batch import Batch


@dataclass(frozen=True, kw_only=True)
class DropLargeProperties(FilterProperties):
    """A filter's common properties, and ``above``."""

    above: int = prop(Size(least=14), "bytes that a packet may have", default=1024)

    def check(self) -> None:
        if self.above % 2:
            raise OptionError("property 'above' takes an even number")


@dataclass
class DropLargeCounters(Counters):
    """Frames."""

    passed: int = 0
    dropped_large: int = 0


@implementer(IFilter)
class FilterDropLarge(Filter):
    """Lets go on what is not too large. It makes new frames, so it doesn't claim to keep vnet headers."""

    vnet_hdr_support = False

    def __init__(self, properties: DropLargeProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: DropLargeCounters = DropLargeCounters()
        self._most = properties.above

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        small = [packet for packet in batch.packets() if len(packet) <= self._most]
        self.counters.passed += len(small)
        self.counters.dropped_large += len(batch) - len(small)
        return Batch.from_packets(small) if small else None


DROP_LARGE = ObjectType("filter-drop-large", "lets no packet pass above a size", DropLargeProperties, FilterDropLarge)
