# cython: annotation_typing=False
"""Packets that wait for the other side's."""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.kinds import TCP, UDP
from colo_twisted.packets.tcp import FIN, RST, SYN
from colo_twisted.packets.tcp_options import syn_options
from colo_twisted.packets.vnet import NEEDS_CSUM

OVERHEAD = 256  # bytes that a held packet costs beside its own


class Chunk:
    """
    Packets that are held and stand in one batch still, whose bytes they share.

    They keep all of it alive: whoever has the chunk parts with it in time.
    """

    __slots__ = ("held", "size", "waiting")

    def __init__(self, size: int) -> None:
        self.held: list[Held] = []
        self.size = size  # bytes of the batch
        self.waiting = 0  # of these, still held

    def take(self, held: Held) -> None:
        """One that has just been put into a queue."""
        held.chunk = self
        self.held.append(held)
        self.waiting += 1

    def give(self) -> None:
        """One has left its queue, or the batch."""
        self.waiting -= 1
        if not self.waiting:
            self.held.clear()

    def part(self) -> None:
        """Copy those that are still held out of the batch."""
        for held in list(self.held):
            if held.chunk is self:
                held.keep()


class Held:
    """
    A packet of one side: where it stands in ``data``, and the numbers in it.

    ``data[start:end]`` is the frame as on the wire; ``parts``, where not None, are the frames of the fragments
    that ``data`` was put together from. ``seq`` to ``flags`` are TCP's; ``payload`` and ``length`` are compared.
    """

    __slots__ = (
        "ack",
        "chunk",
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
        self.chunk: Chunk | None = None  # while it is queued and stands in its batch

    def leave_queue(self) -> None:
        """It waits no longer."""
        self.following = None
        self.queued = False
        if self.chunk is not None:
            self.chunk.give()
            self.chunk = None

    def keep(self) -> None:
        """Copy it out of the batch that it came in, which would be kept whole for it."""
        if self.chunk is not None:
            self.chunk.give()
            self.chunk = None
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
