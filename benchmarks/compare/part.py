"""Feeds each comparer with each load, and prints the tables."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compare.contestants import OURS, Contestant
from benchmarks.compare.feeding import Feed, Passage
from benchmarks.compare.settings import MANY, SETTINGS, Load, Setting, cpu_of
from benchmarks.compare.sockets import KINDS
from benchmarks.compare.streams import PRIMARY_ISN, SECONDARY_ISN, Stream, openings, segments
from benchmarks.programs import QEMU, TWISTD
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part, in_turns

ROUNDS, SECONDS = 3, 1.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.5
OPENING_SECONDS = 60.0  # all of them are opened
OPENED, MEMORY = "thousand connections opened a second", "bytes of memory a connection"


@dataclass(frozen=True)
class Fodder:
    """A load's streams, made once for all contestants."""

    load: Load
    primary_openings: Stream
    secondary_openings: Stream
    segments: Stream

    @classmethod
    def of(cls, load: Load) -> Fodder:
        count = load.connections
        opened = openings(count, PRIMARY_ISN), openings(count, SECONDARY_ISN)
        return cls(load, *opened, segments(count, load.payload, load.segments))


@dataclass(frozen=True)
class Measurement:
    """One comparer with one load."""

    load: Load
    opening: Passage
    data: Passage
    cpu_seconds: float  # for the data
    memory_bytes: int  # for the connections, once they were open and idle

    @property
    def trouble(self) -> str:
        """What makes this no figure, or nothing."""
        if self.opening.pairs < self.load.connections:
            return f"ONLY {self.opening.pairs:,} CONNECTIONS OPENED in {OPENING_SECONDS:g} s"
        for passed, what in ((self.opening, "the openings"), (self.data, "the data")):
            if not passed.complete:
                return f"LOST: {passed.released_bytes:,} of {passed.sent_bytes:,} bytes of {what} came out"
        return ""

    @property
    def brief(self) -> str:
        if self.trouble:
            return self.trouble
        pairs, seconds = self.data.pairs, self.data.seconds
        return f"{pairs / seconds / 1000:,.0f} thousand pairs/s, {self.cpu_seconds / pairs * 1e6:.2f} us of CPU a pair"


def run(options: Options) -> dict[str, Any]:
    """Measure each contestant with each load in each round. Raises BenchmarkError."""
    settings = [setting for setting in SETTINGS if setting.name in (options.settings or PART.settings)]
    account = Account()
    measured: dict[str, Any] = {}
    for setting in settings:
        figures = Figures()
        for load in setting.loads:
            _feed_all(setting, load, options, figures, account)
        tables = [*setting.tables(), *_more_tables(setting)]
        print("\nmedian (least-most) of the rounds; ratios round by round\n")
        print("\n".join(table.text(figures) for table in tables) + "\n")
        measured[setting.name] = as_json(figures, tables)
    return measured


def measure(contestant: Contestant, fodder: Fodder, seconds: float) -> Measurement:
    """Open all connections, then send data for so long. Raises BenchmarkError."""
    flight = fodder.load.flight
    with (
        tempfile.TemporaryDirectory(prefix="colo-bench") as folder,
        contestant.running(KINDS[fodder.load.over](Path(folder))) as (program, ends),
    ):
        before = program.resident_bytes
        opening = Feed(ends, fodder.primary_openings, fodder.secondary_openings, flight).run(OPENING_SECONDS)
        memory, used = program.resident_bytes - before, program.cpu_seconds
        data = Feed(ends, fodder.segments, fodder.segments, flight).run(seconds)
        return Measurement(fodder.load, opening, data, program.cpu_seconds - used, memory)


def _feed_all(setting: Setting, load: Load, options: Options, figures: Figures, account: Account) -> None:
    fodder = Fodder.of(load)
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (ROUNDS, SECONDS)
    for index, contestant in in_turns(setting.shown, options.rounds or rounds):
        measured = measure(contestant, fodder, seconds)
        account.line(f"{setting.name}, {load.name}, round {index}: {contestant.name}: {measured.brief}")
        _keep(figures, contestant, measured)


def _keep(figures: Figures, contestant: Contestant, measured: Measurement) -> None:
    figures.keep(contestant.name, measured)
    load, data, opening = measured.load, measured.data, measured.opening
    rate, cpu = data.pairs / data.seconds / 1000, measured.cpu_seconds / data.pairs * 1e6
    figures.add(contestant.name, load.name, None if measured.trouble else rate)
    figures.add(contestant.name, cpu_of(load.name), None if measured.trouble else cpu)
    figures.add(contestant.name, OPENED, None if measured.trouble else opening.pairs / opening.seconds / 1000)
    figures.add(contestant.name, MEMORY, None if measured.trouble else measured.memory_bytes / load.connections)


def _more_tables(setting: Setting) -> list[Table]:
    return [Table("Opened and idle", (OURS.name,), (OPENED, MEMORY), ())] if setting.name == MANY else []


PART = Part((QEMU, TWISTD), tuple(setting.name for setting in SETTINGS), run)
