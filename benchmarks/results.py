"""Medians with their spread, ratios round by round, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

_GAP = 2


@dataclass(frozen=True)
class Spread:
    """The median of some values, and their extremes."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{digits(self.median)} ({digits(self.least)}-{digits(self.most)})"


@dataclass
class Figures:
    """What was measured, by contestant and quantity; the rounds in order, None where a round gave no figure."""

    rounds: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)  # what makes a figure doubtful
    measurements: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # all that is known, for JSON

    def add(self, contestant: str, quantity: str, value: float | None) -> None:
        self.rounds.setdefault(contestant, {}).setdefault(quantity, []).append(value)

    def keep(self, what: str, measurement: Any) -> None:
        """Remember a dataclass for the JSON file."""
        self.measurements.setdefault(what, []).append(asdict(measurement))

    def spread(self, contestant: str, quantity: str) -> Spread | None:
        """None unless each round gave a figure."""
        return _spread(self._values(contestant, quantity))

    def ratio(self, one: str, other: str, quantity: str) -> Spread | None:
        """One divided by the other, round by round: what slowed a round down slowed both."""
        return self.ratio_of((one, quantity), (other, quantity))

    def ratio_of(self, one: tuple[str, str], other: tuple[str, str]) -> Spread | None:
        """The same of two quantities, each with its contestant."""
        pairs = zip(self._values(*one), self._values(*other))
        return _spread([None if mine is None or not theirs else mine / theirs for mine, theirs in pairs])

    def _values(self, contestant: str, quantity: str) -> list[float | None]:
        return self.rounds.get(contestant, {}).get(quantity, [])

    def lost(self, contestant: str, quantity: str) -> str:
        """In how many rounds there was no figure; empty if in none."""
        values = self._values(contestant, quantity)
        return f"LOST in {values.count(None)} of {len(values)}" if None in values else ""

    def cell(self, contestant: str, quantity: str) -> str:
        return self.lost(contestant, quantity) or _shown(self.spread(contestant, quantity))


@dataclass(frozen=True)
class Table:
    """A comparison: contestants, what is measured of each, and which of them is divided by which."""

    title: str
    contestants: tuple[str, ...]
    quantities: tuple[str, ...]
    ratios: tuple[tuple[str, str], ...]

    def text(self, figures: Figures) -> str:
        """The title, a line of quantities, a line for each contestant and ratio."""
        rows = [("", *self.quantities), *self._rows(figures)]
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = (
            "  " + name.ljust(widths[0]) + "".join(cell.rjust(_GAP + width) for cell, width in zip(cells, widths[1:]))
            for name, *cells in rows
        )
        return "\n".join((self.title, *lines))

    def _rows(self, figures: Figures) -> Iterator[tuple[str, ...]]:
        for name in self.contestants:
            yield name, *(figures.cell(name, quantity) for quantity in self.quantities)
        for one, other in self.ratios:
            cells = (_shown(figures.ratio(one, other, quantity)) for quantity in self.quantities)
            yield f"{one} / {other}", *cells

    def as_json(self, figures: Figures) -> dict[str, Any]:
        """Each ratio's spread, by quantity."""
        made: dict[str, Any] = {}
        for one, other in self.ratios:
            spreads = {quantity: figures.ratio(one, other, quantity) for quantity in self.quantities}
            made[f"{one} / {other}"] = {name: asdict(spread) for name, spread in spreads.items() if spread}
        return made


def as_json(figures: Figures, tables: Iterable[Table]) -> dict[str, Any]:
    """All measurements, and each table's ratios."""
    return {
        "measurements": figures.measurements,
        "notes": figures.notes,
        "ratios": {table.title: table.as_json(figures) for table in tables},
    }


def save(path: Path, parts: dict[str, Any]) -> None:
    path.write_text(json.dumps(parts, indent=1) + "\n")


def _spread(values: Sequence[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread.of(known) if known and len(known) == len(values) else None


def _shown(spread: Spread | None) -> str:
    return "-" if spread is None else str(spread)


def digits(value: float) -> str:
    """Three digits that count, or all before the point."""
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
