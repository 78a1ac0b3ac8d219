"""
A web client whose download never ends: ``python -m benchmarks.takeover.client ADDRESS PORT``.

Says 'under way' when some of it is there. On SIGTERM it ends with the next byte, and prints JSON: ``reads``, when each
read ended (seconds of the monotonic clock, which is one for all processes), and ``received``, the bytes of the body, all
of which were those of the server's. Exit status 1 and a line that begins with 'error: ' when one wasn't, or none came.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from types import FrameType

from benchmarks.pair.server import BLOCK

MOST_READ = 1 << 18
LARGE = 1 << 40  # more than can come
PATIENCE = 15.0  # seconds without a byte
_UNDER_WAY = 1 << 22  # bytes
_TWICE = BLOCK * 2


class Download:
    """What has come of it, until ``stop``."""

    def __init__(self, connection: socket.socket) -> None:
        self.reads: list[float] = []
        self.received = 0
        self._connection = connection
        self._stopped = False

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """After the next read: one that waits is told how long it has to."""
        self._stopped = True

    def run(self) -> None:
        """Raises OSError, ValueError."""
        self._connection.sendall(b"GET /%d HTTP/1.1\r\nHost: guest\r\n\r\n" % LARGE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._some()
        self._take(head.partition(b"\r\n\r\n")[2])
        said = False
        while not self._stopped:
            self._take(self._some())
            if not said and self.received > _UNDER_WAY:
                said = True
                print("under way", flush=True)

    def _some(self) -> bytes:
        data = self._connection.recv(MOST_READ)
        if not data:
            raise ConnectionError("closed in the middle of the download")
        self.reads.append(time.monotonic())
        return data

    def _take(self, data: bytes) -> None:
        start = self.received % len(BLOCK)
        if _TWICE[start : start + len(data)] != data:
            raise ValueError(f"WRONG BYTES from {self.received} to {self.received + len(data)}")
        self.received += len(data)


def main(host: str, port: int) -> None:
    with socket.create_connection((host, port), PATIENCE) as connection:
        download = Download(connection)
        signal.signal(signal.SIGTERM, download.stop)
        download.run()
    print(json.dumps({"reads": download.reads, "received": download.received}), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error!r}")
