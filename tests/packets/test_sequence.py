"""Arithmetic modulo 2^32, against whole numbers that don't wrap."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.inlined import in_use

sequence = in_use("colo_twisted.packets.sequence")
add, before, distance, later_of = sequence.add, sequence.before, sequence.distance, sequence.later_of

HALF, ALL = 1 << 31, 1 << 32
# a number that never wraps, and how far away the other is
numbers = st.integers(0, 4 * ALL)
steps = st.integers(-HALF, HALF - 1) | st.sampled_from((-HALF, -HALF + 1, -1, 0, 1, HALF - 1))


@given(numbers, steps)
@example(ALL, 0)
@example(ALL, -1)
@example(ALL - 1, 1)
@example(ALL, -HALF)
@example(ALL, HALF - 1)
def test_as_if_nothing_wrapped(number: int, step: int) -> None:
    one, other = number % ALL, (number + step) % ALL
    assert add(one, step) == other
    assert distance(other, one) == step
    assert before(other, one) == (step < 0)
    if step != -HALF:  # half way round neither lies ahead
        assert later_of(one, other) == (one if step < 0 else other)


@given(numbers, st.integers(-(1 << 40), 1 << 40))
def test_any_count_may_be_added(number: int, count: int) -> None:
    assert add(number % ALL, count) == (number + count) % ALL


@given(st.integers(0, ALL - 1), st.integers(0, ALL - 1))
def test_a_distance_leads_back(one: int, other: int) -> None:
    assert -HALF <= distance(one, other) < HALF
    assert add(other, distance(one, other)) == one
