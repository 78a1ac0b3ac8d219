"""What a comparer does at each step of a checkpoint, and what of it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colo_twisted.compare.checkpoints import Checkpoints
from colo_twisted.compare.diverged import Diverged
from colo_twisted.compare.following import Following
from colo_twisted.compare.hooks import Hooks
from colo_twisted.compare.parts import own_offsets
from colo_twisted.compare.passage import Passage
from colo_twisted.compare.properties import MS, CompareProperties
from colo_twisted.countdown import Countdown
from colo_twisted.events import CheckpointDone, CheckpointRequested
from colo_twisted.interfaces import IHypervisor, IMachine, Outcome
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.protection import UNPROTECTED
from colo_twisted.reporting import Reporter


class Steps:
    """
    Stands between a comparer's parts and its checkpoints.

    @ivar checkpoints: these; whoever makes this calls ``begin`` once its parts are known.
    """

    checkpoints: Checkpoints

    def __init__(
        self,
        id: str,
        machine: IMachine,
        comparer: Comparer,
        following: Following,
        diverged: Diverged,
        passage: Passage,
        heed: Callable[[float], None],
        tell: Callable[[], None],
    ) -> None:
        """
        @param id: the comparer's.
        @param heed: called with the time when the comparer may have something to tell.
        @param tell: called when the replica's state may have changed.
        """
        self._id = id
        self._machine = machine
        self._events = machine.events
        self._monotonic = machine.monotonic
        self._reactor: Any = machine.reactor
        self._comparer = comparer
        self._following = following
        self._diverged = diverged
        self._passage = passage
        self._heed = heed
        self._retry = Countdown(machine.reactor)
        self._retry_seconds = 0.0
        self._goes_on_meanwhile = False  # the guest speaks again before a checkpoint's end is known here
        self._hooks = Hooks(
            comparer.mark,
            self._mark_all,
            comparer.ignore_secondary,
            comparer.heed_secondary,
            self._flush,
            self._no_checkpoint,
            offsets=lambda: own_offsets(machine),
            requested=self._requested,
            ended=self._ended,
            changed=tell,
        )

    def begin(self, properties: CompareProperties, checkpointer: Any, report: Reporter) -> None:
        """Be ready for requests; ``checkpointer`` and the colo-peer, which Following knows, may be None."""
        self._retry_seconds = properties.checkpoint_timeout / MS
        self._goes_on_meanwhile = IHypervisor.providedBy(checkpointer)
        self.checkpoints = Checkpoints(
            self._reactor,
            report,
            checkpointer,
            self._following.peer,
            properties.checkpoint_min_interval / MS,
            properties.limits.compare_timeout,
            properties.checkpoint_timeout / MS,
            self._hooks,
        )

    def change(self, properties: CompareProperties) -> None:
        """Go on with these, for what waits already too."""
        self._retry_seconds = properties.checkpoint_timeout / MS
        self._retry.last(self._retry_seconds)
        self.checkpoints.change(
            properties.checkpoint_min_interval / MS, properties.limits.compare_timeout, self._retry_seconds
        )

    def ask(self, reason: str) -> int | None:
        """Ask for one: its number, as Checkpoints.request has it; None: nobody makes any."""
        return self.checkpoints.request(reason) if self.checkpoints.available else None

    def give_up(self) -> None:
        """The one under way is of no use any more: there is no secondary."""
        self._retry.end()
        self.checkpoints.give_up()
        self._comparer.heed_secondary()

    def stop(self) -> None:
        """As Checkpoints.stop."""
        self._retry.end()
        self.checkpoints.stop()

    # the steps

    def _mark_all(self) -> int:
        for _, _, chain in self._machine.guests():
            chain.drain()
        self._passage.drain()
        return self._comparer.mark()

    def _requested(self, reason: str) -> None:
        self._events.emit(CheckpointRequested(self._id, reason))

    def _ended(self, number: int, outcome: Outcome, seconds: float) -> None:
        self._events.emit(CheckpointDone(self._id, number, outcome.value, round(seconds * MS)))

    def _flush(self, mark: int) -> None:
        now = self._monotonic()
        passed_some = self._goes_on_meanwhile and any(
            flow.protection == UNPROTECTED for flow in self._comparer.flows.all()
        )
        self._diverged.settle()
        self._following.follow_from_checkpoint()
        self._passage.send(self._comparer.flush(mark, now))
        self._heed(now)
        if passed_some and self._following.state == "synced":
            self.ask("what passed unheld while the last one was made may have brought clients ahead of the secondary")

    def _no_checkpoint(self, reason: str, invalid: bool) -> None:
        """As if there were no checkpointer; another one is asked for, if nothing can be protected without."""
        now = self._monotonic()
        if invalid:
            self._following.secondary_invalid(reason)
        self._diverged.release_all(now)
        self._following.follow()
        self._heed(now)
        if self._following.invalid is not None and not self._retry.running:
            self._retry.begin(self._retry_seconds, self._ask_again)

    def _ask_again(self) -> None:
        if self._following.invalid is not None:
            self.ask("the secondary is invalid until one is made")
