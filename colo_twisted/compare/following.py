"""
Whether the secondary is followed, and how that ends and begins again (SEMANTICS, 'Protection').

What is open becomes unprotected in two steps: the secondary is told, and what is held goes when it has answered, or
has closed. Without a colo-peer nobody would take over by itself, and compare_timeout alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colo_twisted.countdown import Countdown
from colo_twisted.interfaces import IColoPeer
from colo_twisted.packets.comparing.flow_table import FOLLOWING, HOLDING, OPEN, FlowTable
from colo_twisted.reporting import Reporter

# what the lost state waits for
_OPENS = "what is held goes after compare_timeout"
_ANSWERS = "nothing leaves until the secondary answers, or its colo-peer's connection closes"


class Following:
    """
    Holds, opens and follows on behalf of a comparer.

    @ivar lost: what keeps the secondary from being followed, in words; None while nothing does.
    @ivar staged: whether that is only that the filter-mirrors are off.
    @ivar invalid: why the secondary is, since a checkpoint that failed, until the next; else None.
    @ivar alone: why the primary runs alone until the secondary comes anew, whatever the channels say; else None.
    """

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        flows: FlowTable,
        timeout: float,
        report: Reporter,
        ask_checkpoint: Callable[[], bool],
        changed: Callable[[], None],
        told: Callable[[], None],
    ) -> None:
        """
        @param timeout: compare_timeout, in seconds.
        @param ask_checkpoint: called when the secondary is back after a loss: True if a checkpoint is asked for, which
            will make it follow.
        @param changed: called when frames may have been let go.
        @param told: called when ``state`` or ``reason`` may have changed.
        """
        self.peer: IColoPeer | None = None
        self.lost: str | None = "it has not been started"
        self.staged = False
        self.invalid: str | None = None
        self.alone: str | None = None
        self._monotonic = monotonic
        self._flows = flows
        self._timeout = timeout
        self._report = report
        self._ask_checkpoint = ask_checkpoint
        self._changed = changed
        self._told = told
        self._losses = 0
        self._why_lost = ""
        self._waits_for = ""
        self._followed = False  # whether it ever was
        self._patience = Countdown(reactor)
        self._unanswered = 0  # requests about single connections
        self._naming = Countdown(reactor)  # until the first of them has waited for too long

    @property
    def state(self) -> str:
        """The replica's: synced, joining, lost or alone."""
        if self._flows.gate == FOLLOWING:
            return "synced"
        if self._flows.gate == HOLDING:
            return "lost"
        return "alone" if self.alone is not None or (self.lost is not None and not self.staged) else "joining"

    @property
    def reason(self) -> str:
        """Why it isn't synced: what is lost, what it waits for, in words; '' when it is."""
        if self._flows.gate == FOLLOWING:
            return ""
        if self._flows.gate == HOLDING:
            return f"{self._why_lost}; {self._waits_for}"
        if self.alone is not None or self.lost is not None:
            return "; ".join(why for why in (self.alone, self.lost) if why is not None)
        if self.invalid is not None:
            return f"the secondary is invalid until a checkpoint is made: {self.invalid}"
        return self._waits_for

    def channels_changed(self, lost: str | None, staged: bool = False) -> None:
        """What is down (in words), or that all are up (None)."""
        was_up = self.lost is None
        self.lost, self.staged = lost, staged
        if lost is None:
            self.alone = None  # something was down: who is there now has come anew
            if self._flows.gate != HOLDING:
                self._join()
        else:
            if was_up:
                self.invalid = None  # whoever comes next says so itself, by not answering
            if self._flows.gate == FOLLOWING:
                self._lose(f"lost: {lost}: what is open becomes unprotected", lost)
        self._told()

    def change_timeout(self, timeout: float) -> None:
        """Let compare_timeout be so many seconds, for what waits already too."""
        self._timeout = timeout
        self._patience.last(timeout)
        self._naming.last(timeout)

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._losses += 1
        self._patience.end()
        self._naming.end()

    def secondary_invalid(self, reason: str) -> None:
        """A checkpoint has failed: the secondary's guest stands still until one is made."""
        self.invalid = reason
        if self._flows.gate == FOLLOWING:
            text = "the secondary is invalid until a checkpoint is made"
            self._lose(f"{text}, and nothing is protected: {reason}", f"{text}: {reason}")
        self._told()

    # the secondary can't follow

    def _lose(self, text: str, why: str) -> None:
        if self.peer is not None:
            self._hold(text, why, self._say_lost)
            self.peer.name_unprotected(None).addCallback(self._answered, self._losses)
        else:
            self._hold(text, why, self._open, "nobody has taken its place within compare_timeout")

    def _hold(self, text: str, why: str, impatient: Callable[..., None], *more: str) -> None:
        """Hold all; what is called after compare_timeout, unless it has ended by then."""
        self._losses += 1
        self._report.warn(text, kind="lost")
        self._why_lost = why
        self._waits_for = _OPENS if self.peer is None else _ANSWERS
        self._flows.hold()
        self._patience.begin(self._timeout, impatient, self._losses, *more)
        self._told()

    def _say_lost(self, loss: int) -> None:
        if loss == self._losses and self._flows.gate == HOLDING:
            self._report.warn(
                "the secondary does not answer: nothing leaves until it does, or its colo-peer's connection closes"
            )

    def _answered(self, is_there: bool, loss: int) -> None:
        self._open(loss, "the secondary has answered" if is_there else "the secondary is closed")

    def _open(self, loss: int, why: str) -> None:
        if loss != self._losses or self._flows.gate != HOLDING:
            return
        self._open_now(why)
        if self.lost is None:
            self._join()
        self._told()

    def _open_now(self, why: str) -> None:
        self._patience.end()
        if self._flows.gate != OPEN:
            self._flows.open(self._monotonic())
        self._report.info(f"the primary's guest runs on uncompared: {why}", kind="open")
        self._changed()

    def isolate(self, reason: str) -> None:
        """Tell the secondary that it is invalid; run alone when it knows."""
        if self.peer is None or self._flows.gate != FOLLOWING:
            return
        self.alone = f"the secondary was made invalid: {reason}"
        text = f"the secondary is told that it is invalid: {reason}"
        self._hold(text, text, self._say_lost)
        self.peer.invalidate(reason).addCallback(self._answered, self._losses)

    def run_alone(self, reason: str) -> None:
        """
        Somebody who knows says that there is no secondary: let all go and hold nothing, until one comes anew.

        It is told, should it be there after all; nothing waits for its answer.
        """
        self._losses += 1
        self.alone = reason
        self.invalid = None
        if self.peer is not None:
            self.peer.name_unprotected(None)
        self._open_now(reason)
        self._told()

    # it follows again

    def _join(self) -> None:
        if self.alone is not None or self.invalid is not None:
            return
        self._waits_for = "it waits for a checkpoint"
        if not (self._followed and self._ask_checkpoint()):
            self.follow()

    @property
    def _may_follow(self) -> bool:
        return self.lost is None and self.alone is None and self._flows.gate != FOLLOWING

    def follow(self) -> None:
        """New connections are followed from now on, once the secondary knows."""
        if not self._may_follow or self.invalid is not None:
            return
        now = self._monotonic()
        if self.peer is None:
            self._follow(True, self._losses, now)
            return
        if not self._patience.running:
            self._patience.begin(self._timeout, self._say_not_followed, self._losses)
        if self._flows.gate == OPEN:
            self._waits_for = "it waits for the secondary to say that it follows"
            self._told()
        if self._flows.gate == OPEN:  # all that is open by now goes uncompared; it may have missed that
            self.peer.name_unprotected(None)
        self.peer.protect_new().addCallback(self._follow, self._losses, now)

    def _say_not_followed(self, loss: int) -> None:
        if loss == self._losses and self._flows.gate == OPEN and self.lost is None:
            self._report.warn(
                "nothing is protected: the secondary does not say that it follows (it may be invalid: see its log)",
                kind="not followed",
            )

    def peer_came(self) -> None:
        """The colo-peer has a new connection: a secondary that was followed without one is told so again."""
        if self._flows.gate == FOLLOWING and self.peer is not None and self.peer.bound:
            self.peer.protect_new()

    def follow_from_checkpoint(self) -> None:
        """
        All connections are followed from now on: the secondary has just become the primary's equal.

        That ends what was said of the secondary before. Where it can't be followed all the same, it is told that
        nothing is protected: it thinks so, since the checkpoint.
        """
        self.invalid = self.alone = None
        if self._may_follow and self._flows.gate == OPEN:
            if self.peer is not None:
                self.peer.protect_new()
            self._follow(True, self._losses, self._monotonic())
        elif self.lost is not None and self.peer is not None and self._flows.gate == OPEN:
            self.peer.name_unprotected(None)
        self._told()

    def _follow(self, is_there: bool, loss: int, since: float) -> None:
        if not is_there or loss != self._losses or self.lost is not None or self._flows.gate == FOLLOWING:
            return
        self._followed = True
        self._patience.end()
        self._flows.follow(since)
        self._report.info("synced: new connections are protected", kind="synced")
        self._told()
        if self._flows.unnamed:
            self.name_unprotected()

    # single connections

    def name_unprotected(self) -> None:
        """Tell the secondary of connections that go uncompared; they go when it has answered."""
        unnamed = list(self._flows.unnamed)
        self._flows.unnamed.clear()
        if self.peer is None:
            self._let_go(True, unnamed)
        else:
            self._unanswered += 1
            if not self._naming.running:
                self._naming.begin(self._timeout, self._never_answered)
            answer = self.peer.name_unprotected([flow.key for flow in unnamed])
            answer.addCallback(self._answered_names).addCallback(self._let_go, unnamed)

    def _answered_names(self, is_there: bool) -> bool:
        """It lives: what it was told later has its own time."""
        self._naming.end()
        self._unanswered -= 1
        if self._unanswered:
            self._naming.begin(self._timeout, self._never_answered)
        return is_there

    def _never_answered(self) -> None:
        """It can't take over for as long as it doesn't go on, but nobody here knows that: SEMANTICS calls it lost."""
        if self._flows.gate == FOLLOWING:
            text = "the secondary does not answer"
            self._lose(f"lost: {text}: what is open becomes unprotected", text)

    def _let_go(self, _: bool, flows: list[Any]) -> None:
        now = self._monotonic()
        for flow in flows:
            self._flows.let_go(flow, now)
        self._changed()
