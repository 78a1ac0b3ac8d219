"""``filter-redirector``: packets leave the chain to outdev, and enter it from indev."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, FrontEnd, IChardev, IMachine, IWay
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Reference, Size
from colo_twisted.packets.batch import Batch


@dataclass(frozen=True, kw_only=True)
class RedirectorProperties(FilterProperties):
    """QEMU's, and ``max_backlog``."""

    indev: str | None = prop(Reference("chardev"), "packets from here enter the chain behind this filter", default=None)
    outdev: str | None = prop(Reference("chardev"), "packets go there and no further on", default=None)
    vnet_hdr_support: bool = prop(Boolean(), "frames on both chardevs carry vnet headers", default=False)
    max_backlog: int = prop(
        Size(least=1 << 17),
        "bytes that may wait for outdev's peer; frames beyond are dropped",
        default=16 << 20,
        settable=True,
    )

    def check(self) -> None:
        if self.indev is None and self.outdev is None:
            raise OptionError("at least one of the properties 'indev' and 'outdev' is needed")
        if self.indev == self.outdev:
            raise OptionError("properties 'indev' and 'outdev' take different chardevs")


@dataclass
class RedirectorCounters(Counters):
    """Frames, by where they went."""

    redirected: int = 0
    injected: int = 0
    dropped_no_peer: int = 0  # outdev has no peer: a secondary fails closed
    dropped_backlog: int = 0  # outdev's peer is max_backlog bytes behind
    dropped_off: int = 0  # came in on indev while status was off


@implementer(IWay)
class FilterRedirector(Filter):
    """
    Makes the source wait while outdev's peer takes less than comes; indev is always read.

    Off means off both ways: nothing is taken from the chain, and what indev brings is dropped.
    """

    def __init__(self, properties: RedirectorProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: RedirectorCounters = RedirectorCounters()
        self.vnet_hdr_support = properties.vnet_hdr_support
        self.max_backlog = properties.max_backlog
        owner = f"filter-redirector '{self.id}'"
        self.overhear: Callable[[Batch], Batch | None] | None = None
        self._full = False
        self._indev = self._outdev = None
        if properties.outdev is not None:
            self._outdev = machine.chardev(properties.outdev)
            self._outdev.attach(FrontEnd(owner, self.vnet_hdr_support, pressure_changed=self._outdev_pressure))
        if properties.indev is not None:
            self._indev = machine.chardev(properties.indev)
            self._indev.attach(FrontEnd(owner, self.vnet_hdr_support, receive=self._receive))

    def change(self, properties: RedirectorProperties) -> None:
        """What indev has brought by now belongs to the time before; one that is off makes nobody wait for outdev."""
        if self._indev is not None and self.status != properties.status:
            self._indev.drain()
        self.max_backlog = properties.max_backlog
        super().change(properties)
        self._press()

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        outdev = self._outdev
        if outdev is None:
            return batch
        if not outdev.connected:
            self.counters.dropped_no_peer += len(batch)
        elif outdev.backlog and outdev.backlog + len(batch.data) > self.max_backlog:
            self.counters.dropped_backlog += len(batch)
            self.report.warn(
                f"dropped frames: the peer of outdev is max_backlog={self.max_backlog} bytes behind", kind="backlog"
            )
        else:
            self.counters.redirected += len(batch)
            outdev.write(batch)
        return None

    @property
    def chardevs(self) -> list[IChardev]:
        """As the interface says, of a secondary's: those that it has."""
        return [chardev for chardev in (self._indev, self._outdev) if chardev is not None]

    def send_beat(self, batch: Batch) -> None:
        if self._outdev is not None and self.status and self._outdev.connected:
            self._outdev.write(batch)

    def _receive(self, batch: Batch) -> None:
        rest = batch if self.overhear is None else self.overhear(batch)
        if rest is not None:
            self._inject(rest)

    def _inject(self, batch: Batch) -> None:
        if not self.status:
            self.counters.dropped_off += len(batch)
            return
        self.counters.injected += len(batch)
        chain = self.machine.chain(self.netdev)
        for direction in Direction:
            if direction in self.directions:
                chain.inject(self, direction, batch)

    def _outdev_pressure(self, full: bool) -> None:
        self._full = full
        self._press()

    def _press(self) -> None:
        chain = self.machine.chain(self.netdev)
        for direction in self.directions:
            chain.press(self.id, direction, self._full and self.status)


REDIRECTOR = ObjectType(
    "filter-redirector",
    "sends packets to a chardev, takes packets from another",
    RedirectorProperties,
    FilterRedirector,
)
