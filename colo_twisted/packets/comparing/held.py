# cython: annotation_typing=False
"""Packets that wait for the other side's, and those that leave."""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.comparing.histogram import Histogram
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.kinds import TCP, UDP
from colo_twisted.packets.tcp import FIN, RST, SYN
from colo_twisted.packets.tcp_options import syn_options
from colo_twisted.packets.vnet import NEEDS_CSUM

OVERHEAD = 256  # bytes that a held packet costs beside its own


class Held:
    """
    A packet of one side: where it stands in ``data``, and the numbers in it.

    ``data[start:end]`` is the frame as on the wire; ``parts``, where not None, are the frames of the fragments
    that ``data`` was put together from. ``seq`` to ``flags`` are TCP's; ``payload`` and ``length`` are compared.
    """

    __slots__ = (
        "ack",
        "compared",
        "cost",
        "data",
        "end",
        "flags",
        "following",
        "length",
        "network",
        "offer",
        "order",
        "packet",
        "partial",
        "parts",
        "payload",
        "queued",
        "seq",
        "since",
        "start",
        "transport",
        "vnet_hdr",
        "window",
    )

    def __init__(self, data: bytes, start: int, end: int, since: float) -> None:
        self.begin(data, start, end, since)

    def begin(self, data: bytes, start: int, end: int, since: float) -> None:
        """Set everything; apart from __init__, for which a compiled caller would have to make objects of numbers."""
        self.data = data
        self.start = start
        self.end = end
        self.since = since  # seconds
        self.parts: list[bytes] | None = None
        self.packet = self.network = self.transport = self.payload = start  # indices into data: Ethernet's header, ...
        self.vnet_hdr = False  # whether the frame is of the form with vnet headers
        self.length = 0  # of the payload
        self.cost = 0  # bytes of memory while it is held
        self.compared = 0  # bytes of it that have been found equal
        self.seq = self.ack = self.window = self.flags = 0
        self.offer = 0  # a SYN's options
        self.partial = False  # its checksum is
        self.order = 0  # its number among all that came from the primary
        self.queued = False
        self.following: Held | None = None  # the next one in the queue

    def keep(self) -> None:
        """Copy it out of the batch that it came in, which would be kept whole for it."""
        start = self.start
        self.data = fields.piece(self.data, start, self.end)
        self.packet -= start
        self.network -= start
        self.transport -= start
        self.payload -= start
        self.end -= start
        self.start = 0


def read_held(headers: Headers, data: bytes, start: int, end: int, vnet_hdr: bool, now: float) -> Held:
    """What a comparer must know of the frame ``data[start:end]``, whose packet the headers were just parsed of."""
    held = Held.__new__(Held)
    held.begin(data, start, end, now)
    held.packet = headers.start
    held.network = headers.network
    held.transport = headers.transport
    held.vnet_hdr = vnet_hdr
    held.cost = end - start + OVERHEAD
    if headers.kind == TCP:
        held.payload = headers.payload
        held.seq = headers.seq
        held.ack = headers.ack
        held.flags = headers.flags
        held.window = headers.window
        if held.flags & SYN:
            held.seq = sequence.add(held.seq, 1)  # of the payload, as everywhere
            held.offer = syn_options(data, headers.transport, headers.payload)
        if headers.start - start > LENGTH_SIZE + VNET_LENGTH_SIZE:
            held.partial = (data[start + LENGTH_SIZE + VNET_LENGTH_SIZE] & NEEDS_CSUM) != 0
    else:
        held.payload = headers.payload if headers.kind == UDP else headers.transport
    held.length = headers.end - held.payload
    return held


def needs_room(held: Held, kind: int) -> bool:
    """Whether a packet of the primary's might have to be held."""
    return kind != TCP or held.length != 0 or (held.flags & (SYN | FIN | RST)) != 0


def place_of(held: Held | None) -> int:
    """Where a packet begins in TCP's sequence space; 0 without one."""
    if held is None:
        return 0
    return sequence.add(held.seq, -1) if held.flags & SYN else held.seq


class Outlet:
    """
    Frames on their way out, in order; runs that stood together in the input stay one piece.

    ``made`` counts the frames that are our own, ``holds`` tells how long the primary's were held.
    """

    __slots__ = ("_data", "_end", "_pieces", "_places", "_size", "_start", "holds", "made")

    def __init__(self) -> None:
        self.made = 0
        self.holds = Histogram()
        self._clear()

    def _clear(self) -> None:
        self._pieces: list[bytes] = []
        self._places: list[int] = [0]
        self._size = 0
        self._data: bytes = b""
        self._start = self._end = 0

    def add(self, data: bytes, start: int, end: int) -> None:
        """One frame, ``data[start:end]``."""
        if data is self._data and start == self._end:
            self._end = end
        else:
            self._cut()
            self._data = data
            self._start = start
            self._end = end
        self._size += end - start
        self._places.append(self._size)

    def add_held(self, held: Held) -> None:
        """A packet of the primary's as it came: one frame, or its fragments."""
        if held.parts is None:
            self.add(held.data, held.start, held.end)
        else:
            for part in held.parts:
                self.add(part, 0, len(part))

    def _cut(self) -> None:
        if self._end > self._start:
            whole = self._end - self._start == len(self._data)
            self._pieces.append(self._data if whole else fields.piece(self._data, self._start, self._end))

    def take(self, vnet_hdr: bool) -> Batch | None:
        """All that was added; None if nothing was."""
        if not self._size:
            return None
        self._cut()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        batch = Batch(data, self._places, vnet_hdr)
        self._clear()
        return batch
