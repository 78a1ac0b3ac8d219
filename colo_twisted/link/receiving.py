# cython: annotation_typing=False
"""Frames from a socket, received where they are to stay: from the kernel to a batch there is one copy."""

from __future__ import annotations

from colo_twisted.link import calls
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.framing import FrameDecoder

FRAMES = 512  # of a batch: so many, and what is made of each on its way, stay in a core's own cache
LEAST = 64 * 1024  # bytes that are asked for


class FrameReceiver:
    """
    One peer's frames, in batches of FRAMES or so where they are small.

    @ivar octets: bytes that the last read has brought; 0 where the peer has closed.
    """

    __slots__ = ("_decoder", "_share", "octets")

    def __init__(self, decoder: FrameDecoder) -> None:
        self._decoder = decoder
        self._share = LEAST  # bytes, by the size that frames had of late
        self.octets = 0

    def receive(self, fd: int, most: int) -> Batch | None:
        """Read of a socket what makes a batch, at most so many bytes; the frames that are whole. Raises OSError."""
        decoder = self._decoder
        begun = decoder.begun()
        data = calls.receive(fd, begun, min(most, self._share))
        self.octets = len(data) - len(begun)
        size = decoder.measure(data)
        if not decoder.count:
            return None
        self._share = max(LEAST, size // decoder.count * FRAMES)
        data = calls.shortened(data, size)
        return decoder.approved(Batch.counted(data, decoder.count, decoder.vnet_hdr))
