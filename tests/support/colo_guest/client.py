"""
A program: a client of the guest's services, see ``init``.

    python client.py KIND ADDRESS [NUMBER ...]

Prints JSON: the ``seconds`` that each request took, what was ``wrong``, and the guest's ``said`` where it differs; with
``everything`` also the ``pauses`` of each connection: when they began, and how long they were, of the longest ones.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import socket
import sys
import threading
import time
from collections.abc import Callable

from body import BODY  # type: ignore[import-not-found]  # in the folder of this program

PATIENCE = 20.0
PAUSES = 20  # that are told of a connection
BLOCK = 1 << 16  # bytes that are sent at once, where it matters when they go
REST = 0.005  # seconds from an echo to the next, where there is other work for the guest
ECHO, DIFFERENT, SINK, SOURCE, HTTP, HTTP_UNDATED = 7, 9, 10, 19, 80, 81


class Account:
    """What came of the requests."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self.said: list[str] = []
        self.pauses: dict[str, list[tuple[float, float]]] = {}

    def request(self, number: object, go: Callable[[], None]) -> None:
        """One of them."""
        began = time.monotonic()
        try:
            go()
        except (OSError, AssertionError) as error:
            self.wrong.append(f"{number}: {error!r}")
        self.seconds.append(time.monotonic() - began)

    def tell(self) -> None:
        print(json.dumps(vars(self)))


class Pace:
    """How a connection goes on: how many bytes have moved, and the longest times in which none did."""

    def __init__(self) -> None:
        self.moved = 0
        self._last = time.monotonic()
        self._pauses: list[tuple[float, float]] = []

    def went(self, size: int) -> None:
        self.moved += size
        last, self._last = self._last, time.monotonic()
        heapq.heappush(self._pauses, (self._last - last, last))
        if len(self._pauses) > PAUSES:
            heapq.heappop(self._pauses)

    @property
    def pauses(self) -> list[tuple[float, float]]:
        """When each began (monotonic), and its seconds; the longest first."""
        return [(began, seconds) for seconds, began in sorted(self._pauses, reverse=True)]


