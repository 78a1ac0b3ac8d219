"""Counters and the table that shows them."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.counters import Counters, table


@dataclass
class FewCounters(Counters):
    taken: int = 0
    dropped_here: int = 0


@dataclass
class MoreCounters(FewCounters):
    dropped_there: int = 0


def test_rows_are_names_and_values_in_declared_order() -> None:
    counters = MoreCounters(dropped_there=3)
    counters.taken += 1
    assert counters.rows() == [("taken", 1), ("dropped_here", 0), ("dropped_there", 3)]
    assert Counters().rows() == []


def test_the_table_has_a_line_for_each_with_what_is_not_zero() -> None:
    lines = table(
        [
            ("chardev mirror0", FewCounters(taken=7, dropped_here=1)),
            ("netdev hn0", FewCounters()),
            ("object m0", MoreCounters(dropped_there=2)),
        ]
    ).splitlines()
    assert lines == [
        "  chardev mirror0  taken=7 dropped_here=1",
        "  netdev hn0       -",
        "  object m0        dropped_there=2",
    ]


def test_a_table_of_nothing_is_empty() -> None:
    assert table([]) == ""
