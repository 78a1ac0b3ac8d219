"""``filter-mirror``: a copy of each packet goes to outdev, the packet itself goes on whatever happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, FrontEnd, IChardev, IMachine, IMirror, IWay
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.kinds import Boolean, Reference, Size
from colo_twisted.packets.batch import Batch


@dataclass(frozen=True, kw_only=True)
class MirrorProperties(FilterProperties):
    """QEMU's, and ``max_backlog``."""

    outdev: str = prop(Reference("chardev"), "where the copies go")
    vnet_hdr_support: bool = prop(Boolean(), "the copies carry vnet headers", default=False)
    max_backlog: int = prop(
        Size(least=1 << 17),
        "bytes that the peer may fall behind, beyond them it is disconnected (a burst alone can be 4M)",
        default=64 << 20,
        settable=True,
    )


@dataclass
class MirrorCounters(Counters):
    """Frames, and peers that were too slow."""

    mirrored: int = 0
    not_mirrored_no_peer: int = 0
    disconnected_slow_peer: int = 0


@implementer(IMirror, IWay)
class FilterMirror(Filter):
    """
    Never delays its guest, and never leaves a hole in its stream.

    A copy goes when the packet itself and the answers to it have gone on. What the peer doesn't take waits in the
    chardev; past ``max_backlog`` the peer loses its place and may come again as new. What passes keeps its vnet headers
    even where the copies have none: those are finished on their way out.
    """

    def __init__(self, properties: MirrorProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: MirrorCounters = MirrorCounters()
        self.max_backlog = properties.max_backlog
        self._outdev = machine.chardev(properties.outdev)
        self._copies: deque[Batch] = deque()  # of what is in hand
        self.watchers: list[Callable[[bool], None]] = []
        self.overhear: Callable[[Batch], Batch | None] | None = None  # nothing comes back this way
        self._outdev.attach(
            FrontEnd(f"filter-mirror '{self.id}'", properties.vnet_hdr_support, connection_changed=self._peer_changed)
        )

    @property
    def connected(self) -> bool:
        return self._outdev.connected

    def _peer_changed(self, connected: bool) -> None:
        for watcher in list(self.watchers):
            watcher(connected)

    def change(self, properties: MirrorProperties) -> None:
        self.max_backlog = properties.max_backlog
        super().change(properties)
        self._peer_changed(self.connected)

    @property
    def chardevs(self) -> list[IChardev]:
        """As the interface says: outdev."""
        return [self._outdev]

    def send_beat(self, batch: Batch) -> None:
        if self.status and self._outdev.connected:
            self._send_copies()
            self._outdev.write(batch)

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        self._copies.append(batch)
        self.machine.chain(self.netdev).afterwards(self._send_copies)
        return batch

    def _send_copies(self) -> None:
        outdev = self._outdev
        while self._copies:
            self._send(self._copies.popleft())
        if outdev.backlog > self.max_backlog:
            self.counters.disconnected_slow_peer += 1
            outdev.disconnect(
                f"it fell more than max_backlog={self.max_backlog} bytes behind filter-mirror '{self.id}'"
            )

    def _send(self, copy: Batch) -> None:
        if self._outdev.connected:
            self.counters.mirrored += len(copy)
            self._outdev.write(copy)
        else:
            self.counters.not_mirrored_no_peer += len(copy)


MIRROR = ObjectType("filter-mirror", "sends a copy of each packet to a chardev", MirrorProperties, FilterMirror)
