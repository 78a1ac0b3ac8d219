# cython: annotation_typing=False
"""The secondary's bytes of a stream, until the primary has sent the same."""

from __future__ import annotations

from colo_twisted.packets import sequence
from colo_twisted.packets.comparing.flows import Flow
from colo_twisted.packets.comparing.held import Held


class ByteQueue(Flow):
    """
    The secondary's queue as bytes: its segments in order of sequence numbers, without overlaps, maybe with gaps.

    All bytes of the stream before ``matched`` have left; ``placed`` tells whether that is known yet.
    """

    __slots__ = ("matched", "placed")

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        self.placed = False
        self.matched = 0

    def trim(self) -> None:
        """Let go of the secondary's bytes that have left."""
        head = self.secondary_head
        while head is not None and not sequence.before(self.matched, sequence.add(head.seq, head.length)):
            self.pop_secondary()
            head = self.secondary_head

    def insert(self, held: Held) -> None:
        """Put a segment among the secondary's bytes; those that are there already stay."""
        if not self.placed or sequence.before(self.matched, sequence.add(held.seq, held.length)):
            tail = self.secondary_tail
            if tail is None or not sequence.before(held.seq, sequence.add(tail.seq, tail.length)):
                self.hold_secondary(held)
            else:
                self._insert_within(held)

    def _insert_within(self, held: Held) -> None:
        """The segment begins before the last one's end: cut off what is there already, and fill a gap with the rest."""
        previous: Held | None = None
        following = self.secondary_head
        while following is not None and not sequence.before(held.seq, following.seq):
            previous = following
            following = following.following
        if previous is not None:
            known = sequence.distance(sequence.add(previous.seq, previous.length), held.seq)
            if known > 0:
                held.seq = sequence.add(held.seq, known)
                held.payload += known
                held.length -= known
        while following is not None and not sequence.before(
            sequence.add(held.seq, held.length), sequence.add(following.seq, following.length)
        ):  # wholly in the new one
            self.secondary_count -= 1
            self.count_held(-1, -following.cost)
            covered = following
            following = covered.following
            covered.leave_queue()
        if following is not None:
            held.length = min(held.length, sequence.distance(following.seq, held.seq))
        if held.length > 0:
            held.following = following
            held.queued = True
            self.secondary_count += 1
            self.count_held(1, held.cost)
        else:
            held = following  # type: ignore[assignment]
        if previous is None:
            self.secondary_head = held
        else:
            previous.following = held
        if following is None:
            self.secondary_tail = held if held is not None else previous
