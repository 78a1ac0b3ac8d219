"""The screen of ``colo-ctl top``: state, and what moves. Pure functions from answers to lines."""

from __future__ import annotations

from collections.abc import Mapping

from colo_twisted.ctl.picture import Counted, Picture
from colo_twisted.ctl.status import channels, checkpoints, divergences, head, held, problems
from colo_twisted.ctl.waiting import is_monitors
from colo_twisted.ctl.words import Paint, clock_time, columns, counted, plain, sized, wrapped

_WIDTH = 80
_TRAFFIC = ("frames_in", "bytes_in", "frames_out", "bytes_out")
_GAUGES = ("held_", "hold_us", "unprotected_flows")
"""Beginnings of the names of what goes up and down: its value tells, not what it gains."""


def top_lines(picture: Picture, moving: Counted, counters: Counted, now: float, paint: Paint = plain) -> list[str]:
    """``moving`` is what each counter gains a second, ``counters`` what each is; ``now``: seconds since the epoch."""
    replica = picture.replica
    monitors = {f"chardev {chardev['label']}" for chardev in picture.chardevs if is_monitors(chardev)}
    moving = {name: rates for name, rates in moving.items() if name not in monitors and not name.startswith("monitor ")}
    parts = [
        [f"{clock_time(now, now)}  {head(picture, now, paint)[0]}", *head(picture, now, paint)[1:]],
        [*problems(picture.problems, paint), *channels(replica, paint), *held(replica), *checkpoints(replica)],
        traffic(moving, paint),
        other_counters(moving, paint),
        standing(moving, counters, paint),
        divergences(picture.divergences, now, paint),
    ]
    lines: list[str] = []
    for part in filter(None, parts):
        lines += [*([""] if lines else []), *part]
    return lines


def traffic(moving: Counted, paint: Paint) -> list[str]:
    """A row for everything that frames go through."""
    rows = [["TRAFFIC", "IN frames/s", "bytes/s", "OUT frames/s", "bytes/s"]]
    for name, rates in moving.items():
        if any(counter in rates for counter in _TRAFFIC):
            frames_in, bytes_in, frames_out, bytes_out = (rates.get(counter, 0.0) for counter in _TRAFFIC)
            rows.append([name, counted(frames_in), sized(bytes_in), counted(frames_out), sized(bytes_out)])
    return columns(rows, right=(1, 2, 3, 4)) if len(rows) > 1 else []


def other_counters(moving: Counted, paint: Paint) -> list[str]:
    """What else counts at this moment, a second; what is wrong stands out."""
    return _rows("COUNTERS, a second", {name: _gaining(rates, paint) for name, rates in moving.items()}, paint)


def standing(moving: Counted, counters: Counted, paint: Paint) -> list[str]:
    """What goes up and down, as it is."""
    return _rows("VALUES, now", {name: _standing(counters[name]) for name in moving}, paint)


def _rows(head: str, rows: Mapping[str, list[str]], paint: Paint) -> list[str]:
    """A heading, and what each has; nothing where none has anything."""
    width = max((len(name) for name, words in rows.items() if words), default=0) + 2
    lines = [paint(head, "bold")]
    for name, words in rows.items():
        if words:
            words = [*(f"{word}," for word in words[:-1]), words[-1]]
            lines += wrapped(words, _WIDTH, name.ljust(width), " " * width)
    return lines if len(lines) > 1 else []


def _gaining(rates: Mapping[str, float], paint: Paint) -> list[str]:
    return [
        paint(f"{counter} {counted(rate)}/s", "red" if counter.startswith("dropped_") else "plain")
        for counter, rate in rates.items()
        if rate and counter not in _TRAFFIC and not counter.startswith(_GAUGES)
    ]


def _standing(counters: Mapping[str, float]) -> list[str]:
    return [f"{counter}={value:,.0f}" for counter, value in counters.items() if value and counter.startswith(_GAUGES)]
