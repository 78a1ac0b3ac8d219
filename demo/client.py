"""
What the client runs: asks for one thing over HTTP, and says when which part of it came.

    python client.py HOST PATH

Prints 'began' and when, 'half' when half of it is there, then a line of JSON: ``sha256`` of all, ``text`` of what is
short, ``reads``, a list of when (the monotonic clock, which is one for all processes) and how many bytes there were by
then; the first is the request's. Exit status 1 and one line when that doesn't work out.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import sys
import time

PATIENCE = 20.0  # seconds without a byte
_MOST_READ = 1 << 18
_MOST_TEXT = 100


def get(host: str, path: str) -> None:
    """Raises OSError, http.client.HTTPException."""
    reads = [(time.monotonic(), 0)]
    print(f"began {reads[0][0]:.6f}", flush=True)
    connection = http.client.HTTPConnection(host, timeout=PATIENCE)
    connection.request("GET", path)
    response = connection.getresponse()
    size = response.length or 0
    sha256, text = hashlib.sha256(), b""
    while data := response.read1(_MOST_READ):
        before = reads[-1][1]
        reads.append((time.monotonic(), before + len(data)))
        sha256.update(data)
        if size <= _MOST_TEXT:
            text += data
        if before < size / 2 <= reads[-1][1]:
            print("half", flush=True)
    if response.status != http.client.OK or reads[-1][1] != size:
        raise http.client.HTTPException(f"status {response.status}, {reads[-1][1]} of {size} bytes")
    rounded = [(round(at, 6), count) for at, count in reads]
    print(json.dumps({"sha256": sha256.hexdigest(), "text": text.decode(), "reads": rounded}), flush=True)


if __name__ == "__main__":
    try:
        get(*sys.argv[1:])
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"error: {error!r}")
