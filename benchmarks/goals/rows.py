"""The table's rows: the figures of a run, judged by the goals; as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.goals.goals import GOALS, LIMIT, OURS, PLAIN, QEMU, Goal
from benchmarks.results import Figures, Spread, digits

HEAD = ("what", "unit", "limit", "QEMU", "ours", "ratio", "goal", "met", "not compiled")
MET, NOT_MET, NOT_MEASURED, TOLD = "yes", "NO", "not measured", ""


@dataclass(frozen=True)
class Row:
    """
    One goal and what became of it.

    ``ours``, ``qemu``, ``limit`` and ``plain`` are in ``unit``; None where nothing was measured, or some of it was
    lost. ``ratio`` is what ``target`` is for: ours by what it is held to, round by round, or the figure itself.
    """

    what: str
    unit: str
    limit: Spread | None
    qemu: Spread | None
    ours: Spread | None
    plain: Spread | None
    ratio: Spread | None
    is_ratio: bool
    target: float | None
    at_most: bool
    goal: str
    met: str  # MET, NOT_MET and perhaps why, NOT_MEASURED, or TOLD
    on_record: bool = False  # QEMU's figure
    of_plain: bool = False  # ``ratio`` is of ``plain``

    @classmethod
    def of(cls, goal: Goal, figures: Figures) -> Row:
        series = {name: figures.spread(name, goal.quantity) for name in (LIMIT, QEMU, OURS, PLAIN)}
        ratio = _ratio(goal, figures)
        return cls(
            goal.what,
            goal.unit,
            series[LIMIT],
            Spread.of([goal.on_record]) if goal.on_record is not None else series[QEMU],
            series[OURS],
            series[PLAIN],
            ratio,
            goal.base is not None,
            goal.target,
            goal.at_most,
            goal.words,
            _judged(goal, ratio, figures.lost(goal.of, goal.quantity)),
            goal.on_record is not None,
            goal.of == PLAIN,
        )

    @property
    def cells(self) -> tuple[str, ...]:
        """As HEAD has them."""
        return (
            self.what,
            self.unit,
            _shown(self.limit),
            _shown(self.qemu) + ("*" if self.on_record else ""),
            _shown(self.ours),
            _shown(self.ratio) if self.is_ratio else "",
            self.goal,
            self.met,
            "" if self.plain is None else digits(self.plain.median),
        )


def _ratio(goal: Goal, figures: Figures) -> Spread | None:
    if goal.base is None:
        return figures.spread(goal.of, goal.quantity)
    return figures.ratio_of((goal.of, goal.quantity), (goal.base.contestant, goal.base.quantity))


def _judged(goal: Goal, ratio: Spread | None, lost: str) -> str:
    if goal.target is None:
        return TOLD
    if lost:
        return f"{NOT_MET}: {lost}"
    if ratio is None:
        return NOT_MEASURED
    return MET if (ratio.median <= goal.target if goal.at_most else ratio.median >= goal.target) else NOT_MET


def rows(figures: Figures, goals: Iterable[Goal] = GOALS) -> list[Row]:
    return [Row.of(goal, figures) for goal in goals]


def table(shown: Iterable[Row]) -> str:
    """Markdown, its columns in line."""
    lines = [HEAD, *(row.cells for row in shown)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(_lines(lines, widths))


def _lines(lines: list[tuple[str, ...]], widths: list[int]) -> Iterator[str]:
    for index, cells in enumerate(lines):
        yield f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths))} |"
        if index == 0:
            yield f"| {' | '.join('-' * width for width in widths)} |"


def as_json(shown: Iterable[Row]) -> list[dict[str, Any]]:
    return [asdict(row) for row in shown]


def from_json(rows: Iterable[dict[str, Any]]) -> list[Row]:
    """What as_json made."""
    return [Row(**{name: _spread(value) for name, value in row.items()}) for row in rows]


def _spread(value: Any) -> Any:
    return Spread(**value) if isinstance(value, dict) else value


def _shown(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return digits(spread.median) if spread.least == spread.most else str(spread)
