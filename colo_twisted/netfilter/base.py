"""What all filters have: a place on a chain, the directions they look at, and a switch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IChangeable, IFilter, IMachine
from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.kinds import Choice, Position, Reference, Switch
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter


@dataclass(frozen=True, kw_only=True)
class FilterProperties(Properties):
    """QEMU's common properties of netfilters, with its defaults."""

    netdev: str = prop(Reference("netdev"), "the netdev on whose chain it stands")
    queue: str = prop(Choice("all", "rx", "tx"), "tx: network to guest, rx: guest to network", default="all")
    status: bool = prop(Switch(), "off: as if it weren't there", default=True, settable=True)
    position: str = prop(Position(), "where in the chain", default="tail")
    insert: str = prop(Choice("before", "behind"), "on which side of position=id=FILTER", default="behind")


@implementer(IFilter, IChangeable)
class Filter:
    """
    A filter that lets everything pass and holds nothing; subclasses define ``receive`` anew.

    ``vnet_hdr_support`` is True for a filter that hands frames on as they are.
    """

    vnet_hdr_support = True

    def __init__(self, properties: FilterProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.netdev = properties.netdev
        self.status = properties.status
        self.position = properties.position
        self.insert = properties.insert
        self.directions = frozenset(
            direction for direction in Direction if properties.queue in ("all", direction.value)
        )
        self.counters = Counters()
        self.machine = machine
        self.reactor: Any = machine.reactor
        self.report = Reporter(f"{type(self).__name__} {self.id}")

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        return batch

    def change(self, properties: Any) -> None:
        """Switch on or off; one with further settable properties extends this."""
        self.status = properties.status
        self.machine.chain(self.netdev).refresh()

    def open(self) -> None:
        """Nothing needs privileges."""

    def start(self) -> None:
        """Nothing runs by itself."""

    def stop(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """Nothing was opened."""
