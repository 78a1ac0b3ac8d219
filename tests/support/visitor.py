"""
A client of service.py, that looks at every byte it gets.

    python visitor.py KIND ADDRESS [NUMBER ...]

Prints JSON: how many ``connections`` it made, what was ``wrong``, and the ``slowest`` in seconds.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable

from service import BLOCK, ECHO, HTTP  # type: ignore[import-not-found]  # in the folder of this program

PATIENCE = 60.0
SIZES = (0, 1, 100, 1448, 1449, 5000, 20_000, 70_000, 300_000)
_ABORT = struct.pack("ii", 1, 0)


class Wrong(Exception):
    """Not what the service must answer."""


class Visit:
    """One connection."""

    def __init__(self, address: str, port: int = HTTP) -> None:
        self._socket = socket.create_connection((address, port), PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = self._socket.makefile("rb")

    def _ask(self, method: str, path: str, size: int, last: bool) -> None:
        lines = [f"{method} {path} HTTP/1.1", f"Content-Length: {size}", *(["Connection: close"] if last else [])]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def _size(self) -> int:
        if (status := self._reader.readline()) != b"HTTP/1.1 200 OK\r\n":
            raise Wrong(f"status {status!r}")
        size = int(self._reader.readline().partition(b":")[2])
        self._reader.readline()
        return size

    def get(self, path: str, last: bool = False) -> bytes:
        self._ask("GET", path, 0, last)
        return self._reader.read(self._size())

    def download(self, size: int, last: bool = False) -> None:
        self._ask("GET", f"/{size}", 0, last)
        self._take(size)

    def _take(self, size: int) -> None:
        if self._size() != size:
            raise Wrong("another size")
        while size:
            part = self._reader.read(min(size, len(BLOCK)))
            if part != BLOCK[: min(size, len(BLOCK))]:
                raise Wrong(f"other bytes, or an end, with {size} to come")
            size -= len(part)

    def ask_and_shut(self, size: int) -> None:
        """A download whose asker has nothing more to say."""
        self._ask("GET", f"/{size}", 0, True)
        self._socket.shutdown(socket.SHUT_WR)
        self._take(size)

    def upload(self, size: int, last: bool = False) -> None:
        self._ask("PUT", "/", size, last)
        sha256 = hashlib.sha256()
        while size:
            part = BLOCK if size >= len(BLOCK) else BLOCK[:size]
            self._socket.sendall(part)
            sha256.update(part)
            size -= len(part)
        if self._reader.read(self._size()) != sha256.hexdigest().encode():
            raise Wrong("the service got something else")

    def echo(self, line: bytes) -> None:
        self._socket.sendall(line + b"\n")
        if self._reader.readline() != line.upper() + b"\n":
            raise Wrong("another echo")

    def close(self, service_first: bool = False, abort: bool = False) -> None:
        if service_first and self._reader.read():
            raise Wrong("more than was asked for")
        if abort:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self._reader.close()
        self._socket.close()


class Account:
    def __init__(self) -> None:
        self.connections = 0
        self.wrong: list[str] = []
        self.slowest = 0.0
        self._lock = threading.Lock()

    def visit(self, name: str, go: Callable[[], None]) -> None:
        began = time.monotonic()
        wrong = []
        try:
            go()
        except (OSError, ValueError, Wrong) as error:
            wrong.append(f"{name}: {error!r}")
        with self._lock:
            self.connections += 1
            self.wrong += wrong
            self.slowest = max(self.slowest, time.monotonic() - began)

    def tell(self) -> None:
        said = {"connections": self.connections, "wrong": self.wrong[:20], "slowest": round(self.slowest, 3)}
        print(json.dumps(said), flush=True)


def mixed(address: str, number: int, size: int) -> None:
    """Down, up or both, and each way of closing."""
    last = number % 3 == 0
    visit = Visit(address)
    if number % 2:
        visit.upload(size, last and number % 4 == 1)
    if number % 4 != 1:
        visit.download(size, last)
    visit.close(last, abort=not last and number % 7 == 0)


def in_a_row(account: Account, address: str, count: str, large: str, every: str) -> None:
    """One after the other, each ``every``-th with ``large`` bytes."""
    chance = random.Random(1)
    for number in range(int(count)):
        size = int(large) if number % int(every) == int(every) - 1 else chance.choice(SIZES)
        account.visit(f"connection {number} of {size} bytes", lambda: mixed(address, number, size))  # noqa: B023


def in_parallel(account: Account, address: str, count: str, size: str) -> None:
    """All at once."""
    threads = [
        threading.Thread(
            target=account.visit, args=(f"connection {number}", lambda n=number: mixed(address, n, int(size)))
        )
        for number in range(int(count))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def down_and_up(account: Account, address: str, size: str) -> None:
    """A connection for either."""

    def download() -> None:
        visit = Visit(address)
        visit.download(int(size), last=True)
        visit.close(service_first=True)

    def upload() -> None:
        visit = Visit(address)
        visit.upload(int(size))
        visit.close()

    account.visit("download", download)
    account.visit("upload", upload)


def ping_pong(account: Account, address: str, count: str, pause: str, pauses: str) -> None:
    """Lines to and fro on one connection, and silence now and then, as with ssh."""

    def go() -> None:
        visit = Visit(address, ECHO)
        chance = random.Random(2)
        for number in range(int(count)):
            visit.echo(b"%d %s" % (number, b"x" * chance.choice((1, 10, 100, 3000))))
            if number % (int(count) // int(pauses)) == 0:
                threading.Event().wait(float(pause))
        visit.close()

    account.visit("ping-pong", go)


def until(account: Account, address: str, path: str) -> None:
    """A connection that says something, nothing more until a file is there, and then goes on."""

    def go() -> None:
        visit = Visit(address, ECHO)
        visit.echo(b"hello")
        print("idle", flush=True)
        while not os.path.exists(path):
            threading.Event().wait(0.05)
        for number in range(20):
            visit.echo(b"%d %s" % (number, b"x" * 1000))
        visit.close()

    account.visit("until", go)


def half_closed(address: str, size: int) -> None:
    """Asks for bytes, and says at once that there will be no more from here."""
    visit = Visit(address)
    visit.ask_and_shut(size)
    visit.close()


def shaking_hands(account: Account, address: str, ended: threading.Event) -> None:
    """One new connection after the other, so that at any time one is in its handshake."""
    number = 0
    while not ended.is_set():
        account.visit(f"handshake {number}", functools.partial(mixed, address, number, 100))
        number += 1


def everything(account: Account, address: str, size: str, count: str) -> None:
    """A download, an upload, many at once, an idle one, a half-closed one and ever new ones, at the same time."""
    ended = threading.Event()

    def idle() -> None:
        visit = Visit(address, ECHO)
        visit.echo(b"hello")
        print("idle", flush=True)
        ended.wait()
        visit.echo(b"and still here")
        visit.close()

    works: list[Callable[[], None]] = [
        lambda: account.visit("half-closed", lambda: half_closed(address, int(size) // 2)),
        lambda: down_and_up(account, address, size),
        lambda: up(account, address, size),
        lambda: in_parallel(account, address, count, "20000"),
    ]
    threads = [threading.Thread(target=work) for work in works]
    others = [
        threading.Thread(target=account.visit, args=("idle", idle)),
        threading.Thread(target=shaking_hands, args=(account, address, ended)),
    ]
    for thread in (*others, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    ended.set()
    for thread in others:
        thread.join()


def up(account: Account, address: str, size: str) -> None:
    def upload() -> None:
        visit = Visit(address)
        visit.upload(int(size))
        visit.close()

    account.visit("upload at once", upload)


def datagrams(account: Account, address: str, count: str) -> None:
    """Requests and answers; each that isn't answered within a second is lost."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sizes = itertools.cycle((1, 100, 1400, 4000))
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        for number in range(int(count)):
            account.visit(f"datagram {number}", lambda: one_datagram(asking, address, number, next(sizes)))  # noqa: B023


def one_datagram(asking: socket.socket, address: str, number: int, size: int) -> None:
    data = b"%d " % number + b"x" * size
    asking.sendto(data, (address, ECHO))
    if asking.recv(1 << 16) != data.upper():
        raise Wrong("another answer")


def get(account: Account, address: str, path: str, count: str = "1") -> None:
    """One connection on which the same is asked for; prints each answer as a line of its own."""
    visit = Visit(address)
    for _ in range(int(count)):
        account.visit(path, lambda: print(visit.get(path).decode(), flush=True))
    visit.close()


KINDS: dict[str, Callable[..., None]] = {
    "in_a_row": in_a_row,
    "in_parallel": in_parallel,
    "down_and_up": down_and_up,
    "ping_pong": ping_pong,
    "until": until,
    "everything": everything,
    "datagrams": datagrams,
    "get": get,
}

if __name__ == "__main__":
    account = Account()
    KINDS[sys.argv[1]](account, *sys.argv[2:])
    account.tell()
