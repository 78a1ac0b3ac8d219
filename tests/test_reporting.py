"""Log lines: under a name, and never a flood of what a peer can cause."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs, formatEvent

from colo_twisted.reporting import LINES_A_WINDOW, WINDOW_SECONDS, Reporter


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def report(clock: Clock) -> Reporter:
    return Reporter("chardev mirror0", clock.seconds)


def lines_of(say: Callable[[], None]) -> list[str]:
    with capturedLogs() as events:
        say()
    return [formatEvent(event) for event in events]


def test_a_line_begins_with_the_name_and_has_its_level(report: Reporter) -> None:
    with capturedLogs() as events:
        report.info("connected")
        report.warn("disconnected")
    assert [(event["log_level"], formatEvent(event)) for event in events] == [
        (LogLevel.info, "chardev mirror0: connected"),
        (LogLevel.warn, "chardev mirror0: disconnected"),
    ]
    assert {event["log_namespace"] for event in events} == {"colo_twisted"}


def test_braces_in_a_text_are_only_braces(report: Reporter) -> None:
    assert lines_of(lambda: report.warn("{name} {no such} }{")) == ["chardev mirror0: {name} {no such} }{"]


def test_without_a_kind_every_line_is_written(report: Reporter) -> None:
    with capturedLogs() as events:
        for _ in range(50):
            report.info("again")
    assert len(events) == 50


def test_of_a_kind_only_so_many_are_written_in_a_window(report: Reporter, clock: Clock) -> None:
    def flood() -> None:
        for number in range(1, 21):
            report.warn(f"probe {number}", kind="probe")
            clock.advance(WINDOW_SECONDS / 21)

    assert lines_of(flood) == [f"chardev mirror0: probe {number}" for number in range(1, LINES_A_WINDOW + 1)]


def test_the_next_window_begins_with_how_many_were_left_out(report: Reporter, clock: Clock) -> None:
    for _ in range(LINES_A_WINDOW + 3):
        report.warn("probe", kind="probe")
    clock.advance(WINDOW_SECONDS)
    assert lines_of(lambda: report.warn("probe", kind="probe")) == [
        "chardev mirror0: probe (and 3 more like it since the last such line)"
    ]
    assert lines_of(lambda: report.warn("probe", kind="probe")) == ["chardev mirror0: probe"]


def test_a_full_window_without_more_says_nothing_of_others(report: Reporter, clock: Clock) -> None:
    for _ in range(LINES_A_WINDOW):
        report.warn("probe", kind="probe")
    clock.advance(WINDOW_SECONDS)
    assert lines_of(lambda: report.warn("probe", kind="probe")) == ["chardev mirror0: probe"]


def test_each_kind_has_a_window_of_its_own(report: Reporter) -> None:
    for _ in range(LINES_A_WINDOW):
        report.info("probe", kind="probe")
    assert lines_of(lambda: report.info("probe", kind="probe")) == []
    assert lines_of(lambda: report.info("lost", kind="lost")) == ["chardev mirror0: lost"]
    assert lines_of(lambda: report.info("probe")) == ["chardev mirror0: probe"]


@given(st.lists(st.floats(0, 2 * WINDOW_SECONDS), max_size=100))
def test_every_line_is_written_or_counted_in_one_that_is(pauses: list[float]) -> None:
    clock = Clock()
    report = Reporter("x", clock.seconds)
    with capturedLogs() as events:
        for pause in pauses:
            report.warn("line", kind="kind")
            clock.advance(pause)
        clock.advance(WINDOW_SECONDS)
        report.warn("line", kind="kind")
    left_out = sum(
        int(text.split("(and ")[1].split()[0]) for event in events if "more like it" in (text := formatEvent(event))
    )
    assert len(events) + left_out == len(pauses) + 1


def test_by_default_the_monotonic_clock_counts() -> None:
    report = Reporter("netdev hn0")
    assert lines_of(lambda: report.info("up", kind="up")) == ["netdev hn0: up"]
