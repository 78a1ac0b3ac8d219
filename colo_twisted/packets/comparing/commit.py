# cython: annotation_typing=False
"""
Commit of acknowledgments: a client is never told more than both guests have said.

An ack that leaves is at most the secondary's, a window's right edge at most the smaller of the two guests'. What may
not leave yet is owed: it is made good, by packets of the primary's or by one pure ACK of our own, when the secondary
gets there.
"""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.acknowledgments import lowered, pure_ack, restamped
from colo_twisted.packets.batch import framed
from colo_twisted.packets.comparing.acknowledged import AcknowledgedFlow, edge_of, timestamps_of
from colo_twisted.packets.comparing.cutting import first_part, last_part
from colo_twisted.packets.comparing.flows import NEVER
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.verdicts import ACK_OVERDUE, EQUAL, WINDOW_OVERDUE
from colo_twisted.packets.tcp import ACK, RST, SYN, URG
from colo_twisted.packets.tcp_options import sack_at

LARGEST_WINDOW = 65535
ROOM_ENOUGH = 65536  # bytes: a client that may still send so many is not kept waiting


class CommittedFlow(AcknowledgedFlow):
    """Streams whose acknowledgments leave when the secondary has acknowledged as much."""

    __slots__ = (
        "model",
        "model_network",
        "model_transport",
        "owed_ack",
        "owed_edge",
        "owed_since",
        "tolerated",
        "vnet_hdr",
    )

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        self.owed_since = NEVER
        self.owed_ack = self.owed_edge = 0
        self.tolerated = False  # a narrower window is all that is owed, and keeps nobody waiting
        self.model: bytes | None = None  # a packet of the primary's, whose headers ours are made after
        self.model_network = self.model_transport = 0
        self.vnet_hdr = False

    def pass_by(self, held: Held) -> None:
        AcknowledgedFlow.pass_by(self, held)
        self.note_timestamps(held)
        if held.flags & ACK and not (self.left_known and sequence.before(held.ack, self.left_ack_max)):
            self.left_known = True
            self.left_ack_max = held.ack
            self.left_edge = edge_of(held, self.primary_scale)

    def abandon(self, outlet: Outlet, now: float) -> None:
        AcknowledgedFlow.abandon(self, outlet, now)
        if self.owed_since != NEVER:  # pure ACKs that were not let out are made good
            self.secondary_known = True
            self.secondary_ack_max = self.primary_ack_max
            self.secondary_edge = self.primary_edge
            self._pay(outlet, now)
            self.owed_since = NEVER
            self.model = None

    def secondary_advanced(self, outlet: Outlet, now: float) -> None:
        if self.owed_since != NEVER:
            self._pay(outlet, now)

    # what leaves

    def may_acknowledge(self, held: Held) -> bool:
        if not held.flags & ACK or held.flags & RST:
            return True
        if not self.secondary_known:
            return False
        if held.flags & SYN or held.parts is not None:  # neither is sent with another ack
            return not sequence.before(self.secondary_ack_max, held.ack)
        return True

    def leave(self, held: Held, outlet: Outlet, now: float) -> None:
        self._catch_up(held)
        self.note_timestamps(held)
        if held.flags & ACK and held.parts is None and self.secondary_known:
            self._leave_acknowledging(held, outlet, now)
        else:
            outlet.add_held(held)

    def _leave_acknowledging(self, held: Held, outlet: Outlet, now: float) -> None:
        edge = edge_of(held, self.primary_scale)
        ack = self.allowed_ack(held.ack)
        edge_now = self.allowed_edge(edge)
        if ack == held.ack and edge_now == edge:
            outlet.add_held(held)
        else:
            scale = 0 if held.flags & SYN else self.primary_scale
            field = window_field(ack, edge_now, scale)
            start = held.start
            frame = held.data[start : held.end]
            frame = lowered(frame, held.transport - start, held.payload - start, ack, field, held.partial)
            outlet.add(frame, 0, len(frame))
            edge_now = sequence.add(ack, field << scale)
            self._owe(held, now)
        self._note_acknowledged(ack, edge_now, now)

    def receive_pure_ack(self, held: Held, outlet: Outlet, now: float) -> int:
        edge = edge_of(held, self.primary_scale)
        if self.secondary_known and self.allowed_ack(held.ack) == held.ack:
            fits = self.allowed_edge(edge) == edge
            repeated = (
                self.left_known
                and not sequence.before(self.left_ack_max, held.ack)
                and self._says_nothing_new(held, edge)
            )
            if fits or repeated:
                self.leave(held, outlet, now)
                return EQUAL
        elif self._is_over(held.ack):
            outlet.add_held(held)
            return EQUAL
        self._owe(held, now)
        self._pay(outlet, now)
        return EQUAL

    def _says_nothing_new(self, held: Held, edge: int) -> bool:
        """A duplicate ACK (RFC 5681) tells of a loss: its window is the one before, or it has SACK blocks."""
        if self.owed_since != NEVER and not sequence.before(self.owed_edge, edge):
            return True
        return not sequence.before(self.left_edge, edge) or sack_at(held.data, held.transport, held.payload) != 0

    def _is_over(self, ack: int) -> bool:
        """Both have ended, and a secondary that was reset acknowledges nothing more: not even the client's FIN."""
        if self.primary_rst:
            return True
        fin_alone = self.left_known and sequence.distance(ack, self.left_ack_max) <= 1
        return self.secondary_rst and self.primary_fin and fin_alone

    def part_head(self, outlet: Outlet, now: float) -> None:
        """
        Let out what the secondary has sent of the first held packet, as a segment of its own.

        The rest may need that: a secondary whose congestion window is full sends no more until a client has
        acknowledged what it has sent.
        """
        head = self.primary_head
        if head is None or head.parts is not None or head.flags & (SYN | RST | URG) or not self.secondary_known:
            return
        count = head.compared
        if not 0 < count < head.length:
            return
        part = first_part(head, count)
        rest = last_part(head, count)
        if sequence.before(self.matched, sequence.add(head.seq, count)):
            rest.since = now
        self._put_in_place(head, rest)
        outlet.holds.record(now - part.since)
        self.leave(part, outlet, now)
        self._note_left(part)

    def _put_in_place(self, head: Held, rest: Held) -> None:
        rest.following = head.following
        rest.queued = True
        head.leave_queue()
        self.primary_head = rest
        if self.primary_tail is head:
            self.primary_tail = rest
        self.count_held(0, rest.cost - head.cost)

    def _note_acknowledged(self, ack: int, edge: int, now: float) -> None:
        """This has left; the debt ends when it was all that the primary has said."""
        if not self.left_known or sequence.before(self.left_ack_max, ack):
            self.left_ack_max = ack
        if not self.left_known or sequence.before(self.left_edge, edge):
            self.left_edge = edge
        self.left_known = True
        if self.owed_since != NEVER:
            self._reckon_debt(now)

    def _reckon_debt(self, now: float) -> None:
        if self._is_paid(self.primary_ack_max, self.primary_edge):
            self.owed_since = NEVER
            self.model = None
        elif not sequence.before(self.left_ack_max, self.owed_ack) and self._is_paid(self.left_ack_max, self.owed_edge):
            self._owe_anew(now)  # what was owed has been paid; since then the primary has said more

    def _is_paid(self, ack: int, edge: int) -> bool:
        """Whether so much has left, but for what the window field can't express."""
        short = sequence.distance(edge, self.left_edge)
        largest = sequence.add(self.left_ack_max, LARGEST_WINDOW << self.primary_scale)
        return self.left_ack_max == ack and (
            short < 1 << self.primary_scale or not sequence.before(self.left_edge, largest)
        )

    def _catch_up(self, held: Held) -> None:
        """
        Give a packet that was overtaken while it was held the newest TSval that has left.

        A client that has seen that one takes an older one for a duplicate, and drops it (RFC 7323 section 5, PAWS).
        """
        if held.order < self.tsval_order and held.parts is None and not held.flags & SYN:
            self._restamp(held)

    def _restamp(self, held: Held) -> None:
        at = timestamps_of(held)
        if at and sequence.before(fields.u32(held.data, at), self.tsval):
            held.keep()
            at = timestamps_of(held)
            held.data = restamped(held.data, held.transport, at, self.tsval, held.partial)

    # the debt

    def _owe(self, held: Held, now: float) -> None:
        if self.owed_since == NEVER or self.tolerated:
            self._owe_anew(now)
        if self.model is None and held.parts is None:
            packet = held.packet
            self.model = held.data[packet : held.payload]
            self.model_network = held.network - packet
            self.model_transport = held.transport - packet
            self.vnet_hdr = held.vnet_hdr

    def _owe_anew(self, now: float) -> None:
        self.tolerated = False
        self.owed_since = now
        self.owed_ack = self.primary_ack_max
        self.owed_edge = self.primary_edge

    def _pay(self, outlet: Outlet, now: float) -> None:
        """Send one pure ACK of our own, if it can say more than what has left."""
        if not self.secondary_known or self.model is None or not self.placed:
            return
        scale = self.primary_scale
        ack = self.allowed_ack(self.primary_ack_max)
        field = window_field(ack, self.allowed_edge(self.primary_edge), scale)
        edge = sequence.add(ack, field << scale)
        if (
            self.left_known
            and not sequence.before(self.left_ack_max, ack)
            and not sequence.before(self.left_edge, edge)
        ):
            return
        timestamps = (self.tsval, self.tsecr) if self.with_timestamps else None
        packet = pure_ack(self.model, self.model_network, self.model_transport, self.sent_end, ack, field, timestamps)
        frame = framed(packet, self.vnet_hdr)
        outlet.add(frame, 0, len(frame))
        outlet.made += 1
        self._note_acknowledged(ack, edge, now)

    def engaged(self) -> bool:
        return (self.owed_since != NEVER and not self.tolerated) or AcknowledgedFlow.engaged(self)

    def deadline(self, patience: float) -> float:
        deadline = AcknowledgedFlow.deadline(self, patience)
        return deadline if self.tolerated else min(deadline, self.owed_since + patience)

    def overdue(self, patience: float, now: float) -> int:
        verdict = AcknowledgedFlow.overdue(self, patience, now)
        if verdict != EQUAL or self.tolerated or self.owed_since + patience > now:
            return verdict
        if self._is_over(self.owed_ack):
            self.owed_since = NEVER
            return EQUAL
        if not self.left_known or sequence.before(self.left_ack_max, self.owed_ack):
            return ACK_OVERDUE
        if self._keeps_client_waiting():
            return WINDOW_OVERDUE
        self.tolerated = True
        return EQUAL

    def _keeps_client_waiting(self) -> bool:
        """
        Whether the window that was let out leaves a client less than half of what the primary offers.

        Two kernels' windows are never quite the same: one that a client has not used up keeps nobody waiting, and
        would be a divergence on each connection that falls silent.
        """
        room = sequence.distance(self.left_edge, self.primary_ack_max)
        offered = sequence.distance(self.primary_edge, self.primary_ack_max)
        return room < min(offered // 2, ROOM_ENOUGH)

    # checkpoints

    def restart(self, outlet: Outlet, now: float) -> int:
        if not self.mark:
            CommittedFlow.note_mark(self, 0)
        if self.left_known:  # what was flushed is among that
            self.marked_ack = (
                sequence.later_of(self.marked_ack, self.left_ack_max) if self.marked_known else self.left_ack_max
            )
            self.marked_edge = (
                sequence.later_of(self.marked_edge, self.left_edge) if self.marked_known else self.left_edge
            )
            self.marked_known = True
        if self.marked_known:
            self.follow_from(self.marked_ack, self.marked_edge)
        held = self.primary_head
        while held is not None:  # nobody has looked at what came while it was diverged
            self.note_primary(held)
            held = held.following
        verdict = AcknowledgedFlow.restart(self, outlet, now)
        self.mark = 0
        if self.owed_since != NEVER:
            self._owe_anew(now)
            self._pay(outlet, now)
        return verdict


def window_field(ack: int, edge: int, scale: int) -> int:
    """The window field that, behind ``ack``, tells as much of ``edge`` as it can and no more."""
    room = sequence.distance(edge, ack)
    return min(room >> scale, LARGEST_WINDOW) if room > 0 else 0
