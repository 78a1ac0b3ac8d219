"""
``-object checkpoint-command``: a checkpointer that is any program.

The program makes the secondary equal to the primary, and says by its exit status how that went: 0, it
is; 10, it is not and the secondary is as it was before; anything else, nobody knows, and the secondary is
invalid until the next checkpoint. The checkpoint's number stands in the environment as COLO_CHECKPOINT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from colo_twisted.checkpoint import program
from colo_twisted.counters import Counters
from colo_twisted.interfaces import IChangeable, ICheckpointer, IMachine, Outcome
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.kinds import Command, Duration
from colo_twisted.reporting import Reporter

NUMBER_VARIABLE = "COLO_CHECKPOINT"
OUTCOMES = {0: Outcome.DONE, 10: Outcome.UNCHANGED}  # by exit status (1, 2: mere mistakes); else FAILED


@dataclass(frozen=True, kw_only=True)
class CheckpointCommandProperties(Properties):
    """A program, and how long it may take."""

    command: tuple[str, ...] = prop(
        Command(), "exits with 0: the secondary equals the primary; 10: it is unchanged; else nobody knows"
    )
    timeout: int = prop(Duration("ms", 1, 24 * 3600 * 1000), "after this it is killed", default=10_000, settable=True)

    def check_host(self) -> None:
        program.check("command", self.command)


@dataclass
class CheckpointCommandCounters(Counters):
    """Runs, by how they ended."""

    runs: int = 0
    done: int = 0
    unchanged: int = 0
    failed: int = 0


@implementer(ICheckpointer, IChangeable)
class CheckpointCommand:
    """Runs the program once for each checkpoint."""

    pauses_primary = False

    def __init__(self, properties: CheckpointCommandProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.counters: CheckpointCommandCounters = CheckpointCommandCounters()
        self.unasked: Callable[[], None] = lambda: None  # a program that isn't run makes none
        self.wanted: Callable[[str], None] = lambda reason: None
        self.halts: Callable[[], None] = lambda: None
        self._report = Reporter(f"checkpoint-command {self.id}")
        self._program = program.Program(
            machine.reactor, properties.command, properties.timeout / 1000, frozenset(OUTCOMES), self._report
        )

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        """Run it; FAILED at once while it is running for another."""
        if self._program.running:
            self._report.warn(f"checkpoint {number} is refused: another is under way", kind="refused")
            self.counters.failed += 1
            return succeed(Outcome.FAILED)
        self.counters.runs += 1
        return self._program.run({NUMBER_VARIABLE: str(number)}).addCallback(self._ended, number)

    def cancel(self) -> None:
        self._program.cancel()

    def change(self, properties: CheckpointCommandProperties) -> None:
        """The time that it may take, if it runs from its beginning on."""
        self._program.change_timeout(properties.timeout / 1000)

    def _ended(self, status: int | None, number: int) -> Outcome:
        outcome = Outcome.FAILED if status is None else OUTCOMES.get(status, Outcome.FAILED)
        name = outcome.value
        setattr(self.counters, name, getattr(self.counters, name) + 1)
        if outcome is not Outcome.DONE:
            why = self._program.why_not or f"exit status {status}"
            self._report.warn(f"checkpoint {number}: {name}: {why}", kind=name)
        return outcome

    def open(self) -> None:
        """Nothing needs privileges."""

    def start(self) -> None:
        """It runs when it is asked."""

    def stop(self) -> None:
        self.cancel()

    def close(self) -> None:
        """Nothing was opened."""


CHECKPOINT_COMMAND = ObjectType(
    "checkpoint-command",
    "runs a program that makes the secondary equal to the primary",
    CheckpointCommandProperties,
    CheckpointCommand,
)
