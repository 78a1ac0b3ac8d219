# cython: annotation_typing=False
"""UDP, ICMP and other IP: the same payloads in the same order, but for a few that changed places."""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.comparing.flows import Flow
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.verdicts import EQUAL, PAYLOAD_DIFFERS

WINDOW = 8  # of the secondary's packets that a primary's is looked for among
PATIENCE = 0.1  # seconds that a packet waits for its counterpart once the other side has sent another one

LIFETIME = 180.0  # seconds (RFC 4787 section 4.3 asks for two minutes at least)


class DatagramFlow(Flow):
    """Packets that stand for themselves; each one of the primary's waits for an equal one."""

    __slots__ = ()

    def lifetime(self) -> float:
        return LIFETIME

    def receive_primary(self, held: Held, outlet: Outlet, now: float) -> int:
        self.hold_primary(held)
        return self._advance(outlet, now)

    def receive_secondary(self, held: Held, outlet: Outlet, now: float) -> int:
        self.hold_secondary(held)
        return self._advance(outlet, now)

    def restart(self, outlet: Outlet, now: float) -> int:
        self.born = now
        return self._advance(outlet, now)

    def deadline(self, patience: float) -> float:
        if self.primary_head is not None and self.secondary_head is not None:
            newer = max(self.primary_head.since, self.secondary_head.since)
            return newer + min(patience, PATIENCE)
        return Flow.deadline(self, patience)

    def overdue(self, patience: float, now: float) -> int:
        if self.primary_head is not None and self.secondary_head is not None:
            if self.deadline(patience) > now:
                return EQUAL
            self.differs_at = first_difference(self.primary_head, self.secondary_head)
            return PAYLOAD_DIFFERS
        return Flow.overdue(self, patience, now)

    def _advance(self, outlet: Outlet, now: float) -> int:
        while self.primary_head is not None:
            if not self._take_equal(self.primary_head):
                break
            held = self.pop_primary()
            outlet.holds.record(now - held.since)
            outlet.add_held(held)
        if self.primary_head is not None and self.secondary_head is not None and self.secondary_count >= WINDOW:
            self.differs_at = first_difference(self.primary_head, self.secondary_head)
            return PAYLOAD_DIFFERS
        return EQUAL

    def _take_equal(self, held: Held) -> bool:
        """Take one with the same payload out of the secondary's first few."""
        previous: Held | None = None
        other = self.secondary_head
        for _ in range(WINDOW):
            if other is None:
                return False
            if other.length == held.length and fields.same(
                held.data, held.payload, other.data, other.payload, held.length
            ):
                self._unlink(previous, other)
                return True
            previous = other
            other = other.following
        return False

    def _unlink(self, previous: Held | None, held: Held) -> None:
        if previous is None:
            self.secondary_head = held.following
        else:
            previous.following = held.following
        if held.following is None:
            self.secondary_tail = previous
        held.leave_queue()
        self.secondary_count -= 1
        self.count_held(-1, -held.cost)


def first_difference(one: Held, other: Held) -> int:
    """How many bytes of two payloads are equal, from the beginning."""
    shorter = min(one.length, other.length)
    for offset in range(shorter):
        if one.data[one.payload + offset] != other.data[other.payload + offset]:
            return offset
    return shorter
