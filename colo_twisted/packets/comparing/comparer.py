# cython: annotation_typing=False
"""
The comparer: the primary's packets go in, and come out when the secondary's are equal (SEMANTICS, 'Comparer').

Sans-IO. What may leave is returned as a batch; divergences and connections that the secondary must be told of are
gathered in lists that the caller empties after each call.
"""

from __future__ import annotations

from operator import attrgetter

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.flow_table import FOLLOWING, OPEN
from colo_twisted.packets.comparing.flows import NEVER, Flow
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.intake import Intake
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.comparing.protection import FOLLOWED, PASSED
from colo_twisted.packets.comparing.verdicts import EQUAL
from colo_twisted.packets.kinds import TCP
from colo_twisted.packets.wheel import Wheel


class Comparer(Intake):
    """
    Two streams of frames in, one out.

    ``divergences`` and ``flows.unnamed`` are lists of what is new: the caller empties them.
    """

    # time

    def expire(self, now: float) -> Batch | None:
        """Look at what has waited too long; what goes out because of that."""
        due: list[Flow] = self._wheel.due(now)
        for flow in due:
            flow.watched_until = NEVER
            if flow.protection == FOLLOWED and self.flows.get(flow.key) is flow:
                self._look_at(flow, now)
        self.flows.expire(now)
        self._drop_fragments(self._primary_fragments.expire(now))
        self._secondary_fragments.expire(now)
        return self.finish()

    def _look_at(self, flow: Flow, now: float) -> None:
        if self.flows.gate != FOLLOWING and flow.engaged():  # nobody could have sent anything meanwhile
            flow.watched_until = now + self._timeout
            self._wheel.put(flow, flow.watched_until)
            return
        verdict = flow.overdue(self._timeout, now) if flow.engaged() else EQUAL
        if verdict != EQUAL:
            self._diverge(flow, verdict, now)
        self._watch_again(flow)

    @property
    def next_deadline(self) -> float | None:
        """When to call expire; None while nothing waits."""
        deadlines = (
            self._wheel.next_deadline,
            self.flows.next_deadline,
            self._primary_fragments.next_deadline,
            self._secondary_fragments.next_deadline,
        )
        known = [deadline for deadline in deadlines if deadline is not None]
        return min(known) if known else None

    def limit(self, limits: Limits) -> None:
        """Let these bounds hold from now on, for what waits already too; max_connections stays what it was."""
        self._timeout = limits.compare_timeout
        self._most_queued = limits.max_queue_size
        self._most_bytes = limits.max_memory
        watched: list[Flow] = self._wheel.due(NEVER)
        self._wheel = Wheel(limits.grain)
        for flow in watched:
            flow.watched_until = NEVER
        for flow in watched:
            if self.flows.get(flow.key) is flow:
                self._watch_again(flow)

    def _watch_again(self, flow: Flow) -> None:
        if not flow.engaged():
            self.flows.rest(flow)
        elif flow.protection == FOLLOWED:
            self._watch(flow)

    # checkpoints

    def mark(self) -> int:
        """A checkpoint begins: what has come from the primary up to now is what ``flush`` lets go."""
        self._mark = self._order
        return self._mark

    def ignore_secondary(self, nonce: bytes) -> None:
        """What the secondary has sent means nothing any more, nor what it sends before its marker with this nonce."""
        self._awaited = nonce
        self._forget_secondary()
        self._forgotten = True

    def heed_secondary(self) -> None:
        """No marker will come: take the secondary's packets as they are."""
        self._awaited = None

    def _forget_secondary(self) -> None:
        for flow in self.flows.all():
            flow.forget_secondary()

    def flush(self, mark: int, now: float) -> Batch | None:
        """
        The secondary equals the primary as of ``mark``: what came before goes, in order; the rest is compared anew.

        Every flow is followed from here on, but for those that a rule lets pass; with an open gate none is.
        """
        if not self._forgotten:
            self._forget_secondary()
        self._forgotten = False
        self.tally.checkpoints += 1
        flows = self.flows.all()
        going: list[Held] = []
        for flow in flows:
            self._take_marked(flow, mark, going)
        going.sort(key=attrgetter("order"))
        for held in going:
            self.outlet.holds.record(now - held.since)
            self.outlet.add_held(held)
        for flow in flows:
            self._restart(flow, mark, now)
        self._mark = 0
        return self.finish()

    def _take_marked(self, flow: Flow, mark: int, going: list[Held]) -> None:
        later = []
        while flow.primary_head is not None:
            held = flow.pop_primary()
            if held.order <= mark:
                flow.pass_by(held)
                going.append(held)
            else:
                later.append(held)
        for held in later:
            flow.hold_primary(held)

    def _restart(self, flow: Flow, mark: int, now: float) -> None:
        if flow.protection == PASSED or flow.rule is not None:
            if flow.kind == TCP and self.flows.names:
                self.flows.unnamed.append(flow)  # the secondary took all for protected
            return
        if self.flows.gate == OPEN:  # a channel was lost meanwhile
            self.flows.pass_on(flow, now)
            return
        flow.protection = FOLLOWED
        if flow.mark != mark:
            flow.mark = 0
        verdict = flow.restart(self.outlet, now)
        flow.mark = 0
        if verdict != EQUAL:
            self._diverge(flow, verdict, now)
        elif flow.engaged():
            self._watch(flow)
        else:
            self.flows.rest(flow)

    # the end

    def hand_on(self, now: float) -> Batch | None:
        """
        Nobody compares any more: all of the primary's that is held goes, fragments too, and what is owed is paid.

        Nothing is to come behind this.
        """
        if self.flows.gate != OPEN:
            self.flows.open(now)
        for frames in self._primary_fragments.expire(NEVER):
            for frame in frames:
                self.outlet.add(frame, 0, len(frame))
        return self.finish()
