# cython: annotation_typing=False
"""
The rewriter: the secondary's guest speaks to the primary's client in the primary's numbers (SEMANTICS, 'Rewriter').

Sans-IO. Packets keep their lengths: a batch in which something changes is copied once, and no frame moves.
"""

from __future__ import annotations

from collections.abc import Iterator

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.ip import PROTOCOL_TCP
from colo_twisted.packets.kinds import CONTROL, FRAGMENT, MALFORMED, TCP
from colo_twisted.packets.rewriting.edits import Edits
from colo_twisted.packets.rewriting.followed import CLOSED, GUEST_SEEN, OPENING, PROPOSED, Followed, reversed_key
from colo_twisted.packets.rewriting.following import Following
from colo_twisted.packets.rewriting.kept import DEFAULT_MOST
from colo_twisted.packets.rewriting.owed import owed_acks
from colo_twisted.packets.rewriting.resets import Resets
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.rewriting.saving import Table, restore, saved
from colo_twisted.packets.rewriting.translation import is_error, quoted_key, quoted_tcp
from colo_twisted.packets.tcp import ACK, FIN, RST, SYN
from colo_twisted.packets.tcp_options import NO_SCALE
from colo_twisted.packets.vnet import with_vnet_headers

_LARGEST_WINDOW = 0xFFFF


