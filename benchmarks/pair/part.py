"""HTTP through each contestant, and the table."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hosts import GUEST_ADDRESS, Hosts
from benchmarks.pair.client import WHAT, Counted
from benchmarks.pair.contestants import HOP, HOP_OFFLOADS, PAIR, PAIR_OFFLOADS, Contestant
from benchmarks.pair.server import PORT
from benchmarks.programs import TWISTD
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part, in_turns

ROUNDS, SECONDS = 3, 2.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 1.0
CONTESTANTS = (HOP, PAIR, HOP_OFFLOADS, PAIR_OFFLOADS)
QUANTITIES: dict[str, Callable[[Counted], float]] = {
    "download Gbit/s": lambda counted: counted.download,
    "upload Gbit/s": lambda counted: counted.upload,
    "answers/s": lambda counted: counted.answers,
    "connections/s": lambda counted: counted.connections,
}
TABLE = Table(
    "HTTP: a download; uploads; small answers, one after the other; new connections, 8 at a time",
    tuple(contestant.name for contestant in CONTESTANTS),
    tuple(QUANTITIES),
    ((PAIR.name, HOP.name), (PAIR_OFFLOADS.name, HOP_OFFLOADS.name)),
)


@dataclass(frozen=True)
class Measurement:
    """One contestant in one round."""

    counted: Counted
    idle_bytes: tuple[int, ...]  # of memory, of the primary and the secondary, before the client came
    cpu_seconds: tuple[float, ...]  # of the primary and the secondary
    divergences: int  # at least: ours limits how many it logs


def run(options: Options) -> dict[str, Any]:
    """Measure each contestant in each round. Raises BenchmarkError."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if options.quick else (ROUNDS, SECONDS)
    figures = Figures()
    account = Account()
    for index, contestant in in_turns(CONTESTANTS, options.rounds or rounds):
        measured = measure(contestant, seconds)
        figures.keep(contestant.name, measured)
        for quantity, get in QUANTITIES.items():
            figures.add(contestant.name, quantity, get(measured.counted))
        account.line(f"round {index}: {contestant.name}: {_brief(measured)}")
    print("\nmedian (least-most) of the rounds; ratios round by round\n")
    print(TABLE.text(figures))
    return as_json(figures, [TABLE])


def measure(contestant: Contestant, seconds: float, what: Sequence[str] = WHAT) -> Measurement:
    """``what`` the client does, each for so long. Raises BenchmarkError."""
    with (
        tempfile.TemporaryDirectory(prefix="colo-bench") as folder,
        Hosts() as hosts,
        contestant.joined(hosts, Path(folder)) as programs,
    ):
        idle = tuple(program.resident_bytes for program in programs)
        guests = (hosts.guest, hosts.replica) if contestant.paired else (hosts.guest,)
        with ExitStack() as stack:
            for guest in guests:
                server = stack.enter_context(guest.running(*_program("server.py"), GUEST_ADDRESS))
                server.wait_to_say("listening")
            said = hosts.client.run(*_program("client.py"), GUEST_ADDRESS, str(PORT), str(seconds), *what)
        cpu = tuple(program.cpu_seconds for program in programs)
        return Measurement(Counted(**json.loads(said)), idle, cpu, programs[0].output.count("divergence ("))


def _program(name: str) -> tuple[str, str]:
    return sys.executable, str(Path(__file__).with_name(name))


def _brief(measured: Measurement) -> str:
    counted = measured.counted
    failed = f", {counted.failed} FAILED" if counted.failed else ""
    diverged = f", {measured.divergences} DIVERGENCES" if measured.divergences else ""
    return (
        f"down {counted.download:.2f}, up {counted.upload:.2f} Gbit/s, {counted.answers:.0f} answers/s, "
        f"{counted.connections:.0f} connections/s{failed}{diverged}"
    )


PART = Part((TWISTD, "ip", "ping", "sysctl"), ("http",), run)
