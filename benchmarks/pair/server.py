"""
A web server that always answers the same: ``server.py ADDRESS`` answers GET /N with N bytes, and a body with none.

No date, no header that differs from run to run: two of them are replicas of each other. Says 'listening'.
"""

from __future__ import annotations

import random
import socket
import socketserver
import sys

PORT = 8080
BLOCK = random.Random(8080).randbytes(1 << 20)


class Answers(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    rbufsize = 1 << 18

    def setup(self) -> None:
        super().setup()
        self.into = bytearray(1 << 18)

    def handle(self) -> None:
        while line := self.rfile.readline():
            self._take(self._body_size())
            self._answer(int(line.split()[1].lstrip(b"/") or 0))

    def _body_size(self) -> int:
        """Reads the head's other lines."""
        size = 0
        while (line := self.rfile.readline()) not in (b"\r\n", b"\n", b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
        return size

    def _take(self, size: int) -> None:
        into = memoryview(self.into)
        while size > 0 and (taken := self.rfile.readinto1(into[: min(size, len(into))])):
            size -= taken

    def _answer(self, size: int) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n" % size
        self.request.sendall(head + BLOCK[: min(size, len(BLOCK))])
        size -= len(BLOCK)
        while size > 0:
            self.request.sendall(BLOCK if size >= len(BLOCK) else BLOCK[:size])
            size -= len(BLOCK)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = socket.SOMAXCONN


if __name__ == "__main__":
    with Server((sys.argv[1], PORT), Answers) as server:
        print("listening", flush=True)
        server.serve_forever()
