"""Numbered frames at full rate over sockets, and who looks at the other end whether one is missing or out of place."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path

from tests.support.processes import PATIENCE, wait_until

SIZE = 128  # bytes of a packet, each a UDP datagram
A_CONNECTION = 4096  # packets between the same ports
_FRAME = 4 + SIZE
_IP, _UDP = 14, 34
_NUMBER = 4 + _UDP + 8  # where it stands in a frame
_BURST = 64


def _template(direction: int) -> bytes:
    """A frame without its number; the IP addresses differ in the two directions."""
    here, there = (bytes((10, 0, 0, 1 + number)) for number in (direction, 1 - direction))
    ethernet = b"\x52\x54\0\0\0" + bytes([there[3]]) + b"\x52\x54\0\0\0" + bytes([here[3]]) + b"\x08\x00"
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, SIZE - _IP, 0, 0x4000, 64, 17, 0, here, there)
    udp = struct.pack(">HHHH", 0, 9, SIZE - _UDP, 0)
    return (struct.pack(">I", SIZE) + ethernet + ip + udp).ljust(_FRAME, b"\0")


def connect(path: Path) -> socket.socket:
    """A connection to a unix socket, whose buffers are small: what is under way shall be in the process tested."""
    client = socket.socket(socket.AF_UNIX)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    client.connect(str(path))
    return client


class Sender:
    """Sends as fast as it may, in a thread, until ``stop``; ``sent`` is how many by now."""

    def __init__(self, connection: socket.socket, direction: int) -> None:
        self.sent = 0
        self._connection = connection
        self._burst = bytearray(_template(direction) * _BURST)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._over.is_set():
                port = 1024 + self.sent // A_CONNECTION % 50_000
                for at in range(0, len(self._burst), _FRAME):
                    struct.pack_into(">H", self._burst, at + 4 + _UDP, port)
                    struct.pack_into(">Q", self._burst, at + _NUMBER, self.sent)
                    self.sent += 1
                self._connection.sendall(self._burst)


class Receiver:
    """
    Reads in a thread until the other side closes.

    ``received`` is how many frames came, ``wrong`` tells of the first that wasn't the next one. With ``gaps`` the next
    may be any later one.
    """

    def __init__(self, connection: socket.socket, gaps: bool = False) -> None:
        self.received = 0
        self.wrong = ""
        self._connection = connection
        self._gaps = gaps
        self._next = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        rest = b""
        with contextlib.suppress(OSError):
            while data := self._connection.recv(1 << 18):
                rest += data
                whole = len(rest) - len(rest) % _FRAME
                for at in range(0, whole, _FRAME):
                    self._take(*struct.unpack_from(">Q", rest, at + _NUMBER))
                rest = rest[whole:]

    def _take(self, number: int) -> None:
        self.received += 1
        if number != self._next and not (self._gaps and number > self._next) and not self.wrong:
            self.wrong = f"{number} came in the place of {self._next}"
        self._next = number + 1

    def wait_for(self, count: int) -> None:
        """Until so many have come, each in its place."""
        wait_until(lambda: self.wrong or self.received >= count, f"{count} frames ({self.received} came)")
        assert (self.wrong, self.received) == ("", count)


class Sink:
    """Takes connections at a unix socket; ``receivers`` look at what each brings, in which there may be gaps."""

    def __init__(self, path: Path) -> None:
        self.receivers: list[Receiver] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self.receivers.append(Receiver(self._listener.accept()[0], gaps=True))
