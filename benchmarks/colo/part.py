"""
A client of two QEMU guests under COLO: their proxy inside QEMU, outside it, or outside with QEMU's own filters.

The guests are the tests' own, under TCG: the same two QEMUs, and a switch, whoever compares. A round forms each
pair anew, and ends with the death of the primary's QEMU where somebody takes over then.
"""

from __future__ import annotations

import signal
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import BenchmarkError
from benchmarks.programs import TWISTD
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part, in_turns
from tests.support.colo_guest.body import BODY
from tests.support.colo_guest.build import GuestFiles, guest_files
from tests.support.guest_visits import Visit
from tests.support.qemu_pair import BEHIND, INSIDE, OUTSIDE, SELDOM, Arrangement, QEMUPair, found

ROUNDS, QUICK_ROUNDS = 5, 1
ECHOES, BODIES, ANSWERS = 500, 20, 10
DYING_MB = 12  # of each transfer while the primary's QEMU dies
MARK = 1_000_000  # bytes either way before that
EACH_SECOND = 1000  # ms from one checkpoint of QEMU's own to the next
PATIENCE = 120.0  # seconds for what the client has begun
SOON = 0.5  # seconds after a death, in which a pause comes of it

QUANTITIES = ("echo ms", "HTTP Mbit/s", "each second", "differing ms", "gap at death ms")


@dataclass(frozen=True)
class Measurement:
    """One pair in one round; the gap is None where nobody takes over by itself."""

    echo_ms: float  # the median
    http: float  # Mbit/s, bodies of a megabyte, no checkpoints
    http_each_second: float  # the same while QEMU makes one each second
    differing_ms: float  # the median, of an answer that needs a checkpoint
    gap_ms: float | None  # the worst of a download, an upload and echoes when the primary's QEMU is killed

    @property
    def values(self) -> tuple[float | None, ...]:
        return (self.echo_ms, self.http, self.http_each_second, self.differing_ms, self.gap_ms)


CONTESTANTS: dict[str, Arrangement] = {"QEMU's": INSIDE, "ours, filters in QEMU": OUTSIDE, "ours": BEHIND}


def run(options: Options) -> dict[str, Any]:
    """Raises BenchmarkError, for a wrong byte, too."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    figures, account, files = Figures(), Account(), guest_files()
    contestants = {name: made for name, made in CONTESTANTS.items() if not options.settings or name in options.settings}
    for index, (name, arrangement) in in_turns(tuple(contestants.items()), rounds):
        measured = measure(arrangement, files)
        figures.keep(name, measured)
        for quantity, value in zip(QUANTITIES, measured.values):
            if value is not None:
                figures.add(name, quantity, value)
        account.line(f"round {index}: {name}: {', '.join(map(str, measured.values))}")
    ratios = [(name, "QEMU's") for name in contestants if name.startswith("ours")] if "QEMU's" in contestants else []
    title = "a client of two QEMU guests under COLO (TCG); bodies of 1 MB"
    table = Table(title, tuple(contestants), QUANTITIES, tuple(ratios))
    print(f"\nmedian (least-most) of {rounds}; all answers were right\n")
    print(table.text(figures))
    return as_json(figures, [table])


def measure(arrangement: Arrangement, files: GuestFiles) -> Measurement:
    """Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="colo-bench") as folder:
        with QEMUPair(Path(folder), files, arrangement) as pair:
            right(pair.visit("bodies", 2))  # the first ones run code that is not translated yet
            echo = statistics.median(right(pair.visit("echoes", ECHOES, 64)).seconds) * 1000
            http = right(pair.visit("bodies", BODIES)).mbit_s(len(BODY))
            pair.checkpoint_each(EACH_SECOND)
            busy = right(pair.visit("bodies", BODIES)).mbit_s(len(BODY))
            pair.checkpoint_each(SELDOM)
            differing = right(pair.visit("different", ANSWERS)).median_ms
            gap = None if arrangement is INSIDE else gap_at_death(pair)
        return Measurement(echo, http, busy, differing, gap)


def gap_at_death(pair: QEMUPair) -> float:
    """The worst one, in ms. Raises BenchmarkError."""
    with pair.visiting("everything", DYING_MB, MARK) as visitor:
        visitor.wait_for_output("under way")
        died = time.monotonic()
        pair.primary.signal(signal.SIGKILL)
        visitor.popen.wait(PATIENCE)
        return max(right(found(visitor.output)).gaps_ms(died, SOON).values())


def right(visit: Visit) -> Visit:
    """The same. Raises BenchmarkError: something was wrong in it."""
    if visit.wrong:
        raise BenchmarkError(f"the client says: {visit.wrong[0]}")
    return visit


PART = Part((TWISTD, "ip", "qemu-system-x86_64"), tuple(CONTESTANTS), run)
