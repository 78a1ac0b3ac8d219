"""
The comparer's checkpoints: when one is asked for, and the colo-peer's BEGIN and DONE round it.

Where one stands, and what can happen then::

                BEGINNING             MAKING                      ENDING
    waits for   BEGIN's answer        the checkpointer            DONE's answer
    then        MAKING                done: ENDING                flush; IDLE
    unchanged                         ABORT unchanged; failed
    failed                            ABORT; failed
    peer gone   failed                cancel; failed              failed
    timeout     ABORT unchanged;      cancel; ABORT; failed       failed
                failed
    repeats     BEGIN                                             DONE

Without a colo-peer there is MAKING alone, and its end is the flush.
"""

from __future__ import annotations

import enum
import secrets
import time
from typing import Any

from twisted.internet.defer import Deferred

from colo_twisted.compare.hooks import CheckpointsCounters, Hooks
from colo_twisted.countdown import Countdown
from colo_twisted.interfaces import ICheckpointer, IColoPeer, Outcome
from colo_twisted.packets.marker import NONCE_SIZE
from colo_twisted.reporting import Reporter

_LONG_AGO = float("-inf")


class Phase(enum.Enum):
    """See above."""

    IDLE = "idle"
    BEGINNING = "beginning"
    MAKING = "making"
    ENDING = "ending"


