# cython: annotation_typing=False
"""What a comparer lets go."""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.histogram import Histogram

LONG = 4096  # bytes, from which a view that is copied once costs less than a copy that is copied again


class Outlet:
    """
    Frames on their way out, in order; runs that stood together in the input stay one piece.

    ``made`` counts the frames that are our own, ``holds`` tells how long the primary's were held.
    """

    __slots__ = ("_count", "_data", "_end", "_pieces", "_start", "holds", "made")

    def __init__(self) -> None:
        self.made = 0
        self.holds = Histogram()
        self._clear()

    def _clear(self) -> None:
        self._pieces: list[bytes | memoryview] = []
        self._count = 0
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
        self._count += 1

    def add_held(self, held: Held) -> None:
        """A packet of the primary's as it came: one frame, or its fragments."""
        if held.parts is None:
            self.add(held.data, held.start, held.end)
        else:
            for part in held.parts:
                self.add(part, 0, len(part))

    def _cut(self) -> None:
        size = self._end - self._start
        if not size:
            return
        if size == len(self._data):
            self._pieces.append(self._data)
        elif size < LONG:
            self._pieces.append(fields.piece(self._data, self._start, self._end))
        else:
            self._pieces.append(memoryview(self._data)[self._start : self._end])

    def take(self, vnet_hdr: bool) -> Batch | None:
        """All that was added; None if nothing was."""
        if not self._count:
            return None
        self._cut()
        batch = Batch.counted(b"".join(self._pieces), self._count, vnet_hdr)
        self._clear()
        return batch