class Rewriter:
    """
    Rewrites for one guest, and follows at most ``max_connections`` of its TCP connections.

    ``to_guest`` and ``from_guest`` take a batch and give the one that goes on: the same object if nothing changed.
    After ``from_guest`` call ``take_for_guest``: acknowledgments that the guest was owed, and resets. After
    ``to_guest`` call ``take_for_client``: resets. At a take-over call ``fail_over``, then use up ``resets`` and
    ``kept_output``, in that order.
    """

    def __init__(
        self, max_connections: int = 1 << 20, counters: RewriterCounters | None = None, max_kept: int = DEFAULT_MOST
    ) -> None:
        self.counters = counters if counters is not None else RewriterCounters()
        self.following = Following(max_connections, self.counters, max_kept)
        self._resets = Resets(self.following, self.counters)
        self._edits = Edits(self.counters)
        self._headers = self._edits.headers
        # connections that get more of their ack now: headers of a packet of the guest's, and where IP's and TCP's are
        self._due: dict[bytes, tuple[bytes, int, int]] = {}
        self._for_guest: list[bytes] = []
        self._for_client: list[bytes] = []

    # batches

    def to_guest(self, batch: Batch, now: float) -> Batch:
        """Frames from the client: their acks become those of the guest's own numbers."""
        edits = self._edits
        edits.begin(batch)
        places = batch.places
        for index in range(len(places) - 1):
            kind = edits.look(places[index], places[index + 1])
            if kind == TCP:
                self._incoming(now)
            elif kind == CONTROL:
                self._incoming_error(now)
            elif kind == FRAGMENT:
                self._incoming_fragment(now)
            elif kind == MALFORMED:
                self.counters.malformed += 1
        return edits.finish(batch)

    def from_guest(self, batch: Batch, now: float) -> Batch:
        """Frames from the guest: their sequence numbers become the primary's."""
        edits = self._edits
        edits.begin(batch)
        places = batch.places
        for index in range(len(places) - 1):
            kind = edits.look(places[index], places[index + 1])
            if kind == TCP:
                self._outgoing(now)
            elif kind == FRAGMENT:
                self._outgoing_fragment(now)
            elif kind == MALFORMED:
                self.counters.malformed += 1
        if self._due:
            self._for_guest += owed_acks(self._due, self.following)
            self._due.clear()
        batch = edits.finish(batch)
        self.following.kept.finish(batch)
        return batch

    def take_for_guest(self) -> Batch | None:
        """Packets that the guest is to be given, in the form of the last batch; None if there are none."""
        packets, self._for_guest = self._for_guest, []
        return self._made(packets)

    def take_for_client(self) -> Batch | None:
        """As take_for_guest; for the network."""
        packets, self._for_client = self._for_client, []
        return self._made(packets)

    def save(self) -> bytes:
        """The table, for the process after this one."""
        return saved(self.following)

    def load(self, table: Table) -> None:
        """Take up a table that was saved, before the first packet. After a take-over it stays so."""
        restore(table, self.following)
        if self.following.alone:
            self._resets.resume()

    def _made(self, packets: list[bytes]) -> Batch | None:
        if not packets:
            return None
        batch = Batch.from_packets(packets)
        return with_vnet_headers(batch) if self._edits.vnet_hdr else batch

    # a take-over

    def fail_over(self, now: float) -> None:
        """The client hears this guest from now on: what is protected goes on, new connections are left alone."""
        if not self.following.alone:
            self.following.alone = True
            self.following.leap()
            self._resets.begin(now)

    def resets(self) -> Iterator[tuple[Batch | None, Batch | None]]:
        """What resets the unprotected connections, some hundred a turn: a batch for the guest, one for the network."""
        for for_guest, for_client in self._resets.at_take_over():
            yield self._made(for_guest), self._made(for_client)

    def kept_output(self) -> Iterator[Batch]:
        """What the guest has sent beyond each client's newest ack, for the network; it is kept no longer."""
        return self.following.kept.hand_out()

    # the client's

    def _incoming(self, now: float) -> None:
        headers = self._headers
        flags = headers.flags
        key = reversed_key(headers.connection_key(self._edits.data), headers.version)
        known = self.following.get(key)
        if flags & (SYN | ACK) == SYN:
            self._propose(key, known, now)
            return
        if self._resets.active and self._resets.turns_client_away(self._edits, key, known, now, self._for_client):
            return
        if known is None or known.state == PROPOSED:
            return
        self.following.use(known, now)
        self._edits.find_checksum()
        if known.state == OPENING and flags & ACK:
            if not self._teaches(known):
                self._calm(known)
                return
            self._learn(known)
        if flags & RST:
            self._incoming_reset(known)
        elif flags & ACK:
            self._incoming_segment(known)

    def _propose(self, key: bytes, known: Followed | None, now: float) -> None:
        """A client's SYN: remembered, but without effect until the guest answers it."""
        if known is None:
            if self.following.alone:
                self._resets.opens(key)
                return
            known = self.following.add(key, now)
            if known is None:
                return
        known.propose(self._headers.seq, self._edits.offered_scale(), not self.following.protecting)

    def _teaches(self, known: Followed) -> bool:
        """Whether the client's packet acknowledges the primary's SYN."""
        headers = self._headers
        if not known.rcv_known:  # the guest has sent a SYN: what answers it is a SYN-ACK, or a refusal
            return (headers.flags & (SYN | RST)) != 0
        if headers.flags & RST:
            return headers.seq == known.rcv_nxt
        if headers.flags & SYN:  # both have opened
            return sequence.add(headers.seq, 1) == known.rcv_nxt
        return 0 <= sequence.distance(headers.seq, known.rcv_nxt) <= _LARGEST_WINDOW

    def _calm(self, known: Followed) -> None:
        """
        After a failover a client that knows the primary's SYN answers the guest's by a challenge ACK (RFC 5961).

        With the guest's own number in it the guest lets it pass, and waits for the SYN-ACK; else it would send a reset.
        """
        if self.following.alone and not known.rcv_known:
            self._edits.put_ack(sequence.add(known.isn, 1))
            self._learn_echo(known)
            self._edits.put_echo(known, False)

    def _learn(self, known: Followed) -> None:
        known.learn(self._headers.ack)
        self.counters.learnt += 1
        self._learn_echo(known)
        if self._headers.flags & SYN and not known.rcv_known:
            known.answered(self._edits.offered_scale())

    def _learn_echo(self, known: Followed) -> None:
        at = self._edits.timestamps_at()
        if at and known.ts_seen:
            known.learn_echo(fields.u32(self._edits.data, at + 4))

    def _incoming_reset(self, known: Followed) -> None:
        """Only one exactly at RCV.NXT ends the connection; in SYN-SENT it is the ack that counts."""
        headers = self._headers
        acknowledges = (headers.flags & ACK) != 0
        if acknowledges:
            self._edits.put_ack(sequence.add(headers.ack, known.offset))
            self._edits.put_echo(known, False)
        if headers.seq == known.rcv_nxt if known.rcv_known else known.isn_known and acknowledges:
            self.following.close(known)

    def _incoming_segment(self, known: Followed) -> None:
        headers = self._headers
        edits = self._edits
        believed = known.plausible(headers.seq)
        ack = sequence.add(headers.ack, known.offset)
        ahead = 0
        if believed:
            self._note_incoming(known)
            known.client_acked(ack, headers.window)
            if known.keeps:
                self.following.kept.trim(known)
            ahead = known.beyond(ack)
        edits.put_ack(sequence.add(ack, -ahead))
        edits.put_echo(known, believed)
        edits.put_sack(known)
        if ahead:  # the window's edge stays where it is
            edits.put_window(known.window_for(sequence.add(ack, -ahead), ack, headers.window))
            self.counters.clamped += 1
            if not known.owed:
                known.owed = True
                self.counters.acks_owed += 1
        if known.over():
            self.following.close(known)

    def _note_incoming(self, known: Followed) -> None:
        """What the client has sent, and the guest gets now."""
        headers = self._headers
        length = self._edits.segment_length()
        known.client_sent(headers.seq, length)
        if headers.flags & FIN:
            known.client_end_fin(sequence.add(headers.seq, length))

    def _incoming_fragment(self, now: float) -> None:
        """The first fragment has the TCP header; how long the segment is isn't known yet."""
        known = self._of_fragment(True, now)
        if known is not None and self._headers.flags & ACK:
            self.following.use(known, now)
            self._edits.put_ack(sequence.add(self._headers.ack, known.offset))
            self._edits.put_echo(known, False)
            self._edits.put_sack(known)

    def _of_fragment(self, incoming: bool, now: float) -> Followed | None:
        """The connection of a fragment that has the TCP header; None if that isn't to be changed, or doesn't go on."""
        headers = self._headers
        edits = self._edits
        if headers.fragment_offset or headers.protocol != PROTOCOL_TCP:
            return None
        if headers.parse_transport(edits.data) != TCP:
            return None
        headers.kind = TCP
        key = headers.connection_key(edits.data)
        if incoming:
            key = reversed_key(key, headers.version)
        known = self.following.get(key)
        answers = self._for_client if incoming else self._for_guest
        if self._resets.active and self._resets.turns_fragment_away(incoming, edits, key, known, now, answers):
            return None
        if known is None or not known.learnt:
            return None
        edits.find_checksum()
        return known

    def _incoming_error(self, now: float) -> None:
        """An ICMP error quotes a packet that the client has seen: from the guest, in the primary's numbers."""
        headers = self._headers
        data = self._edits.data
        tcp = quoted_tcp(data, headers.payload, headers.end, headers.version) if is_error(data, headers) else 0
        if not tcp:
            return
        known = self.following.get(quoted_key(data, headers, tcp))
        if known is not None and known.offset:
            self.following.use(known, now)
            self._edits.shift_quoted(tcp, known.offset)

    # the guest's

    def _outgoing(self, now: float) -> None:
        headers = self._headers
        flags = headers.flags
        key = headers.connection_key(self._edits.data)
        known = self.following.get(key)
        self._edits.find_checksum()
        if flags & SYN:
            self._outgoing_syn(key, known, now)
            return
        if self._resets.active and self._resets.turns_guest_away(self._edits, key, known, now, self._for_guest):
            return
        if known is None or known.state == PROPOSED:
            if flags & RST or self.following.alone:
                return
            known = self.following.meet(key, known, now)
            if known is None:
                return
        self.following.use(known, now)
        self._edits.note_link(known)
        if flags & RST:
            self._outgoing_reset(known)
        elif known.learnt:
            self._outgoing_segment(known)

    def _outgoing_syn(self, key: bytes, known: Followed | None, now: float) -> None:
        headers = self._headers
        edits = self._edits
        if known is None or not known.isn_known or known.isn != headers.seq:
            known = self._restart(key, known, now)
            if known is None:
                return
        self.following.use(known, now)
        edits.note_link(known)
        if headers.flags & ACK:
            known.answer(headers.ack, edits.offered_scale())
        if known.state == CLOSED:
            self.following.reopen(known)
        if known.learnt:
            edits.put_seq(known)
            edits.put_stamp(known)
        else:
            at = edits.timestamps_at()
            if at:
                known.stamp(fields.u32(edits.data, at))

    def _restart(self, key: bytes, known: Followed | None, now: float) -> Followed | None:
        if self.following.alone and (
            known is None or known.state != PROPOSED
        ):  # the primary may have answered that SYN
            if known is not None:
                self.following.forget(known)
            self._resets.opens(key)
            return None
        if known is None:
            known = self.following.add(key, now)
        if known is not None:
            seq = self._headers.seq
            end = sequence.add(seq, self._edits.segment_length())
            self.following.restart(known, seq, end, self._edits.offered_scale() != NO_SCALE)
            self.following.keep(known, self._edits, end)
        return known

    def _outgoing_reset(self, known: Followed) -> None:
        headers = self._headers
        if not known.learnt:  # one that answers a stray segment bears that one's ack, and ends nothing
            if headers.seq == known.sent:
                self.following.close(known)
            return
        if headers.seq == 0 and headers.flags & ACK:
            return  # it refuses a SYN, or answers what has no ack (RFC 9293 section 3.10.7.1)
        self._edits.put_seq(known)
        self._edits.put_stamp(known)
        if known.state != CLOSED:
            self.following.keep(known, self._edits, sequence.add(headers.seq, 1))
        self.following.close(known)

    def _outgoing_segment(self, known: Followed) -> None:
        headers = self._headers
        closed = known.state == CLOSED
        if closed and not known.over():
            self.following.reopen(known)  # a reset that the guest didn't take, or that it has not read yet
        length = self._edits.segment_length()
        end = sequence.add(headers.seq, length)
        if headers.flags & ACK:
            known.guest_acked(headers.ack)
        if headers.flags & FIN:
            known.guest_end_fin(end)
        more = known.guest_sent(end)
        if more and length:
            self.following.keep(known, self._edits, end)
        if (known.owed and more) or (length and not more and not closed and known.acknowledged(end)):
            packet = self._edits.data[headers.start : headers.payload]
            self._due[known.key] = (packet, headers.network - headers.start, headers.transport - headers.start)
        if known.over():
            self.following.close(known)
        self._edits.put_seq(known)
        self._edits.put_stamp(known)

    def _outgoing_fragment(self, now: float) -> None:
        known = self._of_fragment(False, now)
        if known is not None:
            self.following.use(known, now)
            known.seen &= ~GUEST_SEEN  # how far the segment goes is not known
            self._edits.put_seq(known)
            self._edits.put_stamp(known)
