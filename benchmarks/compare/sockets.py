"""Where a comparison's three chardevs listen: unix sockets in a folder, or TCP ports of the loopback interface."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from benchmarks.processes import BenchmarkError

PRIMARY_IN, SECONDARY_IN, OUT = "primary_in", "secondary_in", "out"
NAMES = (PRIMARY_IN, SECONDARY_IN, OUT)
LOOPBACK = "127.0.0.1"
PORTS = range(20000, 30000)  # the kernel gives none of them to a connection, which could be connected to itself
_TRIES = 100


class Sockets(Protocol):
    """Three addresses at which nobody listens yet."""

    def chardev(self, name: str) -> str:
        """How a socket chardev's options name one of them."""

    def word(self, name: str) -> str:
        """The same as one word: a path, or a port."""

    def connect(self, name: str) -> socket.socket:
        """A connection to it. Raises OSError while nobody listens."""


class UnixSockets:
    """In a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def chardev(self, name: str) -> str:
        return f"path={self.word(name)}"

    def word(self, name: str) -> str:
        return str(self._folder / name)

    def connect(self, name: str) -> socket.socket:
        return _connected(socket.socket(socket.AF_UNIX), self.word(name))


class LoopbackSockets:
    """TCP, without Nagle's algorithm at our ends."""

    def __init__(self, _: Path) -> None:
        self._ports = dict(zip(NAMES, free_ports(len(NAMES))))

    def chardev(self, name: str) -> str:
        return f"host={LOOPBACK},port={self._ports[name]}"

    def word(self, name: str) -> str:
        return str(self._ports[name])

    def connect(self, name: str) -> socket.socket:
        connection = _connected(socket.socket(socket.AF_INET), (LOOPBACK, self._ports[name]))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


KINDS: dict[str, Callable[[Path], Sockets]] = {"unix": UnixSockets, "tcp": LoopbackSockets}


def _connected(connection: socket.socket, address: str | tuple[str, int]) -> socket.socket:
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def free_ports(count: int) -> list[int]:
    """Of the loopback, at which nobody listens now. Raises BenchmarkError."""
    found: set[int] = set()
    for port in random.sample(PORTS, _TRIES):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
        found.add(port)
        if len(found) == count:
            return sorted(found)
    raise BenchmarkError(f"found no {count} free ports in {PORTS.start}-{PORTS.stop - 1}")
