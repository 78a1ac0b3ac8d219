"""A QMP monitor in the hands of somebody who types."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from colo_twisted.ctl.stream import JSONObjects
from tests.support.processes import PATIENCE


class Monitor:
    """Sends lines byte for byte; a context manager, connected and negotiated. ``events`` has those that came."""

    def __init__(self, path: Path) -> None:
        self.events: list[dict[str, Any]] = []
        self._answers: list[dict[str, Any]] = []
        self._stream = JSONObjects()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(str(path))
        self._read_until(lambda: bool(self._answers), "a greeting")
        assert "QMP" in self._answers.pop()
        self.type("{'execute':'qmp_capabilities'}")

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._socket.close()

    def type(self, line: str) -> Any:
        """Send one command as it is written; what it returned."""
        self._socket.sendall(line.encode())
        self._read_until(lambda: bool(self._answers), f"an answer to {line}")
        answer = self._answers.pop()
        assert "return" in answer, f"{line}\n{answer}"
        return answer["return"]

    def wait_for(self, event: str, **data: Any) -> dict[str, Any]:
        """Until an event of that name has come whose data has these values; its data."""

        def matching() -> list[dict[str, Any]]:
            known = (got.get("data", {}) for got in self.events if got["event"] == event)
            return [found for found in known if data.items() <= found.items()]

        self._read_until(lambda: bool(matching()), f"{event} {data} (came: {self.events})")
        return matching()[0]

    def _read_until(self, enough: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not enough():
            try:
                data = self._socket.recv(1 << 16)
            except TimeoutError:
                data = b""
            if not data or time.monotonic() > deadline:
                raise AssertionError(f"the monitor does not bring {what}")
            for message in self._stream.feed(data):
                (self.events if "event" in message else self._answers).append(message)
