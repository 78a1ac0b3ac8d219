"""benchmarks/results.py: spreads, ratios round by round, and what was lost."""

from __future__ import annotations

import pytest

from benchmarks.results import Figures, Spread, Table, digits


def figures(**rounds: list[float | None]) -> Figures:
    made = Figures()
    for contestant, values in rounds.items():
        for value in values:
            made.add(contestant, "rate", value)
    return made


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.006, "0.006"), (0.0511, "0.0511"), (2.345, "2.35"), (46.25, "46.2"), (99.96, "100"), (7933.4, "7,933")],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert digits(value) == text


def test_ratios_are_of_one_round() -> None:
    made = figures(one=[10, 90, 20], other=[1, 3, 2])
    assert made.ratio("one", "other", "rate") == Spread(10, 10, 30)
    assert made.spread("one", "rate") == Spread(20, 10, 90)


def test_a_ratio_of_two_quantities() -> None:
    made = figures(one=[8, 9])
    made.add("one", "more", 2)
    made.add("one", "more", 3)
    assert made.ratio_of(("one", "rate"), ("one", "more")) == Spread(3.5, 3, 4)


def test_what_was_lost_in_one_round_is_no_figure() -> None:
    made = figures(one=[10, None, 20], other=[1, 3, 2])
    assert made.lost("one", "rate") == made.cell("one", "rate") == "LOST in 1 of 3"
    assert made.lost("other", "rate") == ""
    assert made.ratio("one", "other", "rate") is None


def test_a_table_has_a_line_for_each_contestant_and_ratio() -> None:
    text = Table("Title", ("one", "other"), ("rate",), (("one", "other"),)).text(figures(one=[10], other=[4]))
    assert [line.split() for line in text.splitlines()] == [
        ["Title"],
        ["rate"],
        ["one", "10", "(10-10)"],
        ["other", "4", "(4-4)"],
        ["one", "/", "other", "2.5", "(2.5-2.5)"],
    ]
