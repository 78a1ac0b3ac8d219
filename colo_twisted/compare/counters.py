"""What a colo-compare counts, in one table: its own, its comparer's, its checkpoints'."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.compare.checkpoints import Checkpoints
from colo_twisted.counters import Counters
from colo_twisted.packets.comparing.comparer import Comparer

_MICROSECONDS = 1_000_000


@dataclass
class CompareCounters(Counters):
    """Frames, but where the name says otherwise."""

    dropped_no_peer: int = 0  # released while outdev had no peer
    dropped_backlog: int = 0  # released while outdev's peer was too far behind
    dropped_hushed: int = 0  # while nothing of the guest's might be heard: beyond the bound, or another speaks for it
    losses: int = 0  # times that what was open became unprotected: a channel was lost, or an operator said so
    released_flows: int = 0  # that had diverged, and were let go uncompared
    isolations: int = 0  # times that the secondary was told that it is invalid


@dataclass
class AllCounters(Counters):
    """The table's rows; ``own`` are what the object counts itself."""

    own: CompareCounters
    comparer: Comparer
    checkpoints: Checkpoints | None = None

    def rows(self) -> list[tuple[str, int]]:
        holds = self.comparer.outlet.holds
        rows = self.comparer.tally.rows() + self.own.rows()
        rows += [
            ("unprotected_flows", self.comparer.flows.unprotected),  # known now; a rule's are not among them
            ("hold_us_median", round(holds.percentile(50) * _MICROSECONDS)),
            ("hold_us_99", round(holds.percentile(99) * _MICROSECONDS)),
        ]
        if self.checkpoints is not None:
            rows += [(f"checkpoints_{name}", value) for name, value in self.checkpoints.counters.rows()]
        return rows
