"""The comparer's chardevs, its colo-peer and the filter-mirrors: which are up, and what that means for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from colo_twisted.compare.mirrors import Mirrors

SILENT_TIMEOUTS = 2  # times compare_timeout without a frame of the secondary's, while the primary's wait for it
SILENT_DIVERGENCES = 2  # of flows that it has left waiting meanwhile


class Channel(Protocol):
    """A chardev, a colo-peer, or a QEMU under COLO, which says in ``why_not`` why it isn't."""

    @property
    def connected(self) -> bool: ...


class Channels:
    """
    Says when the secondary can be followed and when not.

    ``changed`` is called with what is down, in words, or with None when all is up again; and with whether it is only
    that the filter-mirrors are off.
    """

    def __init__(self, timeout: float, mirrors: Mirrors, changed: Callable[[str | None, bool], None]) -> None:
        self._channels: dict[str, Channel] = {}
        self._mirrors = mirrors
        self._started = False
        self._changed = changed
        self._timeout = timeout
        self._told: tuple[str | None, bool] = ("", False)
        self._silent = False
        self._heard = 0.0
        self._left_waiting = 0

    def add(self, name: str, channel: Channel) -> None:
        """One more that must be up."""
        self._channels[name] = channel

    def rows(self) -> list[tuple[str, bool]]:
        """Each by name, and whether it is up. A mirror that is off is none; without one on, there is 'mirror', down."""
        return self._own_rows() + self._mirrors.rows()

    def _own_rows(self) -> list[tuple[str, bool]]:
        return [(name, channel.connected) for name, channel in self._channels.items()]

    def change_timeout(self, timeout: float) -> None:
        """Let compare_timeout be so many seconds."""
        self._timeout = timeout

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
        down = [name for name, connected in self._own_rows() + self._mirrors.on() if not connected]
        if "secondary_in" in down:
            self._silent = False
        whys = {name: why for name, made in self._channels.items() if (why := getattr(made, "why_not", None))}
        unexplained = [name for name in down if name not in whys]
        words = [_not_connected(unexplained)] if unexplained else []
        words += [f"{name}: {whys[name]}" for name in down if name in whys]
        words += ["secondary_in is silent"] if self._silent else []
        staged = not words and self._mirrors.are_off
        words += [self._mirrors.why_none] if self._mirrors.why_none else []
        told = ("; ".join(words) or None, staged)
        if told != self._told:
            self._told = told
            self._changed(*told)

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


def _not_connected(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not connected"
