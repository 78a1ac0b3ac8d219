"""Events, so that what happens often is told once a second, and the last of it always."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.events import Event

SECOND = 1.0
MOST_KINDS = 1024  # that are told apart within a second; beyond, events of a name are all alike

_Kind = tuple[Any, ...]


@dataclass(frozen=True)
class Told:
    """
    An event for those outside.

    @ivar when: when it happened, by the wall clock.
    @ivar suppressed: how many like it happened before it, and are not told.
    """

    event: Event
    when: float
    suppressed: int = 0

    @property
    def data(self) -> dict[str, Any]:
        """The event's data, with ``suppressed`` unless that is 0."""
        return {**self.event.data, **({"suppressed": self.suppressed} if self.suppressed else {})}


class RateLimit:
    """
    Tells an event at once, and of those like it that follow within a second the newest when that is over.

    What is held back is told in the order in which it happened, so of two kinds that take turns
    (connected, disconnected) the last one told is the last that was so.
    """

    def __init__(self, reactor: Any, tell: Callable[[Told], None], wall: Callable[[], float] = time.time) -> None:
        self._reactor = reactor
        self._tell = tell
        self._wall = wall
        self._until: dict[_Kind, float] = {}  # kinds told within the last second: when that is over, soonest first
        self._held: dict[_Kind, Told] = {}  # the newest of each of them, oldest first
        self._timer: IDelayedCall | None = None

    def take(self, event: Event) -> None:
        """Something happened."""
        self._forget_old()
        told = Told(event, self._wall())
        kind = self._kind(event)
        if kind not in self._until:
            self._tell_now(kind, told)
            return
        before = self._held.pop(kind, None)
        self._held[kind] = told if before is None else Told(event, told.when, before.suppressed + 1)
        self._await_release()

    def stop(self) -> None:
        """Tell all that is held back, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        held, self._held = self._held, {}
        for told in held.values():
            self._tell(told)

    def _kind(self, event: Event) -> _Kind:
        kind = (event.name, *(getattr(event, field) for field in event.like))
        return kind if kind in self._until or len(self._until) < MOST_KINDS else (event.name,)

    def _tell_now(self, kind: _Kind, told: Told) -> None:
        self._until[kind] = self._reactor.seconds() + SECOND
        self._tell(told)

    def _forget_old(self) -> None:
        now = self._reactor.seconds()
        for kind, until in list(self._until.items()):
            if until > now:
                break
            if kind not in self._held:
                del self._until[kind]

    def _await_release(self) -> None:
        oldest = next(iter(self._held))
        delay = max(0.0, self._until[oldest] - self._reactor.seconds())
        if self._timer is None:
            self._timer = self._reactor.callLater(delay, self._release)
        else:
            self._timer.reset(delay)

    def _release(self) -> None:
        self._timer = None
        for kind, told in list(self._held.items()):
            if self._until[kind] > self._reactor.seconds():
                break
            del self._held[kind], self._until[kind]
            self._tell_now(kind, told)
        if self._held:
            self._await_release()
