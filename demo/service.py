"""
What both guests run: a web server that answers the same to the same.

    python service.py FOLDER

GET /SIZE sends so many bytes, made from a seed; anything else is a file of FOLDER. There is no date and nothing else
that two of them would tell differently.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PORT = 80
_BLOCK = 1 << 20
_SEED = 20061


def body(size: int) -> Iterator[bytes]:
    """The same bytes everywhere and always, in blocks."""
    chance = random.Random(_SEED)
    while size:
        block = chance.randbytes(min(size, _BLOCK))
        yield block
        size -= len(block)


class Request(BaseHTTPRequestHandler):
    """One connection, with one request."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, *arguments: Any) -> None:
        self._folder = folder
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """The name is http.server's."""
        name = Path(self.path).name
        content = [] if name.isdecimal() else [(self._folder / name).read_bytes()]
        size = int(name) if name.isdecimal() else len(content[0])
        self.send_response_only(200)  # not send_response, which says the time of day
        self.send_header("Content-Length", str(size))
        self.send_header("Connection", "close")
        self.end_headers()
        for block in content or body(size):
            self.wfile.write(block)


if __name__ == "__main__":
    with ThreadingHTTPServer(("", PORT), partial(Request, Path(sys.argv[1]))) as server:
        print("serving", flush=True)
        server.serve_forever()
