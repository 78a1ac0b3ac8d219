"""Plain integers that the data path increments, and the table that shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass
class Counters:
    """Subclasses add fields, each an int that starts at 0. A drop's name begins with ``dropped_``."""

    def rows(self) -> list[tuple[str, int]]:
        """Each counter's name and value, in declared order."""
        return [(field.name, getattr(self, field.name)) for field in dataclasses.fields(self)]


def table(named: Iterable[tuple[str, Counters]]) -> str:
    """One line for each object: its name, then its counters; those at 0 are left out."""
    rows = [(name, [f"{key}={value}" for key, value in counters.rows() if value]) for name, counters in named]
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(f"  {name:<{width}}  {' '.join(values) or '-'}" for name, values in rows)
