"""
``fence=COMMAND``: a program that switches the other side off, and says by its exit status whether that is done.

docs/fencing.md has what such a program must guarantee, and what it is told.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from colo_twisted.checkpoint.program import Program
from colo_twisted.countdown import Countdown
from colo_twisted.counters import Counters
from colo_twisted.interfaces import IMachine
from colo_twisted.reporting import Reporter

FIRST_PAUSE = 1.0  # seconds after a try that failed; each further pause is twice as long
LONGEST_PAUSE = 30.0
MOST_REASON = 1000  # characters

_IS_OFF = frozenset((0,))


@dataclass
class FenceCounters(Counters):
    """How often the fence command ran, and how that ended."""

    fence_runs: int = 0
    fence_failures: int = 0  # the time-outs among them; not those that were cancelled
    fence_timeouts: int = 0
    fence_last_seconds: int = 0  # what the last one that ended took, rounded up


@dataclass(frozen=True)
class Victim:
    """
    Who is to be switched off, as far as that is known.

    @ivar role: that of the side that fences.
    @ivar peer: the other side's address; '' if nobody knows it.
    @ivar epoch: that of the side that fences.
    @ivar incarnation: the other side's; 0 if it was never heard.
    """

    role: str
    peer: str
    epoch: int
    incarnation: int

    def environment(self, reason: str) -> dict[str, str]:
        """What the command is told: each variable is set, whatever this process's own environment holds."""
        return {
            "COLO_ROLE": self.role,
            "COLO_PEER": self.peer,
            "COLO_EPOCH": str(self.epoch),
            "COLO_INCARNATION": f"{self.incarnation:016x}" if self.incarnation else "",
            "COLO_REASON": "".join(c if c.isprintable() else "?" for c in reason[:MOST_REASON]),
            "COLO_PID": str(os.getpid()),
        }


def address_of(peer: str | None) -> str:
    """The IP address in a chardev's name of its peer ('192.0.2.1:9005'); '' if there is none."""
    host = (peer or "").rpartition(":")[0].strip("[]")
    try:
        return str(ip_address(host))
    except ValueError:
        return ""


class Fence:
    """
    Runs the command while that is wanted, one run at a time, with pauses that grow.

    Each run's end is told once, in another turn of the reactor than ``run`` was called in.
    """

    def __init__(
        self,
        machine: IMachine,
        command: tuple[str, ...],
        timeout: float,
        victim: Callable[[], Victim],
        told: Callable[[bool, str], None],
        counters: FenceCounters,
        report: Reporter,
    ) -> None:
        """
        @param timeout: seconds after which the command and its whole process group are killed.
        @param victim: asked when a run begins.
        @param told: called with True when the command says that the other side is off; with False and the reason in
            words when it doesn't. It is tried again then, unless ``cancel`` is called.
        """
        self.counters = counters
        self._victim = victim
        self._told = told
        self._report = report
        self._timeout = timeout
        self._reactor = machine.reactor
        self._monotonic = machine.monotonic
        self._program = Program(machine.reactor, command, timeout, _IS_OFF, report)
        self._next = Countdown(machine.reactor)
        self._wanted = False
        self._reason = ""
        self._pause = FIRST_PAUSE
        self._not_before = machine.monotonic()

    @property
    def running(self) -> bool:
        """Whether the command runs now."""
        return self._program.running

    @property
    def pausing(self) -> bool:
        """Whether the last try failed and the next one has to wait, wanted or not."""
        return not self.running and self._monotonic() < self._not_before

    def change_timeout(self, seconds: float) -> None:
        """Let the command take so long, from its beginning on if it runs."""
        self._timeout = seconds
        self._program.change_timeout(seconds)

    def run(self, reason: str) -> None:
        """Want it: begin when the pause is over, and go on until it succeeds or ``cancel`` is called."""
        self._reason = reason
        if not self._wanted:
            self._wanted = True
            self._next.begin(self._not_before - self._monotonic(), self._begin)

    def cancel(self) -> None:
        """
        Want it no more: what runs is killed with its whole process group, and nothing is told of it.

        A pause goes on; ``forget`` ends it.
        """
        self._wanted = False
        self._next.end()
        if self._program.running:
            self._report.info("the fence command is cancelled: it is not wanted any more", kind="cancelled")
            self._program.cancel()

    def forget(self) -> None:
        """The other side is there again: when it is lost the next time, it is fenced at once."""
        self._pause = FIRST_PAUSE
        self._not_before = self._monotonic()

    def _begin(self) -> None:
        self.counters.fence_runs += 1
        self._report.info(f"the fence command runs: {self._reason}", kind="fencing")
        # two clocks: the program's bound is on the reactor's, which a step of the wall clock may move
        began, began_reactor = self._monotonic(), self._reactor.seconds()
        done = self._program.run(self._victim().environment(self._reason))
        done.addCallback(self._ended, began, began_reactor)

    def _ended(self, status: int | None, began: float, began_reactor: float) -> None:
        seconds = self._monotonic() - began
        self.counters.fence_last_seconds = math.ceil(seconds)
        if not self._wanted:
            return
        if status in _IS_OFF:
            self._wanted = False
            self.forget()
            self._report.info(f"the other side is off: the fence command says so, after {seconds:.1f} s")
            self._told(True, "")
            return
        if status is None and round(self._reactor.seconds() - began_reactor - self._timeout, 3) >= 0:
            self.counters.fence_timeouts += 1
        self._failed(self._program.why_not or f"exit status {status}")

    def _failed(self, why: str) -> None:
        self.counters.fence_failures += 1
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        self._not_before = self._monotonic() + pause
        self._next.begin(pause, self._begin)
        self._report.warn(f"the other side is not fenced: {why}; the next try is in {pause:g} s", kind="not fenced")
        self._told(False, why)
