# cython: annotation_typing=False
"""
A TCP connection's two output streams over one sequence space.

The primary's ISN + 1 places both: the secondary's rewriter has translated its numbers, but for its SYN, which comes
before the rewriter can know the offset, and an RST without ACK. SYNs are matched by flags and options, an RST by its
being there.
"""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.comparing.byte_queue import ByteQueue
from colo_twisted.packets.comparing.flows import NEVER, Flow
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.verdicts import EQUAL, FIN_DIFFERS, PAYLOAD_DIFFERS, SYN_DIFFERS, UNMATCHED, WAIT
from colo_twisted.packets.tcp import FIN, RST, SYN

# seconds without a packet after which a connection is forgotten
OPENING_LIFETIME = 3600.0  # nothing but its SYN was seen
LIFETIME = 5 * 86400.0
FINISHED_LIFETIME = 600.0
RESET_LIFETIME = 60.0


class StreamFlow(ByteQueue):
    """Compares payloads, SYN, FIN and RST, however either side has cut, repeated or reordered them."""

    __slots__ = (
        "ahead",
        "guessed",
        "marked_syn",
        "next_syn",
        "primary_fin",
        "primary_isn",
        "primary_offer",
        "primary_rst",
        "primary_syn",
        "secondary_fin",
        "secondary_fin_at",
        "secondary_isn",
        "secondary_offer",
        "secondary_rst",
        "secondary_since",
        "secondary_syn",
        "sent_end",
    )

    def __init__(self, key: bytes, now: float) -> None:
        super().__init__(key, now)
        self.guessed = False  # it was met in mid-stream: its first packet may have been a repetition, or a keep-alive
        self.sent_end = 0  # the highest sequence number that has left, plus one
        self.ahead: list[tuple[int, int]] | None = None  # runs that have left before what precedes them
        # what the primary has sent; fin and rst once they have left
        self.primary_syn = False
        self.primary_isn = 0
        self.primary_offer = 0
        self.primary_fin = False
        self.primary_rst = False
        self.marked_syn = False  # whether it had opened the connection before the mark
        # what the secondary has sent, and since when one of these waits for its counterpart
        self.secondary_syn = False
        self.secondary_isn = 0
        self.secondary_offer = 0
        self.secondary_fin = False
        self.secondary_fin_at = 0
        self.secondary_rst = False
        self.secondary_since = 0.0
        # the SYN of a connection that follows this one between the same ports, while the primary has not begun it
        self.next_syn: Held | None = None

    # what came

    def receive_primary(self, held: Held, outlet: Outlet, now: float) -> int:
        self._meet(held)
        self.note_primary(held)
        if not held.length and not held.flags & (SYN | FIN | RST):
            return self.receive_pure_ack(held, outlet, now)
        if held.length and self.repeats(held):
            self.born = now  # its client has lost it: until that has it, either guest may be ahead of the other
            if self.primary_head is not None:
                self._hold_first(held)
                return self.advance(outlet, now)
        behind = self.primary_head is not None and not held.flags & SYN
        self.hold_primary(held)
        return EQUAL if behind else self.advance(outlet, now)  # what the first one waits for hasn't come by this

    def repeats(self, held: Held) -> bool:
        """Whether some of the packet has left before."""
        return sequence.before(held.seq, self.matched) and not held.flags & (SYN | RST)

    def _hold_first(self, held: Held) -> None:
        """
        Put a packet that repeats what has left before the others.

        A client that has lost it acknowledges nothing until it has come, and what the others wait for may be a
        secondary whose congestion window is full.
        """
        head = self.primary_head
        assert head is not None
        held.since = head.since  # it hides from the time-out that the others wait
        held.queued = True
        held.following = head
        self.primary_head = held
        self.primary_count += 1
        self.count_held(1, held.cost)

    def receive_secondary(self, held: Held, outlet: Outlet, now: float) -> int:
        if held.flags & SYN:
            return self._receive_secondary_syn(held, outlet, now)
        head = self.primary_head
        if head is not None and head.flags & SYN and not self.secondary_syn:
            return EQUAL  # late, of an older connection between the same ports
        if held.flags & RST:
            if not self.secondary_rst:
                self._begin_waiting(now)
                self.secondary_rst = True
            return self.advance(outlet, now)
        self.note_secondary(held)
        if held.length:
            self.insert(held)
        if held.flags & FIN and not self.secondary_fin:
            self._begin_waiting(now)
            self.secondary_fin = True
            self.secondary_fin_at = sequence.add(held.seq, held.length)
        verdict = self.advance(outlet, now)
        self.secondary_advanced(outlet, now)
        return verdict

    def pass_by(self, held: Held) -> None:
        self._meet(held)
        self.note_primary(held)
        if sequence.before(self.matched, held.seq):  # nobody will ask what precedes it
            self.matched = held.seq
            self.ahead = None
        self._note_left(held)

    def _meet(self, held: Held) -> None:
        """Learn from the primary's packet where the stream begins."""
        if held.flags & SYN:
            if not self.primary_syn:
                self.primary_syn = True
                self.secondary_since = held.since  # if its FIN waits too, that has come later than its SYN
                self.primary_isn = sequence.add(held.seq, -1)
                self.primary_offer = held.offer
                if self.secondary_head is not None and not self.placed:
                    self.secondary_head.seq = held.seq  # what came in the secondary's SYN
                self._place(held.seq)
        elif not self.placed:
            self.guessed = True
            self._place(held.seq)

    def _place(self, seq: int) -> None:
        self.placed = True
        self.matched = self.sent_end = seq
        self.trim()

    def _receive_secondary_syn(self, held: Held, outlet: Outlet, now: float) -> int:
        isn = sequence.add(held.seq, -1)
        if self.secondary_syn:
            if isn != self.secondary_isn and isn != self.primary_isn:
                self._keep_next_syn(held, isn)
                return EQUAL
            if self.primary_head is None:
                return EQUAL
            self.note_secondary(held)  # in a simultaneous opening the SYN-ACK comes behind a SYN
            verdict = self.advance(outlet, now)
            self.secondary_advanced(outlet, now)
            return verdict
        if self.primary_syn or not self.placed:
            self.begin_secondary(held.offer, isn, now)
            self.note_secondary(held)
            if held.length:  # TCP Fast Open (RFC 7413): its place is behind the primary's SYN
                held.seq = self.matched
                self.insert(held)
        else:
            self._keep_next_syn(held, isn)
        verdict = self.advance(outlet, now)
        self.secondary_advanced(outlet, now)
        return verdict

    def _keep_next_syn(self, held: Held, isn: int) -> None:
        held.keep()
        self.next_syn = held
        self.secondary_isn = isn

    def begin_secondary(self, offer: int, isn: int, now: float) -> None:
        """The secondary has opened this connection."""
        self._begin_waiting(now)
        self.secondary_syn = True
        self.secondary_offer = offer
        self.secondary_isn = isn

    # what a subclass makes of acknowledgments

    def note_primary(self, held: Held) -> None:
        """Look at a primary's packet, before anything is decided about it."""

    def note_secondary(self, held: Held) -> None:
        """Look at a secondary's packet, before anything is decided about it."""

    def secondary_advanced(self, outlet: Outlet, now: float) -> None:
        """A secondary's packet was looked at, and what it lets go has gone."""

    def may_acknowledge(self, held: Held) -> bool:
        """Whether the packet could leave as far as its acknowledgment goes, be it with another one."""
        return True

    def leave(self, held: Held, outlet: Outlet, now: float) -> None:
        """Let the packet out."""
        outlet.add_held(held)

    def receive_pure_ack(self, held: Held, outlet: Outlet, now: float) -> int:
        """A packet without payload, SYN, FIN and RST."""
        outlet.add_held(held)
        return EQUAL

    # what may leave

    def advance(self, outlet: Outlet, now: float) -> int:
        """Let out what may leave."""
        while self.primary_head is not None:
            verdict = self._judge(self.primary_head)
            if verdict != EQUAL:
                return EQUAL if verdict == WAIT else verdict
            held = self.pop_primary()
            outlet.holds.record(now - held.since)
            self.leave(held, outlet, now)
            self._note_left(held)
        return EQUAL

    def _judge(self, held: Held) -> int:
        """EQUAL if the secondary has sent the same, WAIT if it may yet, else the kind of divergence."""
        flags = held.flags
        if flags & SYN:
            if not self.secondary_syn:
                return WAIT
            if held.offer != self.secondary_offer:
                return SYN_DIFFERS
        if held.length > held.compared:
            verdict = self._judge_payload(held)
            if verdict != EQUAL:
                return verdict
        if flags & FIN:
            verdict = self._judge_fin(sequence.add(held.seq, held.length))
            if verdict != EQUAL:
                return verdict
        if (
            flags & RST
            and not self.secondary_rst
            # one guest may have closed in time; but what comes before the secondary's FIN is not to be cut off
            and (not self.secondary_fin or sequence.before(held.seq, self.secondary_fin_at))
        ):
            return WAIT
        return EQUAL if self.may_acknowledge(held) else WAIT

    def _judge_payload(self, held: Held) -> int:
        seq = sequence.add(held.seq, held.compared)
        if sequence.distance(self.matched, seq) > 0:  # sent again: these bytes were compared before they left
            held.compared = min(held.length, sequence.distance(self.matched, held.seq))
            seq = sequence.add(held.seq, held.compared)
        part = self.secondary_head
        while held.compared < held.length and part is not None:
            into = sequence.distance(seq, part.seq)
            if into < 0:
                break
            if into < part.length:
                count = min(part.length - into, held.length - held.compared)
                mine = held.payload + held.compared
                theirs = part.payload + into
                if not fields.same(held.data, mine, part.data, theirs, count):
                    self._tell_difference(held, mine, part, theirs)
                    return PAYLOAD_DIFFERS
                held.compared += count
                seq = sequence.add(seq, count)
            part = part.following
        if held.compared == held.length:
            return EQUAL
        if self.secondary_fin and sequence.distance(self.secondary_fin_at, seq) <= 0:
            self.differs_at = held.compared
            return FIN_DIFFERS
        return WAIT

    def _tell_difference(self, held: Held, mine: int, part: Held, theirs: int) -> None:
        offset = 0
        while held.data[mine + offset] == part.data[theirs + offset]:
            offset += 1
        self.differs_at = held.compared + offset
        self.differing = part

    def _judge_fin(self, at: int) -> int:
        """The primary's stream ends here."""
        if self.secondary_fin:
            return EQUAL if at == self.secondary_fin_at else FIN_DIFFERS
        tail = self.secondary_tail
        if tail is not None and sequence.before(at, sequence.add(tail.seq, tail.length)):
            return FIN_DIFFERS
        return EQUAL if self.secondary_rst else WAIT

    def _note_left(self, held: Held) -> None:
        end = sequence.add(held.seq, held.length)
        if held.length:
            if sequence.before(self.matched, held.seq) and self.guessed:
                self.matched = held.seq  # the gap was there before we were
            if sequence.before(self.matched, held.seq):
                self._note_ahead(held.seq, end)
            elif sequence.before(self.matched, end):
                self.matched = end
                if self.ahead is not None:
                    self._close_up()
                self.trim()
        if held.flags & FIN:
            self.primary_fin = self.ended = True
            end = sequence.add(end, 1)
        if held.flags & RST:
            self.primary_rst = self.ended = True
        self.sent_end = sequence.later_of(self.sent_end, end)

    def _note_ahead(self, seq: int, end: int) -> None:
        if self.ahead is None:
            self.ahead = []
        if self.ahead and self.ahead[len(self.ahead) - 1][1] == seq:
            seq = self.ahead.pop()[0]
        self.ahead.append((seq, end))

    def _close_up(self) -> None:
        """Move ``matched`` over what has left before."""
        moved = True
        while moved and self.ahead:
            moved = False
            for run in self.ahead:
                if not sequence.before(self.matched, run[0]):
                    self.matched = sequence.later_of(self.matched, run[1])
                    self.ahead.remove(run)
                    moved = True
                    break
        if not self.ahead:
            self.ahead = None

    # time and checkpoints

    def engaged(self) -> bool:
        return Flow.engaged(self) or self._secondary_waits_since() != NEVER

    def deadline(self, patience: float) -> float:
        return min(Flow.deadline(self, patience), self._secondary_waits_since() + patience)

    def _secondary_waits_since(self) -> float:
        """When the secondary sent a SYN, FIN or RST to which the primary has sent no counterpart."""
        since = NEVER if self.next_syn is None else self.next_syn.since
        if (self.secondary_syn and not self.primary_syn) or (
            (self.secondary_fin or self.secondary_rst) and not self.primary_fin and not self.primary_rst
        ):
            since = min(since, self.secondary_since)
        return since

    def _begin_waiting(self, now: float) -> None:
        """The secondary sends a SYN, FIN or RST: it waits from now on, unless another of these does already."""
        if self._secondary_waits_since() == NEVER:
            self.secondary_since = now

    def overdue(self, patience: float, now: float) -> int:
        return UNMATCHED if StreamFlow.deadline(self, patience) <= now else EQUAL

    def lifetime(self) -> float:
        if self.primary_rst:
            return RESET_LIFETIME
        if self.primary_fin:
            return FINISHED_LIFETIME
        opening = self.primary_syn and self.sent_end == self.matched == sequence.add(self.primary_isn, 1)
        return OPENING_LIFETIME if opening or not self.placed else LIFETIME

    def note_mark(self, mark: int) -> None:
        Flow.note_mark(self, mark)
        self.marked_syn = self.primary_syn

    def restart(self, outlet: Outlet, now: float) -> int:
        self.born = now
        if self.primary_head is not None:
            self._meet(self.primary_head)
        if not self.placed:
            return EQUAL
        self.matched = sequence.later_of(self.matched, self.sent_end)
        self.guessed = False
        self.ahead = None
        if self.marked_syn if self.mark else self.primary_syn:
            self.begin_secondary(self.primary_offer, self.primary_isn, now)
        if self.primary_fin:
            self.secondary_fin = True
            self.secondary_fin_at = self.matched = sequence.add(self.sent_end, -1)
        if self.primary_rst:
            self.secondary_rst = True
        self.trim()
        return self.advance(outlet, now)

    def forget_secondary(self) -> None:
        Flow.forget_secondary(self)
        if self.primary_head is not None:
            self.primary_head.compared = 0
        if not self.primary_syn or (self.mark and not self.marked_syn):
            self.secondary_syn = False  # the secondary opens it once more
        self.secondary_fin = False
        self.secondary_rst = False
        self.next_syn = None
