"""benchmarks/goals/picture.py: where the bars end, and that it is a picture."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks.goals.goals import GOALS, LIMIT, PLAIN, QEMU, Base, Goal
from benchmarks.goals.picture import DARK, LEAST, LIGHT, MOST, NAMES, SCALE, bars, draw, place
from benchmarks.goals.rows import Row
from benchmarks.results import Figures

SVG = "{http://www.w3.org/2000/svg}"
TEN_TIMES = Goal("speed <&>", "rate", "k pairs/s", 10, Base(QEMU, "rate", "QEMU's"))


def row(goal: Goal, **values: float) -> Row:
    made = Figures()
    for contestant, value in values.items():
        made.add({"plain": PLAIN}.get(contestant, contestant), goal.quantity, value)
    return Row.of(goal, made)


def lengths(made: Row) -> dict[str, float]:
    return {name: round(times, 6) for name, times, _ in bars(made)}


def test_bars_are_as_long_as_they_surpass_the_goal() -> None:
    assert lengths(row(TEN_TIMES, ours=20, QEMU=1, limit=60)) == {"ours": 2, "qemu": 0.1, "limit": 6}
    assert lengths(row(TEN_TIMES, ours=4, QEMU=1)) == {"missed": 0.4, "qemu": 0.1}


def test_less_is_longer_where_less_is_better() -> None:
    ping = replace(TEN_TIMES, target=1, at_most=True)
    assert lengths(row(ping, ours=0.2, QEMU=0.1, limit=0.02)) == {"missed": 0.5, "qemu": 1, "limit": 5}
    start = Goal("start", "seconds", "s", 1, at_most=True)
    assert lengths(row(start, ours=0.5, QEMU=0.1)) == {"ours": 2, "qemu": 10}


def test_the_uncompiled_has_bars_of_its_own() -> None:
    plain = replace(TEN_TIMES, target=0.1, of=PLAIN)
    assert lengths(row(plain, ours=20, plain=0.2, QEMU=1)) == {"ours": 2, "qemu": 10}


def test_what_was_not_measured_has_none() -> None:
    assert bars(row(TEN_TIMES, ours=20)) == []
    assert bars(row(replace(TEN_TIMES, target=None), ours=20, QEMU=1)) == []


@pytest.mark.parametrize(("times", "share"), [(LEAST, 0), (LEAST / 10, 0), (0, 0), (1, 0.5), (MOST, 1), (MOST * 10, 1)])
def test_the_scale_is_of_powers_and_has_ends(times: float, share: float) -> None:
    assert place(times) == pytest.approx(NAMES + share * SCALE)


def test_it_is_svg_that_says_all_and_knows_both_pages() -> None:
    made = [row(TEN_TIMES, ours=20, QEMU=1, limit=60), row(replace(TEN_TIMES, what="other"), QEMU=1)]
    text = draw(made, "a <machine>")
    root = ElementTree.fromstring(text)
    said = [element.text for element in root.iter(f"{SVG}text")]
    assert {"speed <&>", ">= 10 x QEMU's", "20 x: 20 k pairs/s", "QEMU 1, limit 60", "a <machine>"} <= set(said)
    assert "other" not in said
    assert set(LIGHT) == set(DARK)
    assert all(colour in text for colour in (*LIGHT.values(), *DARK.values()))
    assert {float(bar.get("x", 0)) for bar in root.iter(f"{SVG}rect") if bar.find(f"{SVG}title") is not None} == {NAMES}


def test_all_goals_fit() -> None:
    made = Figures()
    for goal in GOALS:
        for contestant in (goal.of, QEMU, LIMIT):
            made.add(contestant, goal.quantity, 123456.0)
        if goal.base is not None:
            made.add(goal.base.contestant, goal.base.quantity, 1.0)
    root = ElementTree.fromstring(draw([Row.of(goal, made) for goal in GOALS], "here"))
    height = float(root.get("height", 0))
    assert all(float(text.get("y", 0)) < height for text in root.iter(f"{SVG}text"))
