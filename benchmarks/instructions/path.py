"""
What runs under callgrind: ``path.py CONNECTIONS PAYLOAD FEW MORE few|all`` compares FEW pairs of packets, or MORE, too.

All streams are made and cut in chunks, as they are read from a socket, before anything is compared: two runs that
differ by their last word differ by what is compared only. Both sides' chunks go through a decoder each and one
comparer with its outlet; what is let go must be all of it. No socket, no Twisted. It is an error unless packets/ is
compiled.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

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

    def compare(self, primary: Iterable[bytes], secondary: Iterable[bytes]) -> None:
        """Chunk by chunk, the primary's first."""
        for first, second in zip(primary, secondary):
            self._take(self._primary, first, self._comparer.receive_primary)
            self._take(self._secondary, second, self._comparer.receive_secondary)

    def _take(self, decoder: FrameDecoder, data: bytes, receive: Callable[[Batch, float], Batch | None]) -> None:
        batch = decoder.feed(data)
        if batch is not None:
            released = receive(batch, 1.0)
            if released is not None:
                self.released += len(released.data)


def chunks(data: bytes | bytearray | memoryview) -> list[bytes]:
    return [bytes(data[at : at + CHUNK]) for at in range(0, len(data), CHUNK)]


def main(connections: int, payload: int, few: int, more: int, everything: bool) -> None:
    if not compiled():
        raise SystemExit("packets/ is not compiled: is PYTHONPATH set as `make bench` does?")
    opening = openings(connections, PRIMARY_ISN)
    stream = segments(connections, payload, few + more)
    parts = memoryview(stream.data)[: few * stream.frame], memoryview(stream.data)[few * stream.frame :]
    primary, secondary = ([chunks(part) for part in parts] for _ in range(2))  # no bytes of one are the other's
    path = Path()
    path.compare(chunks(opening.data), chunks(openings(connections, SECONDARY_ISN).data))
    for index in range(2 if everything else 1):
        path.compare(primary[index], secondary[index])
    expected = len(opening.data) + sum(map(len, parts[: 2 if everything else 1]))
    if path.released != expected:
        raise SystemExit(f"{path.released} bytes were let go, of {expected}")


if __name__ == "__main__":
    connections, payload, few, more = map(int, sys.argv[1:5])
    main(connections, payload, few, more, sys.argv[5] == "all")
