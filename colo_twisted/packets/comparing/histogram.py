# cython: annotation_typing=False
"""Durations, counted in buckets that are a few percent wide."""

from __future__ import annotations

from array import array

_MICROSECONDS = 1_000_000
_OCTAVES = 36  # up to some hours
_IN_OCTAVE = 16


class Histogram:
    """How often which duration was met; exact to a sixteenth."""

    __slots__ = ("_buckets", "_last", "_last_bucket", "count")

    def __init__(self) -> None:
        self.count = 0
        self._buckets = array("q", bytes(8 * _OCTAVES * _IN_OCTAVE))
        self._last = -1.0  # packets of one batch have often waited equally long
        self._last_bucket = 0

    def record(self, seconds: float) -> None:
        if seconds != self._last:
            self._last = seconds
            self._last_bucket = self._bucket_of(seconds)
        self._buckets[self._last_bucket] += 1
        self.count += 1

    def _bucket_of(self, seconds: float) -> int:
        value = max(0, int(seconds * _MICROSECONDS))
        octave = 0
        while value >= 2 * _IN_OCTAVE and octave < _OCTAVES - 2:
            value >>= 1
            octave += 1
        return min(octave * _IN_OCTAVE + value, _OCTAVES * _IN_OCTAVE - 1)

    def percentile(self, percent: float) -> float:
        """The duration, in seconds, that so many percent did not exceed; 0 if there were none."""
        wanted = self.count * percent / 100
        seen = 0
        for bucket, number in enumerate(self._buckets):
            seen += number
            if number and seen >= wanted:
                return _upper_end(bucket) / _MICROSECONDS
        return 0.0


def _upper_end(bucket: int) -> float:
    """The longest duration that falls in a bucket, in microseconds."""
    if bucket < 2 * _IN_OCTAVE:
        return bucket
    octave = bucket // _IN_OCTAVE - 1
    return float(((bucket - octave * _IN_OCTAVE + 1) << octave) - 1)
