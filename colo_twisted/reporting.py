"""Log lines under an object's name, never more of a kind than an operator can read."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from twisted.logger import Logger, LogLevel

WINDOW_SECONDS = 10.0
LINES_A_WINDOW = 5  # of one kind of line that a peer can cause


class Reporter:
    """Writes lines that begin with the object's kind and id."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._log = Logger("colo_twisted")
        self._clock = clock
        self._windows: dict[str, tuple[float, int]] = {}  # kind of line: when its window began, lines since

    def info(self, text: str, kind: str | None = None) -> None:
        """Say what is normal; with ``kind``, no more than LINES_A_WINDOW of that kind in WINDOW_SECONDS."""
        self._say(LogLevel.info, text, kind)

    def warn(self, text: str, kind: str | None = None) -> None:
        """Say what an operator should look at; ``kind`` as for info."""
        self._say(LogLevel.warn, text, kind)

    def _say(self, level: Any, text: str, kind: str | None) -> None:
        if kind is not None:
            began, lines = self._windows.get(kind, (-WINDOW_SECONDS, 0))
            now = self._clock()
            if now - began >= WINDOW_SECONDS:
                if lines > LINES_A_WINDOW:
                    text += f" (and {lines - LINES_A_WINDOW} more like it since the last such line)"
                began, lines = now, 0
            self._windows[kind] = (began, lines + 1)
            if lines >= LINES_A_WINDOW:
                return
        self._log.emit(level, "{name}: {text}", name=self.name, text=text)
