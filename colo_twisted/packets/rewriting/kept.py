# cython: annotation_typing=False
"""
Kept output: what the guest has sent beyond the client's newest ack, for the moment of a take-over.

Kept as spans: frames that stood side by side in one batch, all of one connection. A span that is most of its batch
is that batch, by reference; a smaller one is a copy. So at most twice the bytes that are kept stay in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.rewriting.edits import Edits
from colo_twisted.packets.rewriting.followed import CLIENT_SEEN, Followed
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.tcp import RST

DEFAULT_MOST = 64 << 20  # bytes
SPAN_COST = 256  # bytes that a span takes beside its frames
CONNECTION_COST = 128  # bytes more that the first of a connection takes
_HANDED_AT_ONCE = 1 << 16  # bytes


class Span:
    """
    ``data[start:stop]`` is ``frames`` frames; an ack of ``end``, in the guest's numbers, makes it useless.

    While its batch is under way, ``data`` is empty and the places are that batch's.
    """

    __slots__ = ("cost", "data", "end", "frames", "known", "start", "stop", "vnet_hdr")

    known: Followed

    def __init__(self) -> None:
        self.data = b""
        self.start = self.stop = self.end = self.frames = 0
        self.vnet_hdr = False
        self.cost = SPAN_COST

    def begin(self, known: Followed, start: int, stop: int, end: int) -> None:
        """Its first frame."""
        self.known = known
        self.start = start
        self.stop = stop
        self.end = end
        self.frames = 1

    def extend(self, stop: int, end: int) -> None:
        """Another frame, next to its last."""
        self.stop = stop
        self.end = end
        self.frames += 1

    def fill(self, batch: Batch) -> None:
        """The batch is as it goes on."""
        whole = batch.data
        size = self.stop - self.start
        if 2 * size > len(whole):
            self.data = whole
        else:
            self.data = fields.piece(whole, self.start, self.stop)
            self.start, self.stop = 0, size
        self.cost += len(self.data)
        self.vnet_hdr = batch.vnet_hdr

    def batch(self) -> Batch:
        """Its frames."""
        data = self.data[self.start : self.stop]
        places = [0]
        at = 0
        while at < len(data):
            at += fields.u32(data, at) + LENGTH_SIZE
            if self.vnet_hdr:
                at += VNET_LENGTH_SIZE
            places.append(at)
        return Batch(data, places, self.vnet_hdr)


class Kept:
    """
    At most ``most`` bytes over all connections, with what it takes to keep them; none if that is 0.

    Beyond, it is the output of the connection that has kept some for longest without an ack that is dropped, and
    counted as ``dropped_max_kept``.
    """

    __slots__ = ("_counters", "_holding", "_last", "_noted", "_turns", "held", "most")

    def __init__(self, counters: RewriterCounters, most: int = DEFAULT_MOST) -> None:
        self.most = most
        self.held = 0  # bytes
        self._counters = counters
        self._holding: dict[Any, list[Span]] = {}  # the one that has kept for longest first
        self._turns: list[list[Span]] = []  # the first of those as it was, the oldest last; empty: kept no longer
        self._noted: list[Span] = []  # of the batch under way
        self._last: Span | None = None  # of these

    def note(self, known: Followed, start: int, stop: int, end: int) -> None:
        """The frame ``data[start:stop]`` of the batch under way is to be kept; its segment ends at ``end``."""
        last = self._last
        if last is not None and last.known is known and last.stop == start:
            last.extend(stop, end)
        elif self.most:
            self._last = last = Span()
            last.begin(known, start, stop, end)
            self._noted.append(last)
            if not known.keeps:
                known.keeps = True
                known.progressed = False
                self._holding[known] = []

    def finish(self, batch: Batch) -> None:
        """The batch as it goes on."""
        if self._last is None:
            return
        noted = self._noted
        self._noted = []
        self._last = None
        for span in noted:
            span.fill(batch)
            spans = self._holding[span.known]
            if not spans:
                span.cost += CONNECTION_COST
            spans.append(span)
            self.held += span.cost
        if self.held > self.most:
            self._make_room()

    def trim(self, known: Followed) -> None:
        """The client has acknowledged more."""
        spans = self._holding[known]
        count = 0
        for span in spans:
            if sequence.before(known.client_ack, span.end):
                break
            self.held -= span.cost
            count += 1
        if count:
            known.progressed = True
            del spans[:count]
        if not spans:
            known.keeps = False
            del self._holding[known]

    def release(self, known: Followed) -> int:
        """Keep nothing of it any more; how many frames that were."""
        if not known.keeps:
            return 0
        known.keeps = False
        if self._last is not None:
            self._noted = [span for span in self._noted if span.known is not known]
            self._last = self._noted[len(self._noted) - 1] if self._noted else None
        frames = 0
        spans = self._holding.pop(known)
        for span in spans:
            self.held -= span.cost
            frames += span.frames
        spans.clear()
        return frames

    def clear(self) -> int:
        """Keep nothing any more; how many frames that were."""
        self._turns = []
        return sum([self.release(known) for known in list(self._holding)])

    def limit(self, most: int) -> None:
        """Keep so many bytes from now on."""
        self.most = most
        self._make_room()

    def _make_room(self) -> None:
        """
        Drop what the oldest keep; one whose client acknowledges becomes the youngest first.

        Whose turn it is stands in a list: a dict finds its first only past all that have left its front.
        """
        while self.held > self.most:
            if not self._turns:
                self._turns = list(self._holding.values())
                self._turns.reverse()
            spans = self._turns.pop()
            if not spans:
                continue
            span = spans[0]
            known = span.known
            if known.progressed:
                known.progressed = False
                self._holding[known] = self._holding.pop(known)
            else:
                self._counters.dropped_max_kept += self.release(known)

    def hand_out(self) -> Iterator[Batch]:
        """
        All that is still beyond each client's newest ack, in order per connection, and keep it no longer.

        As it was sent, but for TSval: none is below one that the client has seen (RFC 7323 section 5, PAWS). Nothing
        of the unprotected ones: those are reset.
        """
        edits = Edits(self._counters)
        batches: list[Batch] = []
        size = 0
        self._turns = []
        for known in list(self._holding):
            spans = self._holding.get(known, [])[:]
            self.release(known)
            for span in () if known.unprotected else spans:
                batch = _beyond(edits, known, span.batch())
                if size + len(batch.data) > _HANDED_AT_ONCE or (batches and batches[0].vnet_hdr != batch.vnet_hdr):
                    yield from self._counted(batches)
                    batches, size = [], 0
                batches.append(batch)
                size += len(batch.data)
        yield from self._counted(batches)

    def _counted(self, batches: list[Batch]) -> Iterator[Batch]:
        whole = joined(batches)
        if len(whole):
            self._counters.output_sent += len(whole)
            yield whole


def _beyond(edits: Edits, known: Followed, batch: Batch) -> Batch:
    """The frames of the connection's that the client has not acknowledged."""
    edits.begin(batch)
    for start, end in zip(batch.places, batch.places[1:]):
        edits.look(start, end)
        if is_beyond(edits, known):
            edits.find_checksum()
            edits.raise_stamp(known)
        else:
            edits.drop()
    return edits.finish(batch)


def is_beyond(edits: Edits, known: Followed) -> bool:
    """Whether the client has not acknowledged all of a rewritten segment; an RST counts as a byte."""
    if not (known.learnt and known.seen & CLIENT_SEEN):
        return True
    headers = edits.headers
    length = edits.segment_length() + (1 if headers.flags & RST else 0)
    return sequence.before(known.client_ack, sequence.add(headers.seq, length + known.offset))


def joined(batches: list[Batch]) -> Batch:
    """Batches of the same form as one."""
    if len(batches) == 1:
        return batches[0]
    places = [0]
    base = 0
    for batch in batches:
        places += [base + place for place in batch.places[1:]]
        base += len(batch.data)
    return Batch(b"".join([batch.data for batch in batches]), places, bool(batches) and batches[0].vnet_hdr)
