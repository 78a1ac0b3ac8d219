"""A delayed call that can be made longer and shorter."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from colo_twisted.countdown import Countdown


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def countdown(clock: Clock) -> Countdown:
    return Countdown(clock)


def test_it_calls_once_after_so_long(clock: Clock, countdown: Countdown) -> None:
    said: list[object] = []
    countdown.begin(2, said.append, "now")
    clock.advance(1.9)
    assert (said, countdown.running) == ([], True)
    clock.advance(0.1)
    assert (said, countdown.running) == (["now"], False)
    countdown.end()
    clock.advance(10)
    assert said == ["now"]


def test_another_takes_its_place(clock: Clock, countdown: Countdown) -> None:
    said: list[object] = []
    countdown.begin(2, said.append, "one")
    countdown.begin(3, said.append, "two")
    clock.advance(10)
    assert said == ["two"]


def test_what_has_ended_calls_no_more(clock: Clock, countdown: Countdown) -> None:
    countdown.end()
    countdown.begin(2, pytest.fail, "it was ended")
    countdown.end()
    assert not countdown.running
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("seconds", [0.5, 1.5, 5.0])
def test_a_length_counts_from_the_beginning(clock: Clock, countdown: Countdown, seconds: float) -> None:
    times: list[float] = []
    countdown.begin(2, lambda: times.append(clock.seconds()))
    clock.advance(1)
    countdown.last(seconds)
    clock.pump([0.1] * 60)
    assert times == [pytest.approx(max(1.0, seconds), abs=0.11)]


def test_what_is_left_counts_from_now(clock: Clock, countdown: Countdown) -> None:
    said: list[object] = []
    countdown.begin(2, said.append, "now")
    clock.advance(1)
    countdown.end_in(3)
    clock.advance(2.9)
    assert said == []
    clock.advance(0.1)
    assert said == ["now"]


def test_what_does_not_run_does_not_begin_by_that(clock: Clock, countdown: Countdown) -> None:
    countdown.last(1)
    countdown.end_in(1)
    assert clock.getDelayedCalls() == []


def test_it_may_begin_anew_in_its_own_call(clock: Clock, countdown: Countdown) -> None:
    said: list[object] = []

    def again() -> None:
        said.append("again")
        countdown.begin(1, said.append, "now")

    countdown.begin(1, again)
    clock.pump([1, 1])
    assert said == ["again", "now"]
