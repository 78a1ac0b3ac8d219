"""
Whether the secondary is followed, and how that ends and begins again (SEMANTICS, 'Protection').

What is open becomes unprotected in two steps: the secondary is told, and what is held goes when it has answered, or
has closed. Without a colo-peer nobody would take over by itself, and compare_timeout alone decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.interfaces import IColoPeer
from colo_twisted.packets.comparing.flow_table import FOLLOWING, HOLDING, OPEN, FlowTable
from colo_twisted.reporting import Reporter


class Following:
    """
    Holds, opens and follows on behalf of a comparer.

    ``ask_checkpoint`` is called when the secondary is back after a loss: True if a checkpoint is asked for, which will
    make it follow. ``changed`` is called when frames may have been let go.
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
    ) -> None:
        self.peer: IColoPeer | None = None
        self.lost: str | None = "the channels"  # what is, in words
        self.invalid = False  # since a checkpoint that failed, until the next
        self.alone = False  # by on_divergence=isolate: until the secondary comes anew
        self._reactor = reactor
        self._monotonic = monotonic
        self._flows = flows
        self._timeout = timeout
        self._report = report
        self._ask_checkpoint = ask_checkpoint
        self._changed = changed
        self._losses = 0
        self._followed = False  # whether it ever was
        self._patience: IDelayedCall | None = None

    @property
    def state(self) -> str:
        """The replica's: synced, joining, lost or alone."""
        if self._flows.gate == FOLLOWING:
            return "synced"
        if self._flows.gate == HOLDING:
            return "lost"
        return "alone" if self.alone or self.lost is not None else "joining"

    def channels_changed(self, lost: str | None) -> None:
        """A channel was lost (in words), or all are up (None)."""
        self.lost = lost
        if lost is not None:
            self.invalid = False  # whoever comes next says so itself, by not answering
        if lost is None:
            if self._flows.gate != HOLDING:
                self._join()
        elif self._flows.gate == FOLLOWING:
            self._lose(f"lost {lost}: what is open becomes unprotected")
        else:
            self.alone = False

    def stop(self) -> None:
        """Wait for nothing any more."""
        self._losses += 1
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()

    def secondary_invalid(self, reason: str) -> None:
        """A checkpoint has failed: the secondary's guest stands still until one is made."""
        self.invalid = True
        if self._flows.gate == FOLLOWING:
            self._lose(f"the secondary is invalid until a checkpoint is made, and nothing is protected: {reason}")

    # the secondary can't follow

    def _lose(self, text: str) -> None:
        if self.peer is not None:
            self._hold(text, self._say_lost)
            self.peer.name_unprotected(None).addCallback(self._answered, self._losses)
        else:
            self._hold(text, self._open, "nobody has taken its place within compare_timeout")

    def _hold(self, text: str, impatient: Callable[..., None], *more: str) -> None:
        """Hold all; what is called after compare_timeout, unless it has ended by then."""
        self._losses += 1
        self._report.warn(text, kind="lost")
        self._flows.hold()
        self._patience = self._reactor.callLater(self._timeout, impatient, self._losses, *more)

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
        self._stop_waiting()
        self._flows.open(self._monotonic())
        self._report.info(f"the primary's guest runs on uncompared: {why}", kind="open")
        self._changed()
        if self.lost is None:
            self._join()

    def isolate(self, reason: str) -> None:
        """Tell the secondary that it is invalid; run alone when it knows."""
        if self.peer is None or self._flows.gate != FOLLOWING:
            return
        self.alone = True
        self._hold(f"the secondary is told that it is invalid: {reason}", self._say_lost)
        self.peer.invalidate(reason).addCallback(self._answered, self._losses)

    # it follows again

    def _join(self) -> None:
        if self.alone or self.invalid:
            return
        if not (self._followed and self._ask_checkpoint()):
            self.follow()

    def follow(self) -> None:
        """New connections are followed from now on, once the secondary knows."""
        if self._flows.gate == FOLLOWING or self.lost is not None or self.alone or self.invalid:
            return
        now = self._monotonic()
        if self.peer is None:
            self._follow(True, self._losses, now)
            return
        if self._patience is None or not self._patience.active():
            self._patience = self._reactor.callLater(self._timeout, self._say_not_followed, self._losses)
        self.peer.protect_new().addCallback(self._follow, self._losses, now)

    def _say_not_followed(self, loss: int) -> None:
        if loss == self._losses and self._flows.gate == OPEN and self.lost is None:
            self._report.warn(
                "nothing is protected: the secondary does not say that it follows (it may be invalid: see its log)",
                kind="not followed",
            )

    def follow_from_checkpoint(self) -> None:
        """All connections are followed from now on: the secondary has just become the primary's equal."""
        self.invalid = False
        if self.lost is None and not self.alone and self._flows.gate == OPEN:
            if self.peer is not None:
                self.peer.protect_new()
            self._follow(True, self._losses, self._monotonic())

    def _follow(self, is_there: bool, loss: int, since: float) -> None:
        if not is_there or loss != self._losses or self.lost is not None or self._flows.gate == FOLLOWING:
            return
        self._followed = True
        self._stop_waiting()
        self._flows.follow(since)
        self._report.info("synced: new connections are protected", kind="synced")
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
            self.peer.name_unprotected([flow.key for flow in unnamed]).addCallback(self._let_go, unnamed)

    def _let_go(self, _: bool, flows: list[Any]) -> None:
        now = self._monotonic()
        for flow in flows:
            self._flows.let_go(flow, now)
        self._changed()
