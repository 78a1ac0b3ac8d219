# cython: annotation_typing=False
"""Which connections a rewriter's guest follows: how they are met, closed, and told apart as protected or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colo_twisted.packets.connections import Connections
from colo_twisted.packets.rewriting.edits import Edits
from colo_twisted.packets.rewriting.followed import CLOSED, OPEN, OPENING, PROPOSED, Followed
from colo_twisted.packets.rewriting.kept import DEFAULT_MOST, Kept
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.sequence import Offsets

NO_OFFSETS = Offsets(0, 0)


class Following:
    """
    The table, with at most ``most`` connections.

    ``alone``: after a failover; those that are known go on, new ones are none of ours. ``kept`` is what they have
    sent beyond their clients' acks. ``protecting``: new ones are protected; ``all_followed``: those met in mid-stream
    too, since a checkpoint.
    """

    __slots__ = ("_known", "all_followed", "alone", "counters", "kept", "protecting")

    def __init__(self, most: int, counters: RewriterCounters, max_kept: int = DEFAULT_MOST) -> None:
        self.counters = counters
        self.alone = False
        self.kept = Kept(counters, max_kept)
        self._known = Connections(most, self.kept.release)  # what is forgotten keeps nothing
        self.protecting = True
        self.all_followed = False

    def get(self, key: bytes) -> Followed | None:
        """The connection with this key, of the guest's direction."""
        found: Any = self._known.get(key)
        return found  # type: ignore[no-any-return]

    def limit(self, most: int) -> None:
        """Follow so many from now on."""
        self._known.limit(most)

    def use(self, known: Followed, now: float) -> None:
        """A packet of it has come."""
        known.last_used = now
        if not known.slot:
            self._known.rest(known)

    def add(self, key: bytes, now: float) -> Followed | None:
        """A new one; None if there is no room."""
        known = Followed(key, now)
        if not self._known.add(known):
            self.counters.not_followed += 1
            return None
        return known

    def meet(self, key: bytes, found: Followed | None, now: float) -> Followed | None:
        """The guest speaks on a connection whose opening was not seen."""
        known = self.add(key, now) if found is None else found
        if known is not None:
            known.meet(0, 0)
            self.counters.met += 1
            known.unprotected = not (self.all_followed and self.protecting)
        return known

    def restart(self, known: Followed, isn: int, end: int, offers_scale: bool) -> None:
        """The guest has begun anew, with another ISN."""
        self.kept.release(known)
        known.restart(isn, end, offers_scale)
        known.unprotected = known.opens_unprotected or not self.protecting
        if not known.proposed:
            known.opens_unprotected = False
        self.counters.opened += 1

    def close(self, known: Followed) -> None:
        """It is over; it stays for a while, for what is still under way."""
        if known.state != CLOSED:
            known.state = CLOSED
            known.owed = known.opens_unprotected = False
            self.counters.closed += 1
            self._known.rest(known)
            self._known.hasten(known)

    def reopen(self, known: Followed) -> None:
        """The guest speaks as if a reset had never come."""
        known.state = OPEN if known.learnt else OPENING

    def all(self) -> list[Followed]:
        """All that are known."""
        known: list[Any] = self._known.all()
        return known

    def some(self, start: int, most: int) -> list[Followed]:
        """At most so many, from that place on in the order in which they were met."""
        known: list[Any] = self._known.some(start, most)
        return known

    def forget(self, known: Followed) -> None:
        self.kept.release(known)
        self._known.remove(known)

    def keep(self, known: Followed, edits: Edits, end: int) -> None:
        """
        Keep the packet that ``edits`` stands at, and whose segment ends at ``end``, for a take-over.

        Not if that has been, if the connection will be reset, or the client has acknowledged ``end`` already.
        """
        if not (self.alone or known.unprotected or known.acknowledged(end)):
            self.kept.note(known, edits.start, edits.stop, end)

    def leap(self) -> None:
        """A take-over: what the clients see has newer timestamps than all before."""
        for each in self.all():
            each.leap()

    def restore(self, known: Followed) -> None:
        """Take in one of a table that was saved, in place of another if there is no room."""
        self._known.add(known)

    # time

    def expire(self, now: float) -> None:
        """Forget what has been closed, or idle, for long enough."""
        expired: list[Any] = self._known.expire(now)
        self.counters.expired += len(expired)
        for known in expired:
            self.kept.release(known)

    @property
    def next_deadline(self) -> float | None:
        """When to call expire (seconds); None while there is nothing to expire."""
        return self._known.next_deadline

    def __len__(self) -> int:
        return len(self._known)

    # checkpoints and protection

    def checkpoint(self, offsets: Mapping[bytes, Offsets], now: float) -> None:
        """The guest has become equal to the primary's, and so has each offset to that of the primary's rewriter."""
        self.kept.clear()
        for each in self.all():
            each.protect()
            if each.state in (OPENING, OPEN):
                own = offsets.get(each.key, NO_OFFSETS)
                each.meet(own.sequence, own.timestamp)
                self.use(each, now)
            elif each.state == CLOSED:
                self._known.remove(each)
        for key, own in offsets.items():
            known = self.get(key)
            if known is None:
                known = self.add(key, now)
            if known is not None and known.state == PROPOSED:  # new, or a SYN came, which may be anybody's
                known.meet(own.sequence, own.timestamp)
                self.use(known, now)
        self.all_followed = True

    def offsets(self) -> dict[bytes, Offsets]:
        """Those that aren't zero, by connection: what a checkpoint of this guest carries to another's rewriter."""
        return {
            each.key: Offsets(each.offset, each.ts_offset)
            for each in self.all()
            if each.state == OPEN and (each.offset or each.ts_offset)
        }

    def unprotect(self, keys: Iterable[bytes] | None, now: float) -> None:
        """Remember that these connections are unprotected; None: all, and new ones until protect_new."""
        if keys is None:
            self.protecting = self.all_followed = False
            for each in self.all():
                each.unprotect()
            return
        for key in keys:
            known = self.get(key)
            if known is None or known.state == PROPOSED:
                known = self.meet(key, known, now)
            if known is not None:
                known.unprotect()

    def protect_new(self) -> None:
        """New connections are protected from now on."""
        self.protecting = True

    def unprotected(self) -> list[bytes]:
        """The keys of the unprotected connections."""
        return [each.key for each in self.all() if each.unprotected and each.state in (OPENING, OPEN)]
