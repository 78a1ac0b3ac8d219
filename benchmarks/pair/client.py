"""
A web client: ``client.py ADDRESS PORT SECONDS [WHAT ...]`` does each of these for so long, or all of them.

``answers``: asks on one connection, again and again. ``connections``: asks once on each of ever new ones, several at a
time. ``download``: one long answer. ``upload``: large bodies on one connection, each of them answered. Prints JSON,
the fields of Counted.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass

WHAT = ("answers", "connections", "download", "upload")
SMALL = 1000  # bytes of an answer
LARGE = 1 << 40  # more than can come in the time
BODY = bytes(1 << 22)  # of an upload
AT_A_TIME = 8
PATIENCE = 5.0  # seconds, for an answer


@dataclass
class Counted:
    """What happened in the seconds."""

    answers: float = 0.0  # a second
    connections: float = 0.0  # a second
    failed: int = 0  # connections
    download: float = 0.0  # Gbit/s
    upload: float = 0.0  # Gbit/s, of bodies that were answered


def connect(address: tuple[str, int]) -> socket.socket:
    made = socket.create_connection(address, PATIENCE)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def ask(connection: socket.socket, size: int) -> None:
    connection.sendall(b"GET /%d HTTP/1.1\r\nHost: guest\r\n\r\n" % size)


def take(connection: socket.socket, size: int) -> None:
    """An answer of so many bytes, head and body. Raises ConnectionError."""
    left = None
    seen = b""
    while left is None or left > 0:
        data = connection.recv(1 << 16)
        if not data:
            raise ConnectionError("closed in the middle of an answer")
        if left is None:
            seen += data
            _, found, body = seen.partition(b"\r\n\r\n")
            left = size - len(body) if found else None
        else:
            left -= len(data)


def download(address: tuple[str, int], seconds: float) -> float:
    """Gbit/s of a download that is broken off."""
    into = bytearray(1 << 18)
    with connect(address) as connection:
        ask(connection, LARGE)
        began = time.perf_counter()
        taken = 0
        while time.perf_counter() < began + seconds:
            size = connection.recv_into(into)
            if not size:
                raise ConnectionError("the download ended")
            taken += size
        return taken * 8e-9 / (time.perf_counter() - began)


def upload(address: tuple[str, int], seconds: float) -> float:
    """Gbit/s of bodies that were answered."""
    with connect(address) as connection:
        began = time.perf_counter()
        given = 0
        while time.perf_counter() < began + seconds:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: guest\r\nContent-Length: %d\r\n\r\n" % len(BODY))
            connection.sendall(BODY)
            take(connection, 0)
            given += len(BODY)
        return given * 8e-9 / (time.perf_counter() - began)


def answers(address: tuple[str, int], seconds: float) -> float:
    """How many a second, one after the other."""
    with connect(address) as connection:
        began = time.perf_counter()
        count = 0
        while time.perf_counter() < began + seconds:
            ask(connection, SMALL)
            take(connection, SMALL)
            count += 1
        return count / (time.perf_counter() - began)


def connections(address: tuple[str, int], seconds: float) -> tuple[float, int]:
    """How many a second, and how many failed."""
    counts = [0, 0]
    lock = threading.Lock()
    began = time.perf_counter()

    def again_and_again() -> None:
        while time.perf_counter() < began + seconds:
            failed = False
            try:
                with connect(address) as connection:
                    ask(connection, SMALL)
                    take(connection, SMALL)
            except OSError:
                failed = True
            with lock:
                counts[failed] += 1

    threads = [threading.Thread(target=again_and_again) for _ in range(AT_A_TIME)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts[0] / (time.perf_counter() - began), counts[1]


def main(host: str, port: int, seconds: float, *what: str) -> None:
    address = (host, port)
    counted = Counted()
    for name in what or WHAT:
        match name:
            case "answers":
                counted.answers = answers(address, seconds)
            case "connections":
                counted.connections, counted.failed = connections(address, seconds)
            case "download":
                counted.download = download(address, seconds)
            case "upload":
                counted.upload = upload(address, seconds)
    print(json.dumps(asdict(counted)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
