"""The primary's QEMU: it is asked for checkpoints, and makes some by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.countdown import Countdown
from colo_twisted.interfaces import IChangeable, ICheckpointer, IHypervisor, IMachine, Outcome
from colo_twisted.qemu.guest import ColoQEMU
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.qemu.properties import ColoQEMUProperties

CLOSED_SECONDS = 0.25  # for all else that closes when a QEMU dies: its netdev above all
ASK_AGAIN_SECONDS = 0.25  # QEMU forgets a request that comes while it is just beginning a checkpoint


@implementer(ICheckpointer, IHypervisor, IChangeable)
class PrimaryQEMU(ColoQEMU):
    """
    Asks by setting x-checkpoint-delay to what it is: QEMU makes one at once then (docs/COLO-FT.txt has no other way).

    What the guest sent before its STOP is settled by a checkpoint, and nothing else: the comparer is told at STOP. A
    pause so short that its STOP was heard with its RESUME says nothing of that; another checkpoint is made then.
    """

    pauses_primary = True

    def __init__(self, properties: ColoQEMUProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.unasked: Callable[[], None] = lambda: None
        self.halts: Callable[[], None] = lambda: None
        self.wanted: Callable[[str], None] = lambda reason: None
        self._nbd = properties.nbd
        self._delay: int | None = None  # x-checkpoint-delay, in ms
        self._pending: Deferred[Outcome] | None = None
        self._repeat = Countdown(machine.reactor)

    def stop(self) -> None:
        self.cancel()
        super().stop()

    def change(self, properties: ColoQEMUProperties) -> None:
        super().change(properties)
        self._nbd = properties.nbd

    def _lose_heartbeat(self) -> None:
        """
        First: QEMU would wait for all that the guest has written to be taken, also by a host that is silent.

        It would do nothing else until TCP gives that up, and the guest would stand still.
        """
        for node in self._nbd:
            self.try_to_ask("yank", instances=[{"type": "block-node", "node-name": node}])
        super()._lose_heartbeat()

    # as a checkpointer

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        """Ask; UNCHANGED at once where the guest isn't under COLO, or another is being made."""
        if self._pending is not None or not self.connected:
            return succeed(Outcome.UNCHANGED)
        pending = self._pending = Deferred()
        self._delay = None  # it may have been set anew meanwhile
        self._ask()
        return pending

    def cancel(self) -> None:
        """Ask no more. What QEMU makes after all, it makes unasked."""
        self._end(Outcome.FAILED)

    def _ask(self) -> None:
        self._repeat.begin(ASK_AGAIN_SECONDS, self._ask)
        if self._delay is None:
            self.ask("query-migrate-parameters").addCallbacks(self._learn_delay, self._refused)
            return
        self.counters.asked += 1
        asked = self.ask("migrate-set-parameters", **{"x-checkpoint-delay": self._delay})
        asked.addCallbacks(lambda _: None, self._refused)

    def _learn_delay(self, parameters: Mapping[str, Any]) -> None:
        self._delay = parameters.get("x-checkpoint-delay")
        if self._delay is None:
            self._makes_none("it has no x-checkpoint-delay")
        elif self._pending is not None:
            self._ask()

    def _refused(self, failure: Failure) -> None:
        if failure.check(NoAnswer):
            return  # what the lost connection means, ``left`` says
        failure.trap(QEMUError)
        self._makes_none(failure.getErrorMessage())

    def _makes_none(self, why: str) -> None:
        self.report.warn(f"QEMU makes no checkpoint: {why}", kind="refused")
        self._end(Outcome.UNCHANGED)

    def _end(self, outcome: Outcome) -> None:
        self._repeat.end()
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.callback(outcome)

    # what its guest does

    def closed(self) -> None:
        """
        The QEMU may be dead, and its netdev's end be about to be read.

        That hands over, where the guest is watched; said before, that nothing can be followed any more would make all
        connections unprotected, and so have them reset.
        """
        self.look_again.begin(CLOSED_SECONDS, self.unheard)

    def entered(self) -> None:
        self.wanted("the guests have come under COLO")

    def left(self) -> None:
        self._end(Outcome.FAILED)

    def halted(self) -> None:
        self._repeat.end()
        self.halts()

    def kept(self) -> None:
        if self._pending is not None and self.connected:
            self._repeat.begin(ASK_AGAIN_SECONDS, self._ask)

    def turned(self, in_time: bool, is_sure: bool) -> None:
        if self._pending is not None:
            if in_time:
                self.counters.checkpoints += 1
                self._end(Outcome.DONE)
            else:
                self._ask()
        elif in_time and is_sure:
            self.counters.checkpoints += 1
            self.counters.unasked += 1
            self.unasked()
        else:
            self.wanted("QEMU has made one by itself, and when it began is not known")
