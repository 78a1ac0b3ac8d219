"""Starts each comparer, and prints the table."""

from __future__ import annotations

import socket
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compare.contestants import OURS, OURS_PLAIN, PROBE, QEMU_COMPARE, Contestant
from benchmarks.compare.sockets import NAMES, Sockets, UnixSockets
from benchmarks.processes import PATIENCE, BenchmarkError, Running
from benchmarks.programs import QEMU, TWISTD
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part, in_turns

ROUNDS, QUICK_ROUNDS = 5, 1
CONTESTANTS = (OURS, OURS_PLAIN, QEMU_COMPARE)
SOON = 0.002  # seconds between two tries
SETTLED = 0.5  # seconds after the first packet, when the memory is looked at
SECONDS, MEGABYTES = "seconds to the first packet", "MB of memory"
TABLE = Table(
    "A colo-compare, from its start to its first packet, and idle after that (less is better)",
    tuple(contestant.name for contestant in CONTESTANTS),
    (SECONDS, MEGABYTES),
    ((OURS.name, QEMU_COMPARE.name),),
)


@dataclass(frozen=True)
class Measurement:
    """One start."""

    seconds: float
    resident_bytes: int


def run(options: Options) -> dict[str, Any]:
    """Start each contestant in each round. Raises BenchmarkError."""
    figures, account = Figures(), Account()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    for index, contestant in in_turns(CONTESTANTS, rounds):
        measured = measure(contestant)
        figures.keep(contestant.name, measured)
        figures.add(contestant.name, SECONDS, measured.seconds)
        figures.add(contestant.name, MEGABYTES, measured.resident_bytes / 1e6)
        memory = f"{measured.resident_bytes / 1e6:.1f} MB"
        account.line(f"round {index}: {contestant.name}: {measured.seconds:.3f} s, {memory}")
    print(f"\nmedian (least-most) of the rounds; ratios round by round\n\n{TABLE.text(figures)}")
    return as_json(figures, [TABLE])


def measure(contestant: Contestant) -> Measurement:
    """Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="colo-bench") as folder:
        sockets = UnixSockets(Path(folder))
        began = time.perf_counter()
        with contestant.program(sockets) as program, ExitStack() as stack:
            ends = [stack.enter_context(_connection(sockets, name, program)) for name in NAMES]
            _wait_for_probe(ends[0], ends[-1])
            seconds = time.perf_counter() - began
            if contestant.build is not None:
                contestant.build.wait_for(program, contestant.name)
            time.sleep(SETTLED)
            return Measurement(seconds, program.resident_bytes)


def _connection(sockets: Sockets, name: str, program: Running) -> socket.socket:
    """As soon as it listens. Raises BenchmarkError: it has ended, or it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return sockets.connect(name)
        except OSError:
            if time.monotonic() > deadline or program.has_ended:
                raise BenchmarkError(f"nobody listens as {name}:\n{program.output}") from None
        time.sleep(SOON)


def _wait_for_probe(primary: socket.socket, out: socket.socket) -> None:
    """Sent again and again: what is released before the output has been accepted is lost. Raises BenchmarkError."""
    deadline = time.monotonic() + PATIENCE
    out.settimeout(SOON)
    while time.monotonic() < deadline:
        primary.send(PROBE)
        try:
            out.recv(1 << 16)
        except TimeoutError:
            continue
        return
    raise BenchmarkError("no packet came out")


PART = Part((QEMU, TWISTD), ("start",), run)
