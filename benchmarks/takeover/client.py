"""
A web client whose download never ends: ``python -m benchmarks.takeover.client ADDRESS PORT``.

Says 'under way' when some of it is there. On SIGTERM it ends with the next byte, so that a pause is seen whole, and
prints JSON: ``reads``, when each read ended (seconds of the monotonic clock, which is one for all processes), and
``received``, the bytes of the body, all of them the server's. Exit status 1 and a line that begins with 'error: ' when
one wasn't, or none came.
"""

from __future__ import annotations

import http.client
import json
import signal
import sys
import time

from benchmarks.pair.server import BLOCK

PATIENCE = 15.0  # seconds without a byte
LARGE = 1 << 40  # more than can come
_MOST_READ = 1 << 18
_UNDER_WAY = 1 << 22  # bytes
_TWICE = BLOCK * 2


def download(host: str, port: int) -> None:
    """Raises OSError, http.client.HTTPException; ValueError for a wrong byte."""
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
    connection.request("GET", f"/{LARGE}")
    response = connection.getresponse()
    reads, received = [time.monotonic()], 0
    while not stopped:
        data = response.read1(_MOST_READ)
        if not data:
            raise ConnectionError(f"closed after {received} bytes")
        reads.append(time.monotonic())
        start = received % len(BLOCK)
        if _TWICE[start : start + len(data)] != data:
            raise ValueError(f"WRONG BYTES from {received} to {received + len(data)}")
        if received < _UNDER_WAY <= received + len(data):
            print("under way", flush=True)
        received += len(data)
    print(json.dumps({"reads": reads, "received": received}), flush=True)


if __name__ == "__main__":
    try:
        download(sys.argv[1], int(sys.argv[2]))
    except (OSError, ValueError, http.client.HTTPException) as error:
        sys.exit(f"error: {error!r}")
