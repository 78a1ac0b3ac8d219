"""What the parts of the benchmarks have in common: their options, and how the contestants of a round take turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Options:
    """How much is measured; None is as much as the part thinks right."""

    quick: bool = False
    rounds: int | None = None
    settings: tuple[str, ...] = ()  # by name, of whatever part; empty: all


@dataclass(frozen=True)
class Part:
    """What ``python -m benchmarks NAME`` runs. ``run`` measures, prints, and gives what the JSON file is to say."""

    needed: tuple[str, ...]  # programs
    settings: tuple[str, ...]
    run: Callable[[Options], dict[str, Any]]

    def takes_part(self, options: Options) -> bool:
        return not options.settings or not set(options.settings).isdisjoint(self.settings)


def in_turns(contestants: Sequence[Item], rounds: int) -> Iterator[tuple[int, Item]]:
    """Round by round, every second round in reverse: what is compared is measured close together."""
    for index in range(rounds):
        for contestant in contestants[::-1] if index % 2 else contestants:
            yield index + 1, contestant


class Account:
    """A line for each measurement, with the time since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def line(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:4.0f} s, {text}")
        sys.stdout.flush()
