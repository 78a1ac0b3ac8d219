"""Time-outs: never early, at most a grain late, and nothing lost."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from colo_twisted.packets.wheel import Wheel

ROUNDING = 1e-6  # seconds: a number of this size has no finer ones

times = st.floats(0, 1e6) | st.integers(0, 300).map(lambda n: n / 10) | st.integers(0, 30).map(float)
grains = st.sampled_from((0.001, 0.1, 0.25, 1.0, 3.0))


@given(grains, st.lists(times, max_size=30), st.lists(times, max_size=30))
@example(0.1, [0.3, 0.7, 1.1], [0.3, 0.4, 0.7])
def test_never_early_and_at_most_a_grain_late(grain: float, deadlines: list[float], looks: list[float]) -> None:
    wheel = Wheel(grain)
    waiting = dict(enumerate(deadlines))
    for number, deadline in waiting.items():
        wheel.put(number, deadline)
    for now in [*sorted(looks), 2e6]:
        expected = wheel.next_deadline
        due = wheel.due(now)
        assert bool(due) == (expected is not None and expected <= now)
        for number in due:
            assert waiting.pop(number) <= now
        assert all(deadline > now - grain - ROUNDING for deadline in waiting.values())
        following = wheel.next_deadline
        assert (following is None) == (not waiting)
        if following is not None:
            assert now < following <= min(waiting.values()) + grain + ROUNDING
    assert waiting == {}


@given(grains, st.lists(times, max_size=30))
def test_the_earliest_come_first_to_within_a_grain(grain: float, deadlines: list[float]) -> None:
    wheel = Wheel(grain)
    for number, deadline in enumerate(deadlines):
        wheel.put((number, deadline), deadline)
    waiting = set(enumerate(deadlines))
    while waiting:
        popped = wheel.pop_earliest()
        assert popped[1] <= min(deadline for _, deadline in waiting) + grain + ROUNDING
        waiting.remove(popped)
        assert (wheel.next_deadline is None) == (not waiting)
    assert wheel.pop_earliest() is None
    assert wheel.due(2e6) == []


@given(st.lists(st.tuples(st.sampled_from(("put", "put", "pop", "due", "take")), st.integers(0, 40)), max_size=50))
def test_nothing_is_lost_or_comes_twice(steps: list[tuple[str, int]]) -> None:
    wheel = Wheel(2.0)
    waiting: dict[int, list[int]] = {}  # their slots, and their places there
    for number, (what, time) in enumerate(steps):
        if what == "put":
            slot = wheel.put(number, float(time))
            waiting[number] = [slot, wheel.last_place(slot)]
        elif what == "due":
            for gone in wheel.due(float(time)):
                del waiting[gone]
        elif what == "pop":
            assert waiting.pop(wheel.pop_earliest(), None) is not None or not waiting
        elif waiting:
            slot, place = waiting.pop(list(waiting)[time % len(waiting)])
            moved = wheel.take(slot, place)
            if moved is not None:
                waiting[moved][1] = place
        assert (wheel.next_deadline is None) == (not waiting)
        assert len({tuple(each) for each in waiting.values()}) == len(waiting)
    assert sorted(wheel.due(1e3)) == sorted(waiting)
