"""
What runs under callgrind: ``path.py CONNECTIONS PAYLOAD PREPARED PAIRS`` compares PAIRS of PREPARED pairs of packets.

Both sides' streams go through a decoder each and one comparer with its outlet, in chunks as they are read from a
socket; what is let go must be all of it. No socket, no Twisted. It is an error unless packets/ is compiled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.compare.streams import PRIMARY_ISN, SECONDARY_ISN, openings, segments
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.build import compiled
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.framing import FrameDecoder

CHUNK = 1 << 16


class Path:
    """Two streams' way through a comparison."""

    def __init__(self) -> None:
        self._comparer = Comparer(Limits())
        self._comparer.flows.follow(0.0)
        self._primary, self._secondary = FrameDecoder(False), FrameDecoder(False)
        self.released = 0  # bytes

    def compare(self, primary: bytes, secondary: bytes) -> None:
        """Chunk by chunk, the primary's first."""
        for at in range(0, len(primary), CHUNK):
            self._take(self._primary, primary[at : at + CHUNK], self._comparer.receive_primary)
            self._take(self._secondary, secondary[at : at + CHUNK], self._comparer.receive_secondary)

    def _take(self, decoder: FrameDecoder, data: bytes, receive: Callable[[Batch, float], Batch | None]) -> None:
        batch = decoder.feed(data)
        if batch is not None:
            released = receive(batch, 1.0)
            if released is not None:
                self.released += len(released.data)


def main(connections: int, payload: int, prepared: int, pairs: int) -> None:
    if not compiled():
        raise SystemExit("packets/ is not compiled: is PYTHONPATH set as `make bench` does?")
    path = Path()
    opening = bytes(openings(connections, PRIMARY_ISN).data)
    path.compare(opening, bytes(openings(connections, SECONDARY_ISN).data))
    stream = segments(connections, payload, prepared)
    data = bytes(memoryview(stream.data)[: pairs * stream.frame])
    path.compare(data, data)
    if path.released != len(opening) + len(data):
        raise SystemExit(f"{path.released} bytes were let go, of {len(opening) + len(data)}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
