"""
``python -m benchmarks``, as root: ours beside QEMU's, on the same traffic in the same run, judged by the goals.

``python -m benchmarks PART`` measures more of one thing. The contestants of a round follow one another at once, every
second round in reverse, and what is compared is measured in the same round. Nothing is left behind, after Ctrl-C
neither.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import benchmarks.colo.part
import benchmarks.compare.part
import benchmarks.goals.part
import benchmarks.instructions.part
import benchmarks.pair.part
import benchmarks.start.part
import benchmarks.takeover.part
import benchmarks.taps.part
from benchmarks.goals.picture import drawn
from benchmarks.processes import BenchmarkError
from benchmarks.results import save
from benchmarks.rounds import Options, Part

PARTS: dict[str, Part] = {
    "goals": benchmarks.goals.part.PART,
    "taps": benchmarks.taps.part.PART,
    "compare": benchmarks.compare.part.PART,
    "pair": benchmarks.pair.part.PART,
    "start": benchmarks.start.part.PART,
    "instructions": benchmarks.instructions.part.PART,
    "takeover": benchmarks.takeover.part.PART,
    "colo": benchmarks.colo.part.PART,
}


def main() -> int:
    arguments = _parse()
    options = Options(arguments.quick, arguments.rounds, tuple(arguments.setting or ()))
    parts = {name: PARTS[name] for name in named(arguments) if PARTS[name].takes_part(options)}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        _check_host(list(parts.values()))
        measured = _run(parts, options)
    except BenchmarkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    if arguments.json is not None:
        save(arguments.json, measured)
    if arguments.picture is not None and "goals" in measured:
        arguments.picture.write_text(drawn(measured["goals"]))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[1])
    # no choices=: argparse would refuse an empty list of them
    parser.add_argument("part", nargs="*", help=f"{', '.join(PARTS)} (goals)")
    parser.add_argument("--quick", action="store_true", help="one round or so, for a first impression")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all that was measured")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="also draw the goals' table (SVG)")
    names = [name for part in PARTS.values() for name in part.settings]
    parser.add_argument("--setting", action="append", choices=names, help="this one only; may be repeated")
    arguments = parser.parse_args()
    for name in arguments.part:
        if name not in PARTS:
            parser.error(f"there is no part '{name}' (there are: {', '.join(PARTS)})")
    return arguments


def named(arguments: argparse.Namespace) -> Sequence[str]:
    """The parts that are named, or those that have the settings, or what the goals need."""
    return arguments.part or (tuple(PARTS) if arguments.setting else ("goals",))


def _check_host(parts: Sequence[Part]) -> None:
    """Raises BenchmarkError."""
    needed = dict.fromkeys(program for part in parts for program in part.needed)
    missing = [program for program in needed if shutil.which(program) is None]
    if missing:
        raise BenchmarkError(f"these programs are missing: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise BenchmarkError("root is needed, for TAPs and network namespaces")


def _run(parts: dict[str, Part], options: Options) -> dict[str, Any]:
    measured = {}
    for name, part in parts.items():
        print(f"{name}:")
        measured[name] = part.run(options)
        print()
    return measured


if __name__ == "__main__":
    sys.exit(main())
