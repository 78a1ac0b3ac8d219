# cython: annotation_typing=False
"""Frames from a socket, received where they are to stay: from the kernel to a batch there is one copy."""

from __future__ import annotations

from colo_twisted.link import calls
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.framing import FrameDecoder


class FrameReceiver:
    """
    One peer's frames.

    @ivar octets: bytes that the last read has brought; 0 where the peer has closed.
    """

    __slots__ = ("_decoder", "octets")

    def __init__(self, decoder: FrameDecoder) -> None:
        self._decoder = decoder
        self.octets = 0

    def receive(self, fd: int, most: int) -> Batch | None:
        """Read at most so many bytes of a socket; the frames that are whole now. Raises OSError."""
        decoder = self._decoder
        begun = decoder.begun()
        data = calls.receive(fd, begun, most)
        self.octets = len(data) - len(begun)
        size = decoder.measure(data)
        if not decoder.count:
            return None
        data = calls.shortened(data, size)
        return decoder.approved(Batch.counted(data, decoder.count, decoder.vnet_hdr))
