"""
What both guests of a pair run: a service that always answers the same, and writes down what it was told and said.

    python service.py NAME LEDGER STATE

HTTP on port 80: GET /N gives N bytes; PUT and POST give the SHA-256 of the body; GET /name gives NAME, in which the two
guests differ; GET /state gives what the file STATE holds. On port 7 each line comes back, over UDP each datagram.
With 'Connection: close' the server ends the connection, else the client. Each connection and datagram is a line in
LEDGER, JSON: who, and how many bytes of which SHA-256 were received and sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import socket
import sys
import threading
from pathlib import Path

HTTP, ECHO = 80, 7
BLOCK = random.Random(80).randbytes(1 << 20)
_READ = 1 << 18
_BACKLOG = 4096
_BOTH = socket.AF_INET6  # and IPv4


class Conversation:
    """A connection with both directions' hashes."""

    def __init__(self, connection: socket.socket, who: str) -> None:
        self.who = who
        self._connection = connection
        self._received = hashlib.sha256()
        self._sent = hashlib.sha256()
        self._counts = [0, 0]
        self._rest = b""
        self.over = False

    def _more(self) -> bytes:
        data = self._connection.recv(_READ)
        self._received.update(data)
        self._counts[0] += len(data)
        self.over = not data
        return data

    def line(self) -> bytes:
        """Up to the next line's end; empty at the end of the stream."""
        while b"\n" not in self._rest and not self.over:
            self._rest += self._more()
        line, _, self._rest = self._rest.partition(b"\n")
        return line.strip()

    def body_sha256(self, size: int) -> str:
        """That of the next bytes."""
        body = hashlib.sha256()
        while size > 0:
            data = self._rest[:size] or self._more()[:size]
            if not data:
                break
            self._rest = self._rest[len(data) :]
            body.update(data)
            size -= len(data)
        return body.hexdigest()

    def say(self, data: bytes) -> None:
        self._connection.sendall(data)
        self._sent.update(data)
        self._counts[1] += len(data)

    def entry(self) -> str:
        received, sent = self._counts
        hashes = self._received.hexdigest(), self._sent.hexdigest()
        return json.dumps({"who": self.who, "received": [received, hashes[0]], "sent": [sent, hashes[1]]})


class Service:
    def __init__(self, name: str, ledger: Path, state: Path) -> None:
        self._name = name
        self._state = state
        self._ledger = ledger.open("w", buffering=1)
        self._lock = threading.Lock()

    def run(self) -> None:
        for port, talk in ((HTTP, self._http), (ECHO, self._echo)):
            listener = socket.create_server(("::", port), family=_BOTH, dualstack_ipv6=True, backlog=_BACKLOG)
            threading.Thread(target=self._accept, args=(listener, talk)).start()
        datagrams = socket.socket(_BOTH, socket.SOCK_DGRAM)
        datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        datagrams.bind(("::", ECHO))
        print("serving", flush=True)
        while True:
            data, sender = datagrams.recvfrom(1 << 16)
            datagrams.sendto(data.upper(), sender)
            self._write(json.dumps({"who": "udp", "received": [len(data), hashlib.sha256(data).hexdigest()]}))

    def _accept(self, listener: socket.socket, talk: object) -> None:
        while True:
            connection, peer = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._talk, args=(connection, f"{peer[0]} {peer[1]}", talk), daemon=True).start()

    def _talk(self, connection: socket.socket, who: str, talk: object) -> None:
        conversation = Conversation(connection, who)
        with connection, contextlib.suppress(OSError):
            talk(conversation)  # type: ignore[operator]
            connection.shutdown(socket.SHUT_WR)
            while not conversation.over:
                conversation.line()
        self._write(conversation.entry())

    def _write(self, entry: str) -> None:
        with self._lock:
            self._ledger.write(entry + "\n")

    def _echo(self, conversation: Conversation) -> None:
        while line := conversation.line():
            conversation.say(line.upper() + b"\n")

    def _http(self, conversation: Conversation) -> None:
        close = False
        while not close and (request := conversation.line()):
            method, path, _ = request.decode().split()
            size = 0
            while header := conversation.line().lower():
                if header.startswith(b"content-length:"):
                    size = int(header.partition(b":")[2])
                if header.startswith(b"expect:"):
                    conversation.say(b"HTTP/1.1 100 Continue\r\n\r\n")
                close |= header == b"connection: close"
            self._answer(conversation, method, path, size)

    def _answer(self, conversation: Conversation, method: str, path: str, size: int) -> None:
        if method in ("PUT", "POST"):
            self._say(conversation, conversation.body_sha256(size).encode())
        elif path == "/name":
            self._say(conversation, self._name.encode())
        elif path == "/state":
            self._say(conversation, self._state.read_bytes())
        else:
            self._say_much(conversation, int(path.lstrip("/")))

    def _head(self, size: int) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    def _say(self, conversation: Conversation, body: bytes) -> None:
        conversation.say(self._head(len(body)) + body)

    def _say_much(self, conversation: Conversation, size: int) -> None:
        conversation.say(self._head(size))
        while size > 0:
            part = BLOCK if size >= len(BLOCK) else BLOCK[:size]
            conversation.say(part)
            size -= len(part)


if __name__ == "__main__":
    Service(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])).run()
