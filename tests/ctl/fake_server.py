"""A QMP server in a thread, that answers as it is told: for a client that blocks."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 10.0
GREETING = {"QMP": {"version": {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "a test"}, "capabilities": []}}

Answer = Callable[[dict[str, Any]], bytes]


def line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\r\n"


def returned(request: dict[str, Any], value: Any) -> bytes:
    return line({"return": value, "id": request["id"]})


class FakeServer:
    """
    A context manager. ``answer`` makes the bytes for each request but the negotiation; b'' ends the connection.

    ``greeting`` are the first bytes; with None it says nothing at all.
    """

    def __init__(self, folder: Path, answer: Answer | None = None, greeting: bytes | None = line(GREETING)) -> None:
        self.path = folder / "qmp.sock"
        self.requests: list[dict[str, Any]] = []
        self._answer = answer or (lambda request: returned(request, {}))
        self._greeting = greeting
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(self.path))
        self._listening.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listening.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    connection.settimeout(PATIENCE)
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._greeting is not None:
            connection.sendall(self._greeting)
        with connection.makefile("rb") as requests:
            for data in requests:
                request = json.loads(data)
                self.requests.append(request)
                said = returned(request, {}) if request["execute"] == "qmp_capabilities" else self._answer(request)
                if not said:
                    return
                connection.sendall(said)
