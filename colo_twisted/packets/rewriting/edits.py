# cython: annotation_typing=False
"""A batch under way through a rewriter: the packet looked at now, and what is changed in it."""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.icmp import CHECKSUM_AT as ICMP_CHECKSUM_AT
from colo_twisted.packets.rewriting.followed import BOTH_SEEN, Followed
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.rewriting.translation import (
    NO_CHECKSUM,
    drop_blocks_beyond,
    has_block_beyond,
    set_long,
    set_word,
    shift_blocks,
    shift_quoted_seq,
)
from colo_twisted.packets.tcp import ACK_AT, CHECKSUM_AT, FIN, SEQ_AT, SYN, WINDOW_AT
from colo_twisted.packets.tcp_options import NO_SCALE, sack_at, syn_options, timestamps_at
from colo_twisted.packets.vnet import NEEDS_CSUM

_MOST_LINKS = 4096


class Edits:
    """
    ``look`` goes from packet to packet; the others change the one it stands at.

    Nothing is copied before the first change; ``finish`` gives the batch that goes on.
    """

    __slots__ = (
        "_buffer",
        "_checksum_at",
        "_counters",
        "_dropped",
        "_links",
        "data",
        "headers",
        "start",
        "stop",
        "vnet_hdr",
    )

    def __init__(self, counters: RewriterCounters) -> None:
        self.headers = Headers()
        self.data = b""
        self.vnet_hdr = False
        self._counters = counters
        self._buffer: bytearray | None = None
        self._links: dict[bytes, bytes] = {}
        self._dropped: list[int] = []  # where frames begin that don't go on
        self.start = self.stop = 0  # the frame's
        self._checksum_at = NO_CHECKSUM

    def begin(self, batch: Batch) -> None:
        """Take up a batch."""
        self._buffer = None
        self.data = batch.data
        self.vnet_hdr = batch.vnet_hdr

    def look(self, start: int, end: int) -> int:
        """Parse the frame ``data[start:end]``; its packet's kind."""
        packet = start + LENGTH_SIZE
        if self.vnet_hdr:
            packet += VNET_LENGTH_SIZE + fields.u32(self.data, start + LENGTH_SIZE)
        self.start = start
        self.stop = end
        self._checksum_at = NO_CHECKSUM
        return self.headers.parse(self.data, packet, end)

    def find_checksum(self) -> None:
        """It is TCP's that the changes are to keep right, unless it is still to be finished."""
        header = self.start + LENGTH_SIZE
        if self.vnet_hdr and fields.u32(self.data, header) and self.data[header + VNET_LENGTH_SIZE] & NEEDS_CSUM:
            return
        self._checksum_at = self.headers.transport + CHECKSUM_AT

    def finish(self, batch: Batch) -> Batch:
        """The batch itself, or one with the changes."""
        buffer = self._buffer
        if buffer is not None:
            self._buffer = None
            batch = Batch(bytes(buffer), batch.places, batch.vnet_hdr)
        return self._without_dropped(batch) if self._dropped else batch

    def _without_dropped(self, batch: Batch) -> Batch:
        dropped = frozenset(self._dropped)
        self._dropped = []
        parts: list[bytes] = []
        places = [0]
        at = 0
        for start, end in zip(batch.places, batch.places[1:]):
            if start not in dropped:
                parts.append(batch.data[start:end])
                at += end - start
                places.append(at)
        return Batch(b"".join(parts), places, batch.vnet_hdr)

    def drop(self) -> None:
        """The frame doesn't go on."""
        self._dropped.append(self.start)

    def _changed(self) -> bytearray:
        buffer = self._buffer
        if buffer is None:
            buffer = self._buffer = bytearray(self.data)
        return buffer

    # what is read

    def segment_length(self) -> int:
        """SEG.LEN."""
        headers = self.headers
        length = headers.end - headers.payload
        if headers.flags & SYN:
            length += 1
        if headers.flags & FIN:
            length += 1
        return length

    def offered_scale(self) -> int:
        """A SYN's window scale, or NO_SCALE."""
        return syn_options(self.data, self.headers.transport, self.headers.payload) & NO_SCALE

    def link(self) -> bytes:
        """The packet's Ethernet header with its tags."""
        return fields.piece(self.data, self.headers.start, self.headers.network)

    def note_link(self, known: Followed) -> None:
        """Remember how the guest's packets are addressed; connections that share a way share the bytes."""
        link = known.link
        if not link or not self.data.startswith(link, self.headers.start):
            link = self.link()
            if len(self._links) >= _MOST_LINKS:
                self._links.clear()
            known.link = self._links.setdefault(link, link)

    def timestamps_at(self) -> int:
        """Where TSval stands; 0 if there is none."""
        return timestamps_at(self.data, self.headers.transport, self.headers.payload)

    # what is changed

    def put_ack(self, ack: int) -> None:
        """Set the ack."""
        headers = self.headers
        if ack != headers.ack:
            set_long(self._changed(), headers.transport + ACK_AT, ack, self._checksum_at, False)
            self._counters.rewritten_ack += 1

    def put_seq(self, known: Followed) -> None:
        """Make the guest's seq the primary's."""
        if known.offset:
            headers = self.headers
            seq = sequence.add(headers.seq, -known.offset)
            set_long(self._changed(), headers.transport + SEQ_AT, seq, self._checksum_at, False)
            self._counters.rewritten_seq += 1

    def put_stamp(self, known: Followed) -> None:
        """Make the guest's TSval one of the primary's clock."""
        at = self.timestamps_at()
        if at:
            self._put_timestamp(at, known.stamp(fields.u32(self.data, at)), at)

    def raise_stamp(self, known: Followed) -> None:
        """Make a rewritten TSval that is older than the guest's newest is by now, in the primary's clock, that one."""
        at = self.timestamps_at()
        if at and known.ts_seen:
            newest = sequence.add(known.ts_newest, -known.ts_offset)
            if sequence.before(fields.u32(self.data, at), newest):
                self._put_timestamp(at, newest, at)

    def put_echo(self, known: Followed, believed: bool) -> None:
        """Make the client's TSecr one of the guest's clock."""
        at = self.timestamps_at()
        if at:
            if believed and known.expects(self.headers.seq):
                known.note_client_stamp(fields.u32(self.data, at))
            self._put_timestamp(at + 4, known.echo(fields.u32(self.data, at + 4), believed), at)

    def _put_timestamp(self, at: int, value: int, option: int) -> None:
        if value != fields.u32(self.data, at):
            odd = ((option - self.headers.transport) & 1) != 0
            set_long(self._changed(), at, value, self._checksum_at, odd)
            self._counters.rewritten_timestamps += 1

    def put_sack(self, known: Followed) -> None:
        """Move the client's SACK blocks to the guest's numbers; those beyond what it has sent become NOPs."""
        headers = self.headers
        option = sack_at(self.data, headers.transport, headers.payload)
        if not option:
            return
        if known.offset:
            shift_blocks(self._changed(), option, headers.transport, known.offset, self._checksum_at)
            self._counters.rewritten_sack += 1
        now_there = self.data if self._buffer is None else self._buffer
        if known.seen == BOTH_SEEN and has_block_beyond(now_there, option, known.sent):
            drop_blocks_beyond(self._changed(), option, headers.transport, known.sent, self._checksum_at)

    def put_window(self, window: int) -> None:
        """Set the window's field."""
        set_word(self._changed(), self.headers.transport + WINDOW_AT, window, self._checksum_at)

    def shift_quoted(self, tcp: int, offset: int) -> None:
        """Add ``offset`` to the seq of the TCP header that an ICMP error quotes at ``tcp``."""
        headers = self.headers
        checksum_at = headers.transport + ICMP_CHECKSUM_AT
        shift_quoted_seq(self._changed(), tcp, headers.end, offset, checksum_at)
        self._counters.rewritten_quoted += 1
