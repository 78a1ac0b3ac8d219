"""Where checkpoints and the comparer meet: what it does at each step, and what is counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Outcome
from colo_twisted.packets.sequence import Offsets


@dataclass
class CheckpointsCounters(Counters):
    """Checkpoints by what became of them."""

    requested: int = 0
    begun: int = 0
    done: int = 0
    unchanged: int = 0  # failed, and the secondary is as it was
    failed: int = 0  # in any other way; the timed out ones too
    timed_out: int = 0
    unasked: int = 0  # made by the other side
    repeated: int = 0  # BEGIN and DONE sent again
    last_ms: int = 0  # what the last one that was done took, from BEGIN or the checkpointer's call on


@dataclass(frozen=True)
class Hooks:
    """
    What the comparer does at each step.

    @ivar mark: gives a mark behind all that has come from the primary by now.
    @ivar mark_all: the same, of all that the primary has sent by now: what stands in the kernel's queues is read first.
    @ivar ignore_secondary: forget what has come from the secondary, drop what comes until the marker with this nonce.
    @ivar heed_secondary: take what comes from the secondary again: no marker will come.
    @ivar flush: what stands before a mark is settled: it goes.
    @ivar failed: as if there were no checkpointer: let held flows go; with the reason, and whether the secondary is
        invalid now: its guest stands still until the next checkpoint.
    @ivar offsets: the primary's own rewriter's, where it has one.
    @ivar requested: somebody has asked for one, for that reason.
    @ivar ended: the one of that number has, and took so many seconds; before anything comes of it.
    @ivar changed: the phase has; after a checkpoint, when all has come of its end.
    """

    mark: Callable[[], int]
    mark_all: Callable[[], int]
    ignore_secondary: Callable[[bytes], None]
    heed_secondary: Callable[[], None]
    flush: Callable[[int], None]
    failed: Callable[[str, bool], None]
    offsets: Callable[[], Mapping[bytes, Offsets]] = dict
    requested: Callable[[str], None] = lambda reason: None
    ended: Callable[[int, Outcome, float], None] = lambda number, outcome, seconds: None
    changed: Callable[[], None] = lambda: None
