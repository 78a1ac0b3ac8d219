# cython: annotation_typing=False
"""What a comparer counts."""

from __future__ import annotations

NAMES = (
    "primary",  # frames that came from the primary
    "secondary",
    "released",  # frames that went out, our own acknowledgments among them
    "made_acks",
    "passed",  # frames of the primary's that are not compared: not IP, neighbour discovery, ICMP errors, ...
    "unprotected",  # frames of flows that the secondary doesn't follow
    "compared",  # packets of the primary's
    "held",  # of these, those that had to wait for a later batch
    "held_packets",  # of either side's, that are held now
    "held_bytes",  # what these cost, upkeep included
    "divergences",
    "connections",  # that are known now
    "checkpoints",  # after which flows began anew
    "dropped_malformed",
    "dropped_queue_full",
    "dropped_memory",
    "dropped_table_full",
    "dropped_reused",  # what a guest had sent in a connection that it has forgotten
    "dropped_fragments",  # of packets that never became whole
    "secondary_questions",  # frames of the secondary's that went out: who has a neighbour's address
    "secondary_only",  # frames of the secondary's that are not compared
    "secondary_ignored",  # of flows that are not compared, or before a marker
    "secondary_malformed",
    "secondary_dropped_memory",
)


class Tally:
    """Frames, but where NAMES says otherwise, since the start."""

    __slots__ = NAMES

    def __init__(self) -> None:
        self.primary = self.secondary = self.released = self.made_acks = self.passed = self.unprotected = 0
        self.compared = self.held = self.held_packets = self.held_bytes = 0
        self.divergences = self.connections = self.checkpoints = 0
        self.dropped_malformed = self.dropped_queue_full = self.dropped_memory = 0
        self.dropped_table_full = self.dropped_reused = self.dropped_fragments = 0
        self.secondary_questions = self.secondary_only = 0
        self.secondary_ignored = self.secondary_malformed = self.secondary_dropped_memory = 0

    def rows(self) -> list[tuple[str, int]]:
        """Each name with its number, in order."""
        return [(name, getattr(self, name)) for name in NAMES]
