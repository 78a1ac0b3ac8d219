"""
One loop that feeds both inputs of a comparison and reads its output.

It never sleeps while something may come: a comparer that must wake somebody for each packet it writes
would be measured with the waking, which costs more than many a comparison and depends on the machine.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.streams import Stream
from benchmarks.processes import BenchmarkError, wait_until

CHUNK = 1 << 18  # bytes sent or read at once, at most
SILENCE = 2.5  # seconds in which nothing moves, after which what is missing is lost; less than compare_timeout
PRIMARY_IN, SECONDARY_IN, OUT = "primary_in", "secondary_in", "out"


@dataclass(frozen=True)
class Flight:
    """How far the inputs may run ahead, in frames: no comparer may have more to queue than QEMU's can hold."""

    window: int  # ahead of what has been released
    lag: int = 0  # so much the secondary stays behind the primary, until that has ended


@dataclass(frozen=True)
class Passage:
    """What became of a stream that went in on both sides."""

    pairs: int  # frames sent on each side
    seconds: float  # from the first byte sent to the last one released
    sent_bytes: int  # on each side
    released_bytes: int

    @property
    def complete(self) -> bool:
        """Whether as much came out as went in: nothing lost, nothing added."""
        return self.released_bytes == self.sent_bytes


class Ends:
    """Our ends of a comparison's three sockets; a context manager."""

    def __init__(self, folder: Path) -> None:
        self.sockets = tuple(socket.socket(socket.AF_UNIX) for _ in range(3))
        self.primary, self.secondary, self.out = self.sockets
        for end, name in zip(self.sockets, (PRIMARY_IN, SECONDARY_IN, OUT)):
            _connect(end, str(folder / name))
            end.setblocking(False)

    def __enter__(self) -> Ends:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self.sockets:
            end.close()


def _connect(end: socket.socket, path: str) -> None:
    """A path is there before anybody listens at it. Raises BenchmarkError."""
    wait_until(lambda: end.connect_ex(path) == 0, f"{path} to take a connection")


class Feed:
    """A stream on its way through a comparison."""

    def __init__(self, ends: Ends, primary: Stream, secondary: Stream, flight: Flight) -> None:
        self._out = ends.out
        self._inputs = ((ends.primary, memoryview(primary.data)), (ends.secondary, memoryview(secondary.data)))
        self._frame = primary.frame
        self._window, self._lag = flight.window * primary.frame, flight.lag * primary.frame
        self._end = len(primary.data)  # bytes that are sent on each side
        self._sent = [0, 0]
        self._released = 0
        self._into = bytearray(CHUNK)

    def run(self, seconds: float) -> Passage:
        """
        Send for so long or all there is, and wait until it has come out or nothing moves any more.

        Raises BenchmarkError when the other end closes.
        """
        began = moved = time.perf_counter()
        while self._released < self._end or min(self._sent) < self._end:
            now = time.perf_counter()
            if now > began + seconds:
                self._send_no_more()
            if self._move():
                moved = time.perf_counter()
            elif now > moved + SILENCE:
                break
        self._read()
        return Passage(self._end // self._frame, moved - began, self._end, self._released)

    def _send_no_more(self) -> None:
        """Both sides end with the same whole frame."""
        self._end = -(-max(self._sent) // self._frame) * self._frame

    def _allowed(self, side: int) -> int:
        """Up to where a side may be sent now."""
        most = min(self._end, self._released + self._window)
        if side == 0 or self._sent[0] == self._end:
            return most
        return min(most, self._sent[0] - self._lag)

    def _move(self) -> bool:
        """Read and send what can be without waiting; whether anything could."""
        moved = self._read()
        for side, (end, stream) in enumerate(self._inputs):
            at, allowed = self._sent[side], self._allowed(side)
            if at < allowed:
                try:
                    self._sent[side] += end.send(stream[at : min(allowed, at + CHUNK)])
                except BlockingIOError:
                    continue
                except ConnectionError as error:
                    raise BenchmarkError(f"an input of the comparison: {error}") from None
                moved = True
        return moved

    def _read(self) -> bool:
        try:
            size = self._out.recv_into(self._into)
        except BlockingIOError:
            return False
        if not size:
            raise BenchmarkError("the comparison closed its output")
        self._released += size
        return True
