"""
A web client: ``client.py ADDRESS PORT SECONDS`` downloads, asks on one connection, and asks on ever new ones.

Prints JSON: ``gigabits`` a second of one long download; ``answers`` a second, ever again on one
connection; ``connections`` a second, each with one request, by several at a time; ``failed`` of those.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass

SMALL = 1000  # bytes of an answer
LARGE = 1 << 40  # more than can come in the time
AT_A_TIME = 8
PATIENCE = 5.0  # seconds, for an answer


@dataclass
class Counted:
    """What happened in the seconds."""

    gigabits: float = 0.0
    answers: float = 0.0
    connections: float = 0.0
    failed: int = 0


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


def main(host: str, port: int, seconds: float) -> None:
    address = (host, port)
    counted = Counted(answers=answers(address, seconds))
    counted.connections, counted.failed = connections(address, seconds)
    counted.gigabits = download(address, seconds)
    print(json.dumps(asdict(counted)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
