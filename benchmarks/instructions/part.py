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
FEW, MORE = 2_000, 10_000  # pairs
PROGRAM = str(Path(__file__).with_name("path.py"))
OURS = "ours, compiled"
VECTORS = f"glibc.cpu.x86_rep_movsb_threshold={1 << 30}"
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
    runs = [(payload, everything) for payload in PAYLOADS for everything in (False, True)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(runs, pool.map(lambda one: count(*one), runs)))
    return [Measurement(payload, (counts[payload, True] - counts[payload, False]) / MORE / 2) for payload in PAYLOADS]


def count(payload: int, everything: bool) -> int:
    """All instructions of one run, of few pairs or of all. Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="colo-bench") as folder:
        callgrind = ("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out")
        numbers = map(str, (CONNECTIONS, payload, FEW, MORE))
        words = (sys.executable, PROGRAM, *numbers, "all" if everything else "few")
        said = errors_of(_environment(), *callgrind, *words, timeout=PATIENCE)
    return counted(said)


def counted(said: str) -> int:
    """What callgrind has counted, as it says at its end. Raises BenchmarkError."""
    found = _COUNTED.search(said)
    if found is None:
        raise BenchmarkError(f"callgrind doesn't say what it counted:\n{said}")
    return int(found[1])


def _environment() -> Mapping[str, str]:
    """
    This process's, with benchmarks/ behind the build, and dicts that are the same in each run.

    Copies are made in vectors: of one by REP MOVSB callgrind counts each byte as an instruction.
    """
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(ROOT))))
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "GLIBC_TUNABLES": VECTORS}


PART = Part(("valgrind",), ("instructions",), run)
