"""A relay on a unix socket, that a test cuts and mends: a channel that is lost while both its ends live."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

_ROOM = 1 << 18


class Relay:
    """Whoever connects to ``path`` is led to ``target``; a context manager."""

    def __init__(self, path: Path, target: Path) -> None:
        self.path = path
        self._target = target
        self._listener: socket.socket | None = None
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Relay:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()

    def mend(self) -> None:
        """Take connections (again)."""
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Close all, and take no more."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self.path.unlink()
            _close(listener)
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            _close(end)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = listener.accept()
                called = socket.socket(socket.AF_UNIX)
                try:
                    called.connect(str(self._target))
                except OSError:
                    _close(caller)
                    continue
                with self._lock:
                    self._open += (caller, called)
                for source, sink in ((caller, called), (called, caller)):
                    threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_ROOM):
            sink.sendall(data)
    _close(source)
    _close(sink)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
