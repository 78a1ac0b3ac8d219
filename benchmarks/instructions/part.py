"""
Counts the instructions that a packet costs, and prints the table.

Two runs that differ by a number of packets only: the difference of their counts is these packets' cost alone.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import BenchmarkError, errors_of
from benchmarks.programs import ROOT
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part

CONNECTIONS = 64
PAYLOADS = (64, 1400)  # bytes
FEW, MANY = 2_000, 12_000  # pairs
PROGRAM = str(Path(__file__).with_name("path.py"))
OURS = "ours, compiled"
PATIENCE = 300.0  # seconds, for one run
_COUNTED = re.compile(r"Collected : (\d+)")


@dataclass(frozen=True)
class Measurement:
    """What a packet of one of the two sides costs, in instructions."""

    payload: int
    per_packet: float

    @property
    def name(self) -> str:
        return name_of(self.payload)


def name_of(payload: int) -> str:
    return f"{CONNECTIONS} x {payload} B"


def run(_: Options) -> dict[str, Any]:
    """Raises BenchmarkError."""
    figures, account = Figures(), Account()
    for measured in measure():
        figures.keep(OURS, measured)
        figures.add(OURS, measured.name, measured.per_packet)
        account.line(f"{measured.name}: {measured.per_packet:,.0f} instructions a packet")
    title = "Instructions a packet of one side's, in packets/: decoder, comparer and outlet"
    table = Table(title, (OURS,), tuple(map(name_of, PAYLOADS)), ())
    print(f"\n{table.text(figures)}")
    return as_json(figures, [table])


def measure() -> list[Measurement]:
    """As many runs at a time as there are cores. Raises BenchmarkError."""
    runs = [(payload, pairs) for payload in PAYLOADS for pairs in (FEW, MANY)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(runs, pool.map(lambda one: count(*one), runs)))
    return [
        Measurement(payload, (counts[payload, MANY] - counts[payload, FEW]) / (MANY - FEW) / 2) for payload in PAYLOADS
    ]


def count(payload: int, pairs: int) -> int:
    """All instructions of one run. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="colo-bench") as folder:
        callgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out")
        numbers = (str(number) for number in (CONNECTIONS, payload, MANY, pairs))
        said = errors_of(_environment(), *callgrind, sys.executable, PROGRAM, *numbers, timeout=PATIENCE)
    return counted(said)


def counted(said: str) -> int:
    """What callgrind has counted, as it says at its end. Raises BenchmarkError."""
    found = _COUNTED.search(said)
    if found is None:
        raise BenchmarkError(f"callgrind doesn't say what it counted:\n{said}")
    return int(found[1])


def _environment() -> Mapping[str, str]:
    """This process's, with benchmarks/ behind the build, and dicts that are the same in each run."""
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}


PART = Part(("valgrind",), ("instructions",), run)
