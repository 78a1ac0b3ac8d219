"""Frames on their way through a comparer: in on either side, out at outdev, and what its time-outs let go."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.compare.counters import CompareCounters
from colo_twisted.interfaces import IChardev, IMachine
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.reporting import Reporter

MOST_BACKLOG = 64 << 20  # bytes that may wait for outdev's peer


class Passage:
    """
    The way from primary_in to outdev.

    @ivar outdev: where it ends; whoever makes this sets it before the first frame comes.
    @ivar uncompared: whether the primary's frames pass as they come, and the secondary's are nothing to anybody.
    """

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
        if self.uncompared:
            return
        now = self._monotonic()
        self._heard(now)
        self.send(self._comparer.receive_secondary(batch, now))
        self._heed(now)

    def pour(self) -> None:
        """Send what was let go otherwise than by a packet."""
        self.send(self._comparer.finish())

    def send(self, batch: Batch | None) -> None:
        """Send what was released, if anything was."""
        if batch is None:
            return
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
        deadlines = (self._comparer.next_deadline, further)
        deadline = min((known for known in deadlines if known is not None), default=None)
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
