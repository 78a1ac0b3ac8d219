"""Like events are told once a second, the last of them always, in the order in which they happened."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from colo_twisted.control import ratelimit
from colo_twisted.control.ratelimit import RateLimit, Told
from colo_twisted.events import (
    ChardevConnected,
    ChardevDisconnected,
    CheckpointDone,
    CheckpointRequested,
    Event,
    Shutdown,
)

WALL = 1000.0


class Limited:
    """A rate limit, and what it told at which second."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[float, Told]] = []
        self.limit = RateLimit(self.clock, self._tell, lambda: WALL + self.clock.seconds())

    def _tell(self, told: Told) -> None:
        self.told.append((self.clock.seconds(), told))

    def at(self, when: float, *events: Event) -> None:
        """Let events happen at a second."""
        self.clock.pump([min(0.05, when - self.clock.seconds())] * round((when - self.clock.seconds()) / 0.05))
        self.clock.advance(when - self.clock.seconds())
        for event in events:
            self.limit.take(event)

    @property
    def events(self) -> list[tuple[float, Event, int]]:
        return [(round(when, 3), told.event, told.suppressed) for when, told in self.told]


def asked(id: str, reason: str = "") -> CheckpointRequested:
    return CheckpointRequested(id, reason)


def test_the_first_is_told_at_once_and_of_the_others_the_last() -> None:
    limited = Limited()
    limited.at(0, asked("c", "1"))
    assert limited.events == [(0, asked("c", "1"), 0)]
    limited.at(0.5, asked("c", "2"), asked("c", "3"))
    limited.at(0.75, asked("c", "4"))
    limited.at(3)
    assert limited.events[1:] == [(1, asked("c", "4"), 2)]
    first, last = (told for _, told in limited.told)
    assert first.data == {"id": "c", "reason": "1"}
    assert last.data == {"id": "c", "reason": "4", "suppressed": 2}
    assert (first.when, last.when) == (WALL, WALL + 0.75)
    limited.at(3, asked("c", "5"))
    assert limited.events[2:] == [(3, asked("c", "5"), 0)]


def test_one_that_is_held_back_alone_suppresses_nothing() -> None:
    limited = Limited()
    limited.at(0, asked("c", "1"), asked("c", "2"))
    limited.at(1)
    assert limited.events == [(0, asked("c", "1"), 0), (1, asked("c", "2"), 0)]
    assert "suppressed" not in limited.told[1][1].data


def test_a_second_begins_with_each_that_is_told() -> None:
    limited = Limited()
    limited.at(0, asked("c", "1"), asked("c", "2"))
    limited.at(1.5, asked("c", "3"))
    limited.at(4)
    assert [when for when, *_ in limited.events] == [0, 1, 2]


def test_what_is_not_alike_is_told_apart() -> None:
    limited = Limited()
    both = CheckpointDone("c", 1, "done", 5), CheckpointDone("c", 2, "failed", 5)
    limited.at(0, asked("c"), asked("d"), *both, Shutdown(False, "x"))
    assert [event for _, event, _ in limited.events] == [asked("c"), asked("d"), *both, Shutdown(False, "x")]


def test_the_last_told_of_two_that_take_turns_is_the_last_that_was_so() -> None:
    up, down = ChardevConnected("c", "peer"), ChardevDisconnected("c")
    limited = Limited()
    for tenth, event in enumerate([up, down, up, down, up]):
        limited.at(tenth / 10, event)
    limited.at(5)
    assert [event for _, event, _ in limited.events] == [up, down, down, up]
    assert limited.events[-1][0] == pytest.approx(1.1)


def test_stop_tells_what_is_held_back() -> None:
    limited = Limited()
    limited.at(0, asked("c", "1"), asked("c", "2"), asked("d", "1"), asked("d", "2"))
    limited.limit.stop()
    assert [event for _, event, _ in limited.events[2:]] == [asked("c", "2"), asked("d", "2")]
    assert limited.clock.getDelayedCalls() == []
    limited.limit.stop()


def test_nothing_is_awaited_while_nothing_is_held_back() -> None:
    limited = Limited()
    limited.at(0, asked("c", "1"))
    assert limited.clock.getDelayedCalls() == []


def test_kinds_have_a_bound_beyond_which_those_of_a_name_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MOST_KINDS", 10)
    limited = Limited()
    limited.at(0, *(asked(f"c{number}") for number in range(100)))
    assert len(limited.told) == 11
    assert len(limited.limit._until) == 11
    limited.at(1)
    assert limited.events[11:] == [(1, asked("c99"), 88)]
    limited.at(2.5, asked("c50"))
    assert len(limited.limit._until) == 1  # the old ones are forgotten


@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from("abc")), max_size=40))
def test_chardevs_that_come_and_go(script: list[tuple[int, str]]) -> None:
    """Like events are a second apart, all are told or counted, and the last that is told of a chardev is so."""
    limited = Limited()
    happened: dict[str, list[Event]] = {"a": [], "b": [], "c": []}
    for tick, id in sorted(script, key=lambda step: step[0]):
        up = len(happened[id]) % 2 == 0
        happened[id].append(ChardevConnected(id, f"{len(happened[id])}") if up else ChardevDisconnected(id))
        limited.at(tick / 20, happened[id][-1])
    limited.at(10)
    assert len(limited.told) + sum(told.suppressed for _, told in limited.told) == len(script)
    for id, mine in happened.items():
        told = [(when, event) for when, event, _ in limited.events if event.id == id]  # type: ignore[attr-defined]
        assert [event for _, event in told[-1:]] == mine[-1:]
        for kind in (ChardevConnected, ChardevDisconnected):
            times = [when for when, event in told if isinstance(event, kind)]
            assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))
