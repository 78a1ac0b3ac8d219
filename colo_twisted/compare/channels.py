"""The comparer's chardevs and its colo-peer: which are up, and what that means for what it compares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SILENT_TIMEOUTS = 2  # times compare_timeout without a frame of the secondary's, while the primary's wait for it
SILENT_DIVERGENCES = 2  # of flows that it has left waiting meanwhile


class Channel(Protocol):
    """A chardev, or a colo-peer."""

    connected: bool


class Channels:
    """
    Says when the secondary can be followed and when not.

    ``changed`` is called with what is lost, in words, or with None when all is up again.
    """

    def __init__(self, timeout: float, changed: Callable[[str | None], None]) -> None:
        self._channels: dict[str, Channel] = {}
        self._started = False
        self._changed = changed
        self._timeout = timeout
        self._up = False
        self._silent = False
        self._heard = 0.0
        self._left_waiting = 0

    def add(self, name: str, channel: Channel) -> None:
        """One more that must be up."""
        self._channels[name] = channel

    def start(self) -> None:
        """Look for the first time."""
        self._started = True
        self.look()

    def stop(self) -> None:
        """Look no more: all close in order."""
        self._started = False

    def look(self) -> None:
        """Look which are up."""
        if not self._started:
            return
        down = [name for name, channel in self._channels.items() if not channel.connected]
        if "secondary_in" in down:
            self._silent = False
        lost = " and ".join(down) or ("secondary_in (it is silent)" if self._silent else None)
        if (lost is None) != self._up:
            self._up = lost is None
            self._changed(lost)

    def secondary_heard(self, now: float) -> None:
        """A frame came from the secondary."""
        self._heard = now
        self._left_waiting = 0
        if self._silent:
            self._silent = False
            self.look()

    def secondary_missed(self, now: float) -> None:
        """A flow of the primary's has waited for the secondary in vain."""
        self._left_waiting += 1
        if self._left_waiting >= SILENT_DIVERGENCES and now - self._heard >= SILENT_TIMEOUTS * self._timeout:
            self._silent = True
            self.look()
