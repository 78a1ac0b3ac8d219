# cython: annotation_typing=False
"""What all compared flows have: a queue of each side's packets, and whether the secondary follows."""

from __future__ import annotations

from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.protection import DIVERGED, FOLLOWED, NAMING
from colo_twisted.packets.comparing.tally import Tally
from colo_twisted.packets.comparing.verdicts import EQUAL, UNMATCHED
from colo_twisted.packets.connections import Connection

NEVER = float("inf")

_NOBODYS = Tally()  # of flows that are in no table


class Flow(Connection):
    """
    One direction of a connection: what the two guests send to a client.

    ``primary_head`` to ``primary_tail`` are held packets of the primary in order of arrival, ``secondary_head`` to
    ``secondary_tail`` the secondary's that have no counterpart yet. Methods that look at packets return EQUAL or the
    kind of a divergence.
    """

    __slots__ = (
        "born",
        "differing",
        "differs_at",
        "ended",
        "kind",
        "mark",
        "primary_count",
        "primary_head",
        "primary_tail",
        "protection",
        "rule",
        "secondary_count",
        "secondary_head",
        "secondary_tail",
        "tally",
        "watched_until",
    )

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        self.kind = 0  # of kinds
        self.born = now  # or began anew: time-outs count from there at the earliest
        self.protection = FOLLOWED
        self.rule: str | None = None  # the id of the rule that let it pass
        self.primary_head: Held | None = None
        self.primary_tail: Held | None = None
        self.primary_count = 0
        self.secondary_head: Held | None = None
        self.secondary_tail: Held | None = None
        self.secondary_count = 0
        self.watched_until = NEVER  # when a time-out looks at it; NEVER while none does
        self.mark = 0  # the newest checkpoint's, if the primary has sent anything since; the caller sees to that
        self.ended = False  # its lifetime is shorter now
        self.tally = _NOBODYS  # where it is counted what both queues cost
        self.differing: Held | None = None  # the secondary's packet in which a difference was found
        self.differs_at = 0  # of the last divergence: the first byte that differs, from the payload's beginning

    # what a subclass defines

    def receive_primary(self, held: Held, outlet: Outlet, now: float) -> int:
        """Take in a packet of the primary's; what may leave goes to the outlet."""
        return EQUAL

    def receive_secondary(self, held: Held, outlet: Outlet, now: float) -> int:
        """Take in a packet of the secondary's; what may leave now goes to the outlet."""
        return EQUAL

    def part_head(self, outlet: Outlet, now: float) -> None:
        """The batch is over: of a packet that is equal in part, that part may leave."""

    def pass_by(self, held: Held) -> None:
        """A packet of the primary's leaves uncompared: note what a later checkpoint needs to know."""

    def abandon(self, outlet: Outlet, now: float) -> None:
        """It is compared no longer: all that is held leaves as it came."""
        while self.primary_head is not None:
            held = self.pop_primary()
            self.pass_by(held)
            outlet.holds.record(now - held.since)
            outlet.add_held(held)
        self.forget_secondary()

    def note_mark(self, mark: int) -> None:
        """The primary's next packet is the first behind a checkpoint's mark: what it has said up to then is kept."""
        self.mark = mark

    def restart(self, outlet: Outlet, now: float) -> int:
        """The secondary equals the primary as of what has left: compare what is still held."""
        return EQUAL

    def forget_secondary(self) -> None:
        """What the secondary has sent means nothing any more."""
        while self.secondary_head is not None:
            self.pop_secondary()

    def empty(self) -> None:
        """Nothing that is held here goes anywhere."""
        while self.primary_head is not None:
            self.pop_primary()
        self.forget_secondary()

    def deadline(self, patience: float) -> float:
        """When something here will have waited for ``patience`` seconds; NEVER while nothing waits."""
        since = NEVER
        if self.primary_head is not None:
            since = self.primary_head.since
        if self.secondary_head is not None and self.secondary_head.since < since:
            since = self.secondary_head.since
        return max(since, self.born) + patience

    def overdue(self, patience: float, now: float) -> int:
        """The kind of divergence, if something here has waited too long; else EQUAL."""
        return UNMATCHED if self.deadline(patience) <= now else EQUAL

    # the queues

    def count_held(self, packets_more: int, bytes_more: int) -> None:
        """So much more is held here; negative: less."""
        self.tally.held_packets += packets_more
        self.tally.held_bytes += bytes_more

    @property
    def held_bytes(self) -> int:
        """What is held here costs so many bytes of memory."""
        return self._cost_of(self.primary_head) + self._cost_of(self.secondary_head)

    def _cost_of(self, held: Held | None) -> int:
        cost = 0
        while held is not None:
            cost += held.cost
            held = held.following
        return cost

    def engaged(self) -> bool:
        return self.primary_head is not None or self.secondary_head is not None or self.protection in (DIVERGED, NAMING)

    def hold_primary(self, held: Held) -> None:
        """Put a packet at the end of the primary's queue."""
        held.queued = True
        if self.primary_tail is None:
            self.primary_head = held
        else:
            self.primary_tail.following = held
        self.primary_tail = held
        self.primary_count += 1
        self.tally.held_packets += 1
        self.tally.held_bytes += held.cost

    def hold_secondary(self, held: Held) -> None:
        """Put a packet at the end of the secondary's queue."""
        held.queued = True
        if self.secondary_tail is None:
            self.secondary_head = held
        else:
            self.secondary_tail.following = held
        self.secondary_tail = held
        self.secondary_count += 1
        self.tally.held_packets += 1
        self.tally.held_bytes += held.cost

    def pop_primary(self) -> Held:
        """Take the first out of the primary's queue, which isn't empty."""
        held = self.primary_head
        assert held is not None
        self.primary_head = held.following
        if self.primary_head is None:
            self.primary_tail = None
        held.leave_queue()
        self.primary_count -= 1
        self.tally.held_packets -= 1
        self.tally.held_bytes -= held.cost
        return held

    def pop_secondary(self) -> None:
        """Let go of the first in the secondary's queue, which isn't empty."""
        held = self.secondary_head
        assert held is not None
        self.secondary_head = held.following
        if self.secondary_head is None:
            self.secondary_tail = None
        held.leave_queue()
        self.secondary_count -= 1
        self.tally.held_packets -= 1
        self.tally.held_bytes -= held.cost
