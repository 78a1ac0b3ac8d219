"""
One loop that feeds both inputs of a comparison and reads its output.

It never sleeps while something may come: a comparer that must wake somebody for each packet it writes
would be measured with the waking, which costs more than many a comparison and depends on the machine.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.compare.sockets import NAMES, Sockets
from benchmarks.compare.streams import Stream
from benchmarks.processes import BenchmarkError, wait_until

CHUNK = 1 << 18  # bytes sent or read at once, at most
SILENCE = 2.5  # seconds in which nothing moves, after which what is missing is lost; less than compare_timeout


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
    idle: (
        float  # the share of the seconds in which there was nothing to send or read: with none, the feeder is the limit
    )

    @property
    def complete(self) -> bool:
        """Whether as much came out as went in: nothing lost, nothing added."""
        return self.released_bytes == self.sent_bytes


@dataclass(frozen=True)
class Ends:
    """Our ends of a comparison's three sockets."""

    primary: socket.socket
    secondary: socket.socket
    out: socket.socket

    @classmethod
    @contextmanager
    def of(cls, sockets: Sockets) -> Iterator[Ends]:
        """Connected, as soon as somebody listens. Raises BenchmarkError."""
        with ExitStack() as stack:
            yield cls(*(stack.enter_context(_connection(sockets, name)) for name in NAMES))


def _connection(sockets: Sockets, name: str) -> socket.socket:
    made: list[socket.socket] = []

    def connects() -> bool:
        try:
            made.append(sockets.connect(name))
        except OSError:
            return False
        return True

    wait_until(connects, f"{name} to take a connection")
    made[0].setblocking(False)
    return made[0]


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
        idle = idle_when_moved = 0.0
        while self._released < self._end or min(self._sent) < self._end:
            now = time.perf_counter()
            if now > began + seconds:
                self._send_no_more()
            if self._move():
                moved, idle_when_moved = time.perf_counter(), idle
            else:
                idle += time.perf_counter() - now
                if now > moved + SILENCE:
                    break
        self._read()
        took = max(moved - began, 1e-9)
        return Passage(self._end // self._frame, took, self._end, self._released, idle_when_moved / took)

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
