"""Measures what the goals need, and prints the table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.goals.goals import FEEDER, OURS, PLAIN, PLAIN_RUNS, SOURCE
from benchmarks.goals.measuring import A_TENTH, Group, Task, Values, groups
from benchmarks.goals.rows import MET, TOLD, Row, as_json, rows, table
from benchmarks.machine import Machine
from benchmarks.processes import BenchmarkError
from benchmarks.programs import QEMU, TWISTD
from benchmarks.results import Figures, digits
from benchmarks.rounds import Account, Options, Part, in_turns

LEAST_IDLE = 0.1  # of the feeder's time: with less, it may be what is measured
NEEDED = (QEMU, TWISTD, "ip", "iperf3", "ping", "sysctl", "valgrind")


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rounds: int
    seconds: float  # of traffic


DEFAULT, QUICK = Amount(5, 1.0), Amount(1, 0.5)


def run(options: Options) -> dict[str, Any]:
    """Measure each group's tasks in turns. Raises BenchmarkError, but not for ours where it isn't compiled."""
    amount = QUICK if options.quick else DEFAULT
    amount = Amount(options.rounds or amount.rounds, amount.seconds)
    machine = Machine.here()
    print(machine.words)
    figures, account = Figures(), Account()
    for group in groups():
        _measure(group, amount, figures, account)
    judged = rows(figures)
    print(f"\n{_account_of(judged, amount)} {_feeder(figures)}\n\n{table(judged)}\n\n\\* {SOURCE}")
    return {
        "machine": asdict(machine),
        "rounds": amount.rounds,
        "rows": as_json(judged),
        "measurements": figures.measurements,
    }


def _measure(group: Group, amount: Amount, figures: Figures, account: Account) -> None:
    often = tuple(task for task in group if task.every_round)
    once = tuple(task for task in group if not task.every_round)
    for index, task in (*in_turns(often, amount.rounds), *in_turns(once, 1)):
        values = _done(task, amount.seconds, figures)
        for quantity, value in values.items():
            figures.add(task.contestant, quantity, value)
        told = ", ".join(
            f"{quantity} {'LOST' if value is None else digits(value)}" for quantity, value in values.items()
        )
        account.line(f"round {index}: {task.contestant}: {told}")


def _done(task: Task, seconds: float, figures: Figures) -> Values:
    """Raises BenchmarkError."""
    try:
        values, measured = task.measure(seconds)
    except BenchmarkError as error:
        if task.contestant != PLAIN:
            raise
        print(f"not compiled: {task.what}: {error}")
        figures.add(PLAIN, PLAIN_RUNS, None)
        return {}
    figures.keep(f"{task.contestant}: {task.what}", measured)
    if task.contestant == PLAIN:
        figures.add(PLAIN, PLAIN_RUNS, None if None in values.values() else 1.0)
    return values


def _account_of(judged: list[Row], amount: Amount) -> str:
    goals = [row for row in judged if row.met != TOLD]
    met = sum(row.met == MET for row in goals)
    return (
        f"{met} of {len(goals)} goals met. Median (least-most) of {amount.rounds} rounds, ratios round by round; "
        f"a goal is for the median. Not compiled: one round, and {A_TENTH:,} connections for a million."
    )


def _feeder(figures: Figures) -> str:
    """Whether the feeder was the limit."""
    idle = figures.spread(OURS, FEEDER)
    if idle is None:
        return ""
    warned = " THE FEEDER WAS THE LIMIT in some round." if idle.least < LEAST_IDLE else ""
    shares = f"{100 * idle.least:.0f} to {100 * idle.most:.0f} %"
    return f"What fed our colo-compare had nothing to do for {shares} of the time.{warned}"


PART = Part(NEEDED, ("goals",), run)
