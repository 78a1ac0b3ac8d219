"""
A program: a client of the guest's services, see ``init``.

    python client.py KIND ADDRESS [NUMBER ...]

Prints JSON: the ``seconds`` that each request took, what was ``wrong``, and the guest's ``said`` where it differs.
"""

from __future__ import annotations

import hashlib
import json
import socket
import sys
import time
from collections.abc import Callable

from body import BODY  # type: ignore[import-not-found]  # in the folder of this program

PATIENCE = 20.0
ECHO, DIFFERENT, SINK, SOURCE, HTTP, HTTP_UNDATED = 7, 9, 10, 19, 80, 81


class Account:
    """What came of the requests."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.wrong: list[str] = []
        self.said: list[str] = []

    def request(self, number: int, go: Callable[[], None]) -> None:
        """One of them."""
        began = time.monotonic()
        try:
            go()
        except (OSError, AssertionError) as error:
            self.wrong.append(f"{number}: {error!r}")
        self.seconds.append(time.monotonic() - began)

    def tell(self) -> None:
        print(json.dumps(vars(self)))


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


KINDS: dict[str, Callable[..., None]] = {
    "bodies": bodies,
    "dated_bodies": dated_bodies,
    "echoes": echoes,
    "different": different,
    "upload": upload,
    "download": download,
}

if __name__ == "__main__":
    account = Account()
    KINDS[sys.argv[1]](account, *sys.argv[2:])
    account.tell()
