# cython: annotation_typing=False
"""What each guest has acknowledged on a connection, and the primary's timestamps."""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.streams import StreamFlow
from colo_twisted.packets.tcp import ACK, HEADER, LARGEST_SCALE, SYN
from colo_twisted.packets.tcp_options import scale_of, timestamps_at


class AcknowledgedFlow(StreamFlow):
    """Streams, and what either side has acknowledged; a client may be told what both have."""

    __slots__ = (
        "left_ack_max",
        "left_edge",
        "left_known",
        "marked_ack",
        "marked_edge",
        "marked_known",
        "primary_ack_max",
        "primary_edge",
        "primary_known",
        "primary_scale",
        "secondary_ack_max",
        "secondary_edge",
        "secondary_known",
        "secondary_scale",
        "tsecr",
        "tsval",
        "tsval_order",
        "with_timestamps",
    )

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        # What each guest has acknowledged: the highest ack, and the right edge of the window that came with it. In
        # doubt the largest scale: a client then sees a smaller edge, never a larger.
        self.primary_known = self.secondary_known = False
        self.primary_ack_max = self.secondary_ack_max = 0
        self.primary_edge = self.secondary_edge = 0
        self.primary_scale = self.secondary_scale = LARGEST_SCALE
        # and what has left
        self.left_known = False
        self.left_ack_max = self.left_edge = 0
        self.marked_known = False
        self.marked_ack = self.marked_edge = 0  # what the primary had acknowledged before the mark
        self.with_timestamps = False
        self.tsval = self.tsecr = 0  # the highest that has left, the newest that was seen
        self.tsval_order = 0  # of the packet that brought it

    # what the guests say

    def note_primary(self, held: Held) -> None:
        at = timestamps_of(held)
        if at:
            echo = fields.u32(held.data, at + 4)
            if self.with_timestamps:
                self.tsecr = sequence.later_of(echo, self.tsecr)
            else:  # met in mid-stream: none has left that we know of
                self.tsecr = echo
                self.tsval = fields.u32(held.data, at)
                self.with_timestamps = True
        if held.flags & SYN:
            self.primary_scale = scale_of(held.offer)
        if held.flags & ACK and not (self.primary_known and sequence.before(held.ack, self.primary_ack_max)):
            self.primary_known = True
            self.primary_ack_max = held.ack
            self.primary_edge = edge_of(held, self.primary_scale)

    def note_secondary(self, held: Held) -> None:
        if held.flags & SYN:
            self.secondary_scale = scale_of(held.offer)
        if held.flags & ACK and not (self.secondary_known and sequence.before(held.ack, self.secondary_ack_max)):
            self.secondary_known = True
            self.secondary_ack_max = held.ack
            self.secondary_edge = edge_of(held, self.secondary_scale)

    # what a client may be told

    def allowed_ack(self, ack: int) -> int:
        """The primary's ack, or as much of it as the secondary has said too, or has left."""
        secondary = self.secondary_ack_max
        if not sequence.before(secondary, ack):
            return ack
        return sequence.later_of(secondary, self.left_ack_max) if self.left_known else secondary

    def allowed_edge(self, edge: int) -> int:
        """The smaller of the primary's right edge and the secondary's."""
        return self.secondary_edge if sequence.before(self.secondary_edge, edge) else edge

    def note_timestamps(self, held: Held) -> None:
        """This packet leaves."""
        at = timestamps_of(held)
        if at:
            tsval = fields.u32(held.data, at)
            if not self.with_timestamps or sequence.before(self.tsval, tsval):
                self.tsval = tsval
                self.tsval_order = held.order
            self.with_timestamps = True

    # checkpoints

    def note_mark(self, mark: int) -> None:
        StreamFlow.note_mark(self, mark)
        self.marked_known = self.primary_known
        self.marked_ack = self.primary_ack_max
        self.marked_edge = self.primary_edge

    def follow_from(self, ack: int, edge: int) -> None:
        """The secondary has acknowledged so much at least."""
        if not self.secondary_known or sequence.before(self.secondary_ack_max, ack):
            self.secondary_ack_max = ack
            self.secondary_edge = edge
        elif sequence.before(self.secondary_edge, edge):
            self.secondary_edge = edge
        self.secondary_known = True
        self.secondary_scale = self.primary_scale

    def forget_secondary(self) -> None:
        StreamFlow.forget_secondary(self)
        self.secondary_known = False


def timestamps_of(held: Held) -> int:
    """Where its TSval stands; 0 without the option."""
    if held.payload - held.transport == HEADER:
        return 0
    return timestamps_at(held.data, held.transport, held.payload)


def edge_of(held: Held, scale: int) -> int:
    """The right edge of the window that a packet offers; a SYN's window is never scaled (RFC 7323 section 2.2)."""
    return sequence.add(held.ack, held.window << (0 if held.flags & SYN else scale))
