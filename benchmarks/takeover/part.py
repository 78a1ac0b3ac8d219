"""
The pause of a download for each loss, with slow heartbeats and with quick ones.

A guest is a server in a network namespace: when it is killed, its kernel still sends what the server has written.
Cuts of 0.1 and of 10 seconds are measured when they are named (--setting cut-mirror-10s).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.hosts import GUEST_ADDRESS
from benchmarks.pair.server import PORT
from benchmarks.processes import BenchmarkError
from benchmarks.programs import TWISTD
from benchmarks.results import Figures, Table, as_json
from benchmarks.rounds import Account, Options, Part, in_turns
from benchmarks.takeover.lan import Lan
from benchmarks.takeover.losses import LOSSES, Loss

ROUNDS, QUICK_ROUNDS = 3, 1
BEFORE = 0.4  # seconds that the download goes on before the loss


@dataclass(frozen=True)
class Heartbeats:
    """How often they are sent, and how long the other may be silent; in milliseconds."""

    interval: int
    timeout: int

    @property
    def name(self) -> str:
        return f"{self.interval}/{self.timeout}"

    def __str__(self) -> str:
        return f"interval={self.interval},timeout={self.timeout}"


HEARTBEATS = (Heartbeats(100, 500), Heartbeats(20, 100))


@dataclass(frozen=True)
class Measurement:
    """One loss in one round; milliseconds."""

    heartbeats: str
    pause: float  # the longest time between two reads, from the loss on
    usual: float  # the same before the loss
    received: int  # bytes, all of them right

    @classmethod
    def of(cls, heartbeats: str, lost: float, reads: list[float], received: int) -> Measurement:
        gaps = [(until, (until - since) * 1000) for since, until in pairwise(reads)]
        pause = max(gap for until, gap in gaps if until > lost)
        return cls(heartbeats, pause, max(gap for until, gap in gaps if until <= lost), received)


def run(options: Options) -> dict[str, Any]:
    """Each loss with each heartbeats, in each round. Raises BenchmarkError, for a wrong byte, too."""
    losses = _named(LOSSES, options) or tuple(loss for loss in LOSSES if loss.by_default)
    heartbeats = _named(HEARTBEATS, options) or HEARTBEATS
    figures, account = Figures(), Account()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    for index, (loss, beats) in in_turns(tuple(product(losses, heartbeats)), rounds):
        measured = measure(loss, beats)
        figures.keep(loss.name, measured)
        figures.add(loss.name, beats.name, measured.pause)
        pauses = f"{measured.pause:.0f} ms (before: {measured.usual:.0f} ms)"
        account.line(f"round {index}: {loss.name}, heartbeats {beats.name}: {pauses}")
    quantities = tuple(beats.name for beats in heartbeats)
    title = "milliseconds without a byte for a client's download, by heartbeats' interval/timeout in ms"
    table = Table(title, tuple(loss.name for loss in losses), quantities, ())
    print(f"\nmedian (least-most) of {rounds}; all bytes were right\n")
    print(table.text(figures))
    return as_json(figures, [table])


def measure(loss: Loss, beats: Heartbeats) -> Measurement:
    """Raises BenchmarkError."""
    with tempfile.TemporaryDirectory(prefix="colo-bench") as name, Lan() as lan, ExitStack() as stack:
        folder = Path(name)
        lan.primary.start(stack, folder, f"{beats},alone=auto")
        lan.write_fence(folder)
        lan.secondary.start(stack, folder, f"{beats},{loss.secondary.format(folder=folder)}")
        lan.wait_synced()
        lan.primary.process.wait_for(lan.guest_answers, "the guest's answer to a ping")
        words = (sys.executable, "-m", "benchmarks.takeover.client", GUEST_ADDRESS, str(PORT))
        client = stack.enter_context(lan.client.running(*words))
        client.wait_to_say("under way")
        time.sleep(BEFORE)
        lan.wait_synced()
        lost = time.monotonic()
        loss.happen(lan)
        time.sleep(loss.after)
        loss.end(lan)
        client.stop()
        last = (client.output.splitlines() or [""])[-1]
        if not last.startswith("{"):
            raise BenchmarkError(f"{loss.name}, {beats.name}: the client says: {last}")
        return Measurement.of(beats.name, lost, **json.loads(last))


Named = TypeVar("Named", Loss, Heartbeats)


def _named(all_of_them: tuple[Named, ...], options: Options) -> tuple[Named, ...]:
    """Those that the options name."""
    return tuple(one for one in all_of_them if one.name in options.settings)


_NAMES = tuple(loss.name for loss in LOSSES) + tuple(beats.name for beats in HEARTBEATS)
PART = Part((TWISTD, "flock", "ip", "ping", "sysctl"), _NAMES, run)
