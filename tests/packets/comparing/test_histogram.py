"""Durations in buckets, against the sorted list."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.comparing.histogram import Histogram

durations = st.one_of(st.floats(0, 0.01), st.floats(0, 10_000))


@given(st.lists(durations, min_size=1, max_size=50), st.floats(0, 100))
def test_a_percentile_is_right_to_a_sixteenth(seconds: list[float], percent: float) -> None:
    histogram = Histogram()
    for one in seconds:
        histogram.record(one)
    index = max(0, math.ceil(len(seconds) * percent / 100 - 1e-9) - 1)
    exact = sorted(seconds)[index]
    found = histogram.percentile(percent)
    assert exact - 1e-6 <= found <= exact * 17 / 16 + 1e-6
    assert histogram.count == len(seconds)


def test_without_any_it_is_zero() -> None:
    assert Histogram().percentile(99) == 0.0


def test_what_is_longer_than_all_buckets_falls_into_the_last() -> None:
    histogram = Histogram()
    histogram.record(1e12)
    assert histogram.percentile(50) > 3600