class Checkpoints:
    """
    One at a time.

    @ivar reason: why the one is made that is under way, or was.
    """

    def __init__(
        self,
        reactor: Any,
        report: Reporter,
        checkpointer: ICheckpointer | None,
        peer: IColoPeer | None,
        min_interval: float,
        repeat: float,
        timeout: float,
        hooks: Hooks,
        first_number: int | None = None,
    ) -> None:
        """
        @param min_interval: seconds from one that was asked for to the next, each from its beginning.
        @param repeat: compare_timeout, in seconds.
        @param timeout: checkpoint_timeout, in seconds, from the request on.
            These three can be changed later.
        @param first_number: by default, milliseconds of the wall clock: none comes again after a restart.
        """
        self.counters = CheckpointsCounters()
        self.phase = Phase.IDLE
        self.reason = ""
        self._reactor = reactor
        self._report = report
        self._checkpointer = checkpointer
        self._peer = peer
        self._min_interval = min_interval
        self._repeat = repeat
        self._timeout = timeout
        self._hooks = hooks
        self._number = (int(time.time() * 1000) if first_number is None else first_number) - 1
        self._nonce = b""
        self._mark = 0
        self._began = _LONG_AGO  # when the last one that was asked for did
        self._taken_at = 0.0
        self._again: str | None = None  # why another one is needed
        self._delayed = ""  # why the one is needed that min_interval delays
        self._made_at: int | None = None  # the mark of one that the other side made, and that has not been used
        self._halted_at: int | None = None  # the mark of when the primary's guest came to stand still for one
        self._asked_since = False  # somebody has, since then
        self._stopped = False
        self._later = Countdown(reactor)  # the next one: min_interval forbids it until then
        self._deadline = Countdown(reactor)
        self._repeating = Countdown(reactor)
        if checkpointer is not None:
            checkpointer.unasked = self._unasked
            checkpointer.halts = self._halted
            checkpointer.wanted = self._wanted
        if peer is not None:
            peer.watchers.append(self._peer_changed)

    @property
    def available(self) -> bool:
        """Whether there is a checkpointer."""
        return self._checkpointer is not None

    def start(self) -> None:
        """Say what an operator should know before the first divergence."""
        if self._checkpointer is None:
            self._report.warn("there is no checkpointer: what diverges is let go, unprotected, after compare_timeout")

    def stop(self) -> None:
        """Give up the one under way, and make no more, whoever asks."""
        if self._stopped:
            return
        self._stopped = True
        self._let_parts_go()
        self.give_up()

    def _let_parts_go(self) -> None:
        """Hear nothing more of the checkpointer and the peer, which may outlive this."""
        if self._checkpointer is not None and self._checkpointer.unasked == self._unasked:
            self._checkpointer.unasked = self._checkpointer.halts = lambda: None
            self._checkpointer.wanted = lambda reason: None
        if self._peer is not None:
            self._peer.watchers.remove(self._peer_changed)

    def give_up(self) -> None:
        """End the one under way, in order, and those that were asked for."""
        self._again = self._made_at = None
        phase = self._leave()
        self._later.end()
        if phase is Phase.MAKING and self._checkpointer is not None:
            self._checkpointer.cancel()
        if phase in (Phase.BEGINNING, Phase.MAKING) and self._peer is not None:
            self._peer.abort(self._number, phase is Phase.BEGINNING)
        if phase is not Phase.IDLE:
            self._tell_end(Outcome.UNCHANGED if phase is Phase.BEGINNING else Outcome.FAILED)

    def change(self, min_interval: float, repeat: float, timeout: float) -> None:
        """Go on with these, for what waits already too."""
        self._min_interval, self._repeat, self._timeout = min_interval, repeat, timeout
        self._later.end_in(self._wait)
        self._deadline.last(self._patience)
        self._repeating.last(repeat)

    @property
    def _wait(self) -> float:
        """How long min_interval forbids one; never longer than that, should the clock have been put back."""
        wait: float = self._began + self._min_interval - self._reactor.seconds()
        return min(wait, self._min_interval)

    @property
    def _patience(self) -> float:
        return self._repeat if self._checkpointer is None else self._timeout

    def request(self, reason: str) -> int:
        """
        Ask for one, as soon as that is allowed: when the one under way has ended, and min_interval is over.

        @return: the number of the first one that settles all that has come by now, should it be made.
        """
        number = self._number + (not self._settles_all_by_now)
        if self._stopped:
            return number
        self.counters.requested += 1
        self._asked_since = True
        self._hooks.requested(reason)
        if self.phase is not Phase.IDLE:
            self._again = reason
        elif not self._later.running:
            self._ask(reason)
        return number

    @property
    def _settles_all_by_now(self) -> bool:
        """Whether the one under way makes another one needless: see _move_mark."""
        is_marked = self._made_at is not None or self._halted_at is not None
        to_be_marked = self.phase in (Phase.BEGINNING, Phase.MAKING) and not is_marked
        return to_be_marked and self._checkpointer is not None and self._checkpointer.pauses_primary

    def _ask(self, reason: str) -> None:
        self._be_patient()
        if self._checkpointer is None:
            return
        if self._wait > 0:
            self._delayed = reason
            self._later.begin(self._wait, self._now, reason)
        else:
            self._now(reason)

    def _be_patient(self) -> None:
        if not self._deadline.running:
            self._deadline.begin(self._patience, self._out_of_time)

    def _now(self, reason: str) -> None:
        self._began = self._reactor.seconds()
        self._be_patient()
        self._begin(self._hooks.mark(), reason)

    # one checkpoint

    def _begin(self, mark: int, reason: str) -> None:
        self._number += 1
        self._mark = mark
        self.reason = reason
        self._taken_at = self._reactor.seconds()
        self.counters.begun += 1
        self._report.info(f"checkpoint {self._number} begins: {reason}", kind="checkpoint")
        if self._peer is None:
            self._make()
        elif not self._peer.connected:
            self._fail("the colo-peer is not connected")
        elif len(self._hooks.offsets()) > self._peer.most_offsets:
            too_many = f"this side's filter-rewriter rewrites more than {self._peer.most_offsets} connections"
            self._fail(f"{too_many} that it took over: try again when fewer are left", unchanged=True)
        else:
            self._nonce = secrets.token_bytes(NONCE_SIZE)
            self._enter(Phase.BEGINNING)
            self._send()

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._hooks.changed()

    def _send(self, again: bool = False) -> None:
        """BEGIN or DONE, until it is answered."""
        assert self._peer is not None
        self.counters.repeated += again
        self._repeating.begin(self._repeat, self._send, True)
        if self.phase is Phase.BEGINNING:
            answer = self._peer.begin(self._number, self._nonce)
        else:
            answer = self._peer.done(self._number, self._hooks.offsets())
        answer.addCallback(self._answered, self._number, self.phase)

    def _answered(self, is_there: bool, number: int, phase: Phase) -> None:
        if (number, phase) != (self._number, self.phase):
            return
        self._repeating.end()
        if not is_there:
            self._fail("the secondary is gone")
        elif phase is Phase.BEGINNING:
            self._make()
        else:
            self._done()

    def _make(self) -> None:
        self._enter(Phase.MAKING)
        if self._peer is not None:  # its guest stands still; the primary's may soon be ahead of what it has said
            self._hooks.ignore_secondary(self._nonce)
        if self._made_at is not None:
            self._made(Outcome.DONE, self._number)
            return
        assert self._checkpointer is not None
        made: Deferred[Outcome] = self._checkpointer.checkpoint(self._number)
        made.addCallback(self._made, self._number)

    def _made(self, outcome: Outcome, number: int) -> None:
        if (number, Phase.MAKING) != (self._number, self.phase):
            return  # too late
        if outcome is not Outcome.DONE:
            self._abort(outcome is Outcome.UNCHANGED, f"the checkpointer says: {outcome.value}")
            return
        self._move_mark()
        if self._peer is None:
            self._done()
        else:
            self._enter(Phase.ENDING)
            self._send()

    def _move_mark(self) -> None:
        """Where the primary's guest stands still, all that it sent before is settled, later requests' too."""
        assert self._checkpointer is not None
        if self._made_at is not None:
            self._mark, self._made_at = self._made_at, None
        elif self._checkpointer.pauses_primary:
            self._mark = self._mark_of_halt()

    def _halted(self) -> None:
        """It stands still: perhaps for a checkpoint."""
        self._halted_at = self._hooks.mark_all()
        self._asked_since = False

    def _mark_of_halt(self) -> int:
        """Where it came to stand still for the one that is made; what was asked for before is in that."""
        mark, self._halted_at = self._halted_at, None
        if mark is None:
            mark = self._hooks.mark()
        elif self._asked_since:
            return mark
        self._again = None
        return mark

    def _done(self) -> None:
        self._leave()
        taken = self._reactor.seconds() - self._taken_at
        self.counters.last_ms = round(taken * 1000)
        self._report.info(f"checkpoint {self._number} is done, in {taken:.3f} s", kind="checkpoint")
        self._tell_end(Outcome.DONE)
        self._hooks.flush(self._mark)
        self._go_on()

    def _tell_end(self, outcome: Outcome) -> None:
        name = outcome.value
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        self._hooks.ended(self._number, outcome, self._reactor.seconds() - self._taken_at)

    # how it fails

    def _abort(self, unchanged: bool, why: str) -> None:
        """The secondary is there: tell it."""
        self.phase = Phase.IDLE
        if self._peer is not None:
            self._peer.abort(self._number, unchanged)
        self._fail(why, unchanged, invalid=not unchanged and self._peer is not None)

    def _fail(self, why: str, unchanged: bool = False, invalid: bool = False) -> None:
        self._leave()
        self._made_at = None
        self._report.warn(f"checkpoint {self._number} failed: {why}", kind="failed")
        self._tell_end(Outcome.UNCHANGED if unchanged else Outcome.FAILED)
        self._hooks.heed_secondary()
        self._hooks.failed(why, invalid)
        self._go_on()

    def _peer_changed(self, is_there: bool) -> None:
        if is_there or self.phase is Phase.IDLE:
            return
        self._cancel_making()
        self._fail("the secondary is gone")

    def _out_of_time(self) -> None:
        if self._checkpointer is None:
            self._hooks.failed("there is no checkpointer", False)
            return
        phase = self.phase
        self.counters.timed_out += 1
        why = f"none was made within {self._timeout:g} s"
        if phase is Phase.IDLE:
            self._hooks.failed(f"{why}: checkpoint_min_interval forbids it", False)
        elif phase is Phase.ENDING:
            self._fail(f"{why}: the secondary has not answered DONE")
        elif phase is Phase.MAKING:
            self._cancel_making()
            self._abort(False, f"{why}: the checkpointer has not ended")
        else:
            self._abort(True, f"{why}: the secondary has not answered BEGIN")

    def _cancel_making(self) -> None:
        """What it says now comes too late."""
        if self.phase is Phase.MAKING and self._checkpointer is not None:
            self.phase = Phase.IDLE
            self._checkpointer.cancel()

    def _leave(self) -> Phase:
        """Nothing is under way any more; what was."""
        phase, self.phase = self.phase, Phase.IDLE
        self._deadline.end()
        self._repeating.end()
        return phase

    def _go_on(self) -> None:
        """With what came meanwhile; a hook may have asked already."""
        if self.phase is not Phase.IDLE or self._stopped:
            return
        self._hooks.changed()
        if self._made_at is not None:
            self._take_unasked()
        elif self._again is not None:
            again, self._again = self._again, None
            if not self._later.running:
                self._ask(again)

    # one that the other side makes

    def _unasked(self) -> None:
        """One was made: the primary stands still now (Xen), or did so just before (QEMU)."""
        self.counters.unasked += 1
        is_later = self._halted_at is not None and self._asked_since
        self._made_at = self._mark_of_halt()
        if self._later.running:
            self._later.end()
            self._again = self._delayed if is_later else None
        if self.phase is Phase.IDLE:
            self._take_unasked()

    def _wanted(self, reason: str) -> None:
        """The checkpointer knows why one is needed."""
        if not self._stopped:
            self.request(reason)

    def _take_unasked(self) -> None:
        assert self._made_at is not None
        self._be_patient()
        self._begin(self._made_at, "the other side has made one")
