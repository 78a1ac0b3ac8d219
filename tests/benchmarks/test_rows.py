"""benchmarks/goals/rows.py: what is met and what isn't."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmarks.goals.goals import GOALS, OURS, PLAIN, QEMU, Base, Goal
from benchmarks.goals.rows import HEAD, MET, NOT_MEASURED, NOT_MET, TOLD, Row, as_json, from_json, table
from benchmarks.results import Figures, Spread

TWICE = Goal("speed", "rate", "k pairs/s", 2, Base(QEMU, "rate", "QEMU's"))
SMALL = Goal("memory", "size", "MB", 60, at_most=True)


def figures(quantity: str = "rate", **rounds: list[float | None]) -> Figures:
    made = Figures()
    for contestant, values in rounds.items():
        for value in values:
            made.add({"plain": PLAIN}.get(contestant, contestant), quantity, value)
    return made


def judged(goal: Goal, made: Figures) -> str:
    return Row.of(goal, made).met


def test_a_goal_is_for_the_median_of_the_rounds_ratios() -> None:
    assert judged(TWICE, figures(ours=[2, 30, 8], QEMU=[1, 10, 10])) == MET
    assert judged(TWICE, figures(ours=[1.9, 30, 8], QEMU=[1, 20, 2])) == NOT_MET


def test_less_can_be_better() -> None:
    assert judged(SMALL, figures("size", ours=[60])) == MET
    assert judged(SMALL, figures("size", ours=[60.1])) == NOT_MET


def test_nothing_may_be_lost() -> None:
    assert judged(TWICE, figures(ours=[30, None, 30], QEMU=[1, 1, 1])) == f"{NOT_MET}: LOST in 1 of 3"
    assert judged(TWICE, figures(ours=[30, 30], QEMU=[1, None])) == NOT_MEASURED
    assert judged(SMALL, Figures()) == NOT_MEASURED


def test_some_is_only_told() -> None:
    assert judged(replace(SMALL, target=None), figures("size", ours=[1])) == TOLD
    row = Row.of(replace(TWICE, target=None), figures(ours=[6], QEMU=[2]))
    assert (row.met, row.goal, row.ratio) == (TOLD, "", Spread(3, 3, 3))


def test_a_goal_of_the_uncompiled() -> None:
    row = Row.of(replace(TWICE, of=PLAIN, target=0.1), figures(ours=[9], plain=[0.2], QEMU=[1]))
    assert (row.met, row.ratio, row.of_plain) == (MET, Spread(0.2, 0.2, 0.2), True)


def test_a_figure_on_record_stands_for_qemus() -> None:
    row = Row.of(replace(SMALL, on_record=0.006), figures("size", ours=[1], QEMU=[7]))
    assert dict(zip(HEAD, row.cells))["QEMU"] == "0.006*"


def test_the_table_is_markdown() -> None:
    text = table([Row.of(TWICE, figures(ours=[4, 6], QEMU=[1, 2], limit=[50, 50]))])
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()] == [
        list(HEAD),
        ["-" * len(cell) for cell in text.splitlines()[1].strip("| ").split(" | ")],
        ["speed", "k pairs/s", "50", "1.5 (1-2)", "5 (4-6)", "3.5 (3-4)", ">= 2 x QEMU's", MET, ""],
    ]
    assert len({len(line) for line in text.splitlines()}) == 1


def test_rows_survive_json() -> None:
    made = [Row.of(TWICE, figures(ours=[4], QEMU=[1])), Row.of(SMALL, Figures())]
    assert from_json(json.loads(json.dumps(as_json(made)))) == made


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.what)
def test_each_goal_can_be_met(goal: Goal) -> None:
    made = Figures()
    mine = 1.0 if goal.target is None else goal.target
    made.add(goal.of, goal.quantity, mine)
    if goal.base is not None:
        made.add(goal.base.contestant, goal.base.quantity, 1.0)
    assert judged(goal, made) == (TOLD if goal.target is None else MET)
    assert goal.of in (OURS, PLAIN)
