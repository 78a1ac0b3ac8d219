"""Frames on their way through a comparer: in on either side, out at outdev, and what its time-outs let go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.compare.counters import CompareCounters
from colo_twisted.interfaces import IChardev, IColoPeer, IMachine
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.reporting import Reporter

MOST_BACKLOG = 64 << 20  # bytes that may wait for outdev's peer
MOST_HUSHED = 64 << 20  # bytes that may wait until the guest may be heard again


class Passage:
    """
    The way from primary_in to outdev.

    @ivar primary_in: where it begins, and outdev: where it ends; whoever makes this sets both before the first frame.
    @ivar peer: the colo-peer, which knows whether the guest may be heard; None without one.
    @ivar overhear: what the secondary's frames go through first.
    @ivar uncompared: whether the primary's frames pass as they come, and the secondary's are nothing to anybody.
    """

    primary_in: IChardev
    outdev: IChardev

    def __init__(
        self,
        machine: IMachine,
        comparer: Comparer,
        counters: CompareCounters,
        report: Reporter,
        heard: Callable[[float], None],
        heed: Callable[[float], None],
        due: Callable[[float], None],
    ) -> None:
        """
        @param heard: called with the time when the secondary has sent something, before anybody looks at it.
        @param heed: called with the time when the comparer may have something to tell, and a new time-out.
        @param due: called with the time that ``wake`` was told of; ``heed`` comes after it.
        """
        self.uncompared = False
        self.peer: IColoPeer | None = None
        self.overhear: Callable[[Batch], Batch | None] | None = None
        self._hushed: deque[Batch] = deque()
        self._hushed_bytes = 0
        self._is_shut = False
        self._reactor = machine.reactor
        self._monotonic = machine.monotonic
        self._comparer = comparer
        self._counters = counters
        self._report = report
        self._heard = heard
        self._heed = heed
        self._due = due
        self._ended = False
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0

    def receive_primary(self, batch: Batch) -> None:
        """Frames of the primary's guest."""
        if self.uncompared:
            self.send(batch)
            return
        now = self._monotonic()
        self.send(self._comparer.receive_primary(batch, now))
        self._heed(now)

    def receive_secondary(self, batch: Batch) -> None:
        """Frames of the secondary's guest."""
        rest = batch if self.overhear is None else self.overhear(batch)
        if rest is None or self.uncompared:
            return
        now = self._monotonic()
        self._heard(now)
        self.send(self._comparer.receive_secondary(rest, now))
        self._heed(now)

    def drain(self) -> None:
        """Receive what the primary's guest has sent by now."""
        self.primary_in.drain()

    def pour(self) -> None:
        """Send what was let go otherwise than by a packet."""
        self.send(self._comparer.finish())

    def send(self, batch: Batch | None) -> None:
        """Send what was released, if anything was."""
        if batch is None:
            return
        if self.peer is not None and not self.peer.may_speak:
            self._keep(batch)
        else:
            if self._hushed:
                self.open_gate()
            self._write(batch)

    def _keep(self, batch: Batch) -> None:
        """Nothing of the guest's may be heard now."""
        if self._is_shut or self._hushed_bytes + len(batch.data) > MOST_HUSHED:
            self._counters.dropped_hushed += len(batch)
            return
        self._hushed.append(batch)
        self._hushed_bytes += len(batch.data)

    def open_gate(self) -> None:
        """See whether what was kept may be heard."""
        while self._hushed and (self.peer is None or self.peer.may_speak):
            batch = self._hushed.popleft()
            self._hushed_bytes -= len(batch.data)
            self._write(batch)

    def shut(self, is_shut: bool) -> None:
        """Whether another speaks in its place: what was kept, or comes, goes nowhere then."""
        self._is_shut = is_shut
        if not is_shut:
            return
        self._counters.dropped_hushed += sum(len(batch) for batch in self._hushed)
        self._hushed.clear()
        self._hushed_bytes = 0

    def _write(self, batch: Batch) -> None:
        outdev = self.outdev
        if not outdev.connected:
            self._counters.dropped_no_peer += len(batch)
        elif outdev.backlog > MOST_BACKLOG:
            self._counters.dropped_backlog += len(batch)
            self._report.warn(f"dropped released frames: outdev is {MOST_BACKLOG} bytes behind", kind="backlog")
        else:
            outdev.write(batch)

    # time

    def wake(self, further: float | None) -> None:
        """See to the comparer's next time-out, and to a further one (monotonic, in seconds)."""
        deadline = self._comparer.next_deadline
        if further is not None and (deadline is None or further < deadline):
            deadline = further
        if deadline is None or self._ended:
            return
        if self._timer is not None and self._timer.active():
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._reactor.callLater(max(0.0, deadline - self._monotonic()), self._time_out)

    def _time_out(self) -> None:
        now = self._monotonic()
        self.send(self._comparer.expire(now))
        self._due(now)
        self._heed(now)

    def end(self) -> None:
        """No time-out is seen to any more."""
        self._ended = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
