"""Medians with their spread, ratios round by round, as tables and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.contestants import Contestant
from benchmarks.settings import Setting
from benchmarks.traffic import Measurement

Quantity = Callable[[Measurement], float]

QUANTITIES: dict[str, Quantity] = {
    "up Gbit/s": lambda measured: measured.up,
    "down Gbit/s": lambda measured: measured.down,
    "ping ms": lambda measured: measured.ping,
    "ping ms 99 %": lambda measured: measured.ping_99,
}
_NAME_WIDTH = 46
_WIDTH = 20


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
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


@dataclass
class Results:
    """What was measured, by contestant; the rounds in order."""

    rounds: dict[str, list[Measurement]] = field(default_factory=dict)

    def add(self, contestant: Contestant, measured: Measurement) -> None:
        self.rounds.setdefault(contestant.name, []).append(measured)

    def spread(self, contestant: Contestant, quantity: Quantity) -> Spread:
        return Spread.of([quantity(measured) for measured in self.rounds[contestant.name]])

    def ratio(self, one: Contestant, other: Contestant, quantity: Quantity) -> Spread:
        """One divided by the other, round by round: what slowed a round down slowed both."""
        pairs = zip(self.rounds[one.name], self.rounds[other.name], strict=True)
        return Spread.of([quantity(mine) / quantity(theirs) for mine, theirs in pairs])

    def table(self, setting: Setting) -> str:
        """A setting's contestants and ratios."""
        return "\n".join((setting.title, _row("", QUANTITIES), *self._rows(setting)))

    def _rows(self, setting: Setting) -> Iterator[str]:
        for contestant in setting.shown:
            yield _row(contestant.name, (self.spread(contestant, get) for get in QUANTITIES.values()))
        for one, other in setting.ratios:
            yield _row(f"{one.name} / {other.name}", (self.ratio(one, other, get) for get in QUANTITIES.values()))
        for contestant in setting.shown:
            lagged = sum(measured.mirror_lagged for measured in self.rounds[contestant.name])
            if lagged:
                yield f"  {contestant.name}: THE MIRROR'S PEER DID NOT GET ALL in {lagged} rounds"

    def save(self, path: Path, settings: Iterable[Setting]) -> None:
        """All measurements and each setting's ratios, as JSON."""
        path.write_text(json.dumps(self._as_json(settings), indent=1) + "\n")

    def _as_json(self, settings: Iterable[Setting]) -> dict[str, Any]:
        return {
            "measurements": {name: [asdict(measured) for measured in rounds] for name, rounds in self.rounds.items()},
            "ratios": {setting.name: self._ratios(setting) for setting in settings},
        }

    def _ratios(self, setting: Setting) -> dict[str, Any]:
        return {
            f"{one.name} / {other.name}": {
                name: asdict(self.ratio(one, other, get)) for name, get in QUANTITIES.items()
            }
            for one, other in setting.ratios
        }


def _row(name: str, cells: Iterable[object]) -> str:
    return f"  {name:{_NAME_WIDTH}}" + "".join(f"{cell!s:>{_WIDTH}}" for cell in cells)
