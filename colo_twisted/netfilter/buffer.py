"""``filter-buffer``: holds packets and lets them all go at every interval."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from twisted.internet.task import LoopingCall

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IMachine
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.kinds import Duration, Size
from colo_twisted.packets.batch import Batch


@dataclass(frozen=True, kw_only=True)
class BufferProperties(FilterProperties):
    """QEMU's interval, and ``max_backlog``."""

    interval: int = prop(Duration("us", 1, (1 << 32) - 1), "time between two releases, in microseconds", settable=True)
    max_backlog: int = prop(
        Size(least=1 << 17), "bytes held at most; frames beyond are dropped", default=64 << 20, settable=True
    )


@dataclass
class BufferCounters(Counters):
    """Frames, by what became of them."""

    held: int = 0
    released: int = 0
    dropped_backlog: int = 0


class FilterBuffer(Filter):
    """
    Releases in the order in which batches came, both directions together.

    Once stopped it holds nothing more: another buffer's last frames pass.
    """

    def __init__(self, properties: BufferProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: BufferCounters = BufferCounters()
        self.max_backlog = properties.max_backlog
        self._seconds = properties.interval / 1_000_000
        self._held: deque[tuple[Batch, Direction]] = deque()
        self._held_bytes = 0
        self._stopped = False
        self._clockwork = LoopingCall(self.release)
        self._clockwork.clock = self.reactor

    def start(self) -> None:
        self._clockwork.start(self._seconds, now=False)

    def stop(self) -> None:
        if self._clockwork.running:
            self._clockwork.stop()
        self._stopped = True
        self.release()

    def change(self, properties: BufferProperties) -> None:
        """One that is switched off holds nothing any more: what it held goes first."""
        self.max_backlog = properties.max_backlog
        if properties.interval / 1_000_000 != self._seconds:
            self._seconds = properties.interval / 1_000_000
            if self._clockwork.running:
                self._clockwork.stop()
                self._clockwork.start(self._seconds, now=False)
        if not properties.status:
            self.release()
        super().change(properties)

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        if self._stopped:
            return batch
        if self._held and self._held_bytes + len(batch.data) > self.max_backlog:
            self.counters.dropped_backlog += len(batch)
            return None
        self.counters.held += len(batch)
        self._held.append((batch, direction))
        self._held_bytes += len(batch.data)
        return None

    def release(self) -> None:
        """Let go what is held now, each batch behind this filter in its own direction."""
        due, self._held, self._held_bytes = self._held, deque(), 0
        chain = self.machine.chain(self.netdev)
        for batch, direction in due:
            self.counters.released += len(batch)
            chain.inject(self, direction, batch)


BUFFER = ObjectType("filter-buffer", "holds packets and releases them at intervals", BufferProperties, FilterBuffer)