def connected(address: str, port: int) -> socket.socket:
    connection = socket.create_connection((address, port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the other end closes."""
    data = bytearray()
    while more := connection.recv(1 << 18):
        data += more
    return bytes(data)


def body(address: str, port: int) -> None:
    with connected(address, port) as connection:
        connection.sendall(b"GET /body HTTP/1.0\r\n\r\n")
        head, _, content = to_the_end(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head[:80]
    assert content == BODY, f"another body, of {len(content)} bytes"


def bodies(account: Account, address: str, count: str, port: int = HTTP_UNDATED) -> None:
    """Downloads over HTTP, each on a connection of its own."""
    for number in range(int(count)):
        account.request(number, lambda: body(address, port))


def dated_bodies(account: Account, address: str, count: str) -> None:
    """The same, with a date in the answers."""
    bodies(account, address, count, HTTP)


def echo(connection: socket.socket, line: bytes) -> None:
    connection.sendall(line)
    got = b""
    while len(got) < len(line):
        more = connection.recv(1 << 16)
        assert more, "an end"
        got += more
    assert got == line, f"another echo: {got[:80]!r}"


def echoes(account: Account, address: str, count: str, size: str) -> None:
    """Round trips on one connection."""
    with connected(address, ECHO) as connection:
        for number in range(int(count)):
            account.request(number, lambda: echo(connection, b"%*d\n" % (int(size) - 1, number)))  # noqa: B023


def different(account: Account, address: str, count: str) -> None:
    """Questions on one connection, whose answers differ between guests."""
    with connected(address, DIFFERENT) as connection:
        lines = connection.makefile("rb")

        def ask() -> None:
            connection.sendall(b"?\n")
            account.said.append(lines.readline().decode().strip())
            assert len(account.said[-1]) == 36, f"no answer: {account.said[-1]!r}"

        for number in range(int(count)):
            account.request(number, ask)


def upload(account: Account, address: str, count: str) -> None:
    """So many times the body, on one connection; the guest tells what it got."""
    sent = hashlib.sha256(BODY * int(count)).hexdigest().encode()

    def go() -> None:
        with connected(address, SINK) as connection:
            for _ in range(int(count)):
                connection.sendall(BODY)
            connection.shutdown(socket.SHUT_WR)
            got = to_the_end(connection)
        assert got.split()[:1] == [sent], f"the guest has got something else: {got!r}"

    account.request(0, go)


def download(account: Account, address: str, count: str) -> None:
    """So many times the body, on one connection."""

    def go() -> None:
        with connected(address, SOURCE) as connection:
            connection.sendall(b"%d\n" % int(count))
            got = to_the_end(connection)
        assert got == BODY * int(count), f"other bytes, or an end: {len(got)}"

    account.request(0, go)


def paced_download(address: str, count: int, pace: Pace) -> None:
    """As ``download``."""
    content, got = BODY * count, bytearray()
    with connected(address, SOURCE) as connection:
        connection.sendall(b"%d\n" % count)
        while more := connection.recv(BLOCK):
            got += more
            pace.went(len(more))
    assert got == content, f"other bytes, or an end: {len(got)}"


def paced_upload(address: str, count: int, pace: Pace) -> None:
    """As ``upload``; the kernel keeps few bytes, so that what goes into it has pauses as what leaves it."""
    content = memoryview(BODY * count)
    with connected(address, SINK) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)
        for at in range(0, len(content), BLOCK):
            connection.sendall(content[at : at + BLOCK])
            pace.went(BLOCK)
        connection.shutdown(socket.SHUT_WR)
        got = to_the_end(connection)
    sent = hashlib.sha256(content).hexdigest().encode()
    assert got.split()[:1] == [sent], f"the guest has got something else: {got!r}"


def everything(account: Account, address: str, count: str, mark: str) -> None:
    """
    An upload and a download of so many bodies, echoes meanwhile, and a connection that is idle until they have ended.

    Prints ``under way`` when ``mark`` bytes have gone either way, and which of the two has ended.
    """
    paces = {name: Pace() for name in ("upload", "download", "echo")}
    ended = threading.Event()

    def transfer(name: str, go: Callable[[str, int, Pace], None]) -> None:
        account.request(name, lambda: go(address, int(count), paces[name]))
        print(f"{name} has ended", flush=True)

    def ask() -> None:
        with connected(address, ECHO) as connection:
            while not ended.wait(REST):
                echo(connection, b"%63d\n" % paces["echo"].moved)
                paces["echo"].went(1)

    def idle(connection: socket.socket) -> None:
        ended.wait()
        for number in range(20):
            echo(connection, b"%1000d\n" % number)

    with connected(address, ECHO) as connection:
        echo(connection, b"hello\n")
        threads = [
            threading.Thread(target=transfer, args=("upload", paced_upload)),
            threading.Thread(target=transfer, args=("download", paced_download)),
        ]
        others = [
            threading.Thread(target=account.request, args=("echo", ask)),
            threading.Thread(target=account.request, args=("idle", lambda: idle(connection))),
        ]
        for thread in (*threads, *others):
            thread.start()
        while min(paces["upload"].moved, paces["download"].moved) < int(mark) and threads[0].is_alive():
            time.sleep(0.001)
        print("under way", flush=True)
        for thread in threads:
            thread.join()
        ended.set()
        for thread in others:
            thread.join()
    account.pauses = {name: pace.pauses for name, pace in paces.items()}


KINDS: dict[str, Callable[..., None]] = {
    "bodies": bodies,
    "dated_bodies": dated_bodies,
    "echoes": echoes,
    "different": different,
    "upload": upload,
    "download": download,
    "everything": everything,
}

if __name__ == "__main__":
    account = Account()
    KINDS[sys.argv[1]](account, *sys.argv[2:])
    account.tell()
