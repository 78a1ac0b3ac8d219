"""
What both guests run: a web server that answers the same to the same, and prints what it has sent and received.

    python service.py FOLDER

GET sends a file of FOLDER, PUT takes one; there is no date and nothing else that two of them would tell differently.
"""

from __future__ import annotations

import hashlib
import socketserver
import sys
from functools import partial
from pathlib import Path
from typing import Any

PORT = 80
_BLOCK = 1 << 18


class Request(socketserver.StreamRequestHandler):
    """One request, with a line for whoever looks at the output: what, bytes, SHA-256."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        self._folder = folder
        super().__init__(*arguments)

    def handle(self) -> None:
        method, path, _ = self.rfile.readline().decode().split()
        size = 0
        while line := self.rfile.readline().strip().lower():
            if line.startswith(b"content-length:"):
                size = int(line.partition(b":")[2])
            if line.startswith(b"expect:"):
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if method == "PUT":
            self._take(path, size)
        else:
            self._give(path)

    def _give(self, path: str) -> None:
        content = (self._folder / Path(path).name).read_bytes()
        self._answer(content)
        print("sent", path, len(content), hashlib.sha256(content).hexdigest(), flush=True)

    def _take(self, path: str, size: int) -> None:
        sha256 = hashlib.sha256()
        taken = 0
        while taken < size and (data := self.rfile.read(min(_BLOCK, size - taken))):
            sha256.update(data)
            taken += len(data)
        self._answer(f"{sha256.hexdigest()}\n".encode())
        print("received", path, taken, sha256.hexdigest(), flush=True)

    def _answer(self, content: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        self.wfile.write(head.encode() + content)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("", PORT), partial(Request, Path(sys.argv[1]))) as server:
        print("serving", flush=True)
        server.serve_forever()
