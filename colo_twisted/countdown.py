"""A delayed call whose length can be changed while it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall


class Countdown:
    """One at a time; harmless to end when none runs."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._began = 0.0
        self._call: IDelayedCall | None = None

    @property
    def running(self) -> bool:
        return self._call is not None and self._call.active()

    def begin(self, seconds: float, call: Callable[..., Any], *arguments: Any) -> None:
        """Make the call after so long, in place of one that runs."""
        self.end()
        self._began = self._reactor.seconds()
        self._call = self._reactor.callLater(max(0.0, seconds), call, *arguments)

    def last(self, seconds: float) -> None:
        """Let the one that runs take so long in all, from its beginning on."""
        self.end_in(self._began + seconds - self._reactor.seconds())

    def end_in(self, seconds: float) -> None:
        """Let the one that runs take so long from now on."""
        if self._call is not None and self._call.active():
            self._call.reset(max(0.0, seconds))

    def end(self) -> None:
        """Make no call."""
        call, self._call = self._call, None
        if call is not None and call.active():
            call.cancel()
