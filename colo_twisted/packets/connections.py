# cython: annotation_typing=False
"""
Connections by key: a bound, idle expiry, and an eviction that spares what is in use.

A connection is engaged while forgetting it would lose something: packets held for it, an offset that its guest
needs. Those are neither expired nor evicted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from colo_twisted.packets.wheel import Wheel

GRAIN = 1.0  # seconds
MOST_SECOND_CHANCES = 1000  # connections, used since they were filed, that one eviction passes over


class Connection:
    """What a table knows of a connection; subclasses say how long it lives and whether it is engaged."""

    __slots__ = ("filed", "key", "last_used", "slot")

    def __init__(self, key: bytes, now: float) -> None:
        self.key = key
        self.last_used = now  # seconds, set by whoever uses it
        self.filed = -1.0  # when its expiry is looked at; negative while nobody looks
        self.slot = 0  # of the wheel; only while it is filed

    def lifetime(self) -> float:
        """Seconds without use after which it may be forgotten."""
        return 0.0

    def engaged(self) -> bool:
        """Whether it must not be forgotten."""
        return False


class Connections:
    """At most ``most`` connections; ``evicted`` is called with each that makes room for another."""

    __slots__ = ("_evicted", "_idle", "_known", "_most")

    def __init__(self, most: int, evicted: Callable[[Any], object] | None = None) -> None:
        self._most = most
        self._evicted = evicted
        self._known: dict[bytes, Connection] = {}
        self._idle = Wheel(GRAIN)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: bytes) -> Connection | None:
        return self._known.get(key)

    def all(self) -> list[Connection]:
        return list(self._known.values())

    def some(self, start: int, most: int) -> list[Connection]:
        """At most so many, from that place on in the order in which they came."""
        return list(islice(self._known.values(), start, start + most))

    def limit(self, most: int) -> None:
        """Take in no more than so many from now on; those beyond leave as they expire, or make room for others."""
        self._most = most

    def add(self, connection: Connection) -> bool:
        """
        Take in a new one, in the place of one with the same key, or if need be of an idle one.

        False if all are engaged and it doesn't fit.
        """
        known = self._known.get(connection.key)
        if known is not None:
            self.remove(known)
        if len(self._known) >= self._most and not self._evict():
            return False
        self._known[connection.key] = connection
        self.rest(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget it; harmless when it isn't here."""
        if self._known.get(connection.key) is connection:
            del self._known[connection.key]
            self._unfile(connection)

    def rest(self, connection: Connection) -> None:
        """It may be no longer engaged: see to it that its expiry is looked at."""
        if connection.filed < 0:
            connection.filed = connection.last_used + connection.lifetime()
            connection.slot = self._idle.put(connection, connection.filed)

    def hasten(self, connection: Connection) -> None:
        """Its lifetime has become shorter: look at it at its new end."""
        if connection.last_used + connection.lifetime() < connection.filed:
            self._unfile(connection)
            self.rest(connection)

    def _unfile(self, connection: Connection) -> None:
        """Leave nothing of it in the wheel, which would keep it alive until its old end."""
        if connection.filed >= 0:
            connection.filed = -1.0
            self._idle.take(connection, connection.slot)

    def expire(self, now: float) -> list[Connection]:
        """Forget those that have been idle for their lifetime; these."""
        return [connection for connection in self._idle.due(now) if self._takes_leave(connection, now)]

    @property
    def next_deadline(self) -> float | None:
        """When to call expire; None while there is nothing."""
        return self._idle.next_deadline

    def _takes_leave(self, connection: Connection, now: float) -> bool:
        engaged = connection.engaged()
        connection.filed = -1.0  # the wheel has given it back
        if engaged:
            return False
        if connection.last_used + connection.lifetime() > now:
            self.rest(connection)
            return False
        del self._known[connection.key]
        return True

    def _evict(self) -> bool:
        chances = MOST_SECOND_CHANCES
        while True:
            connection: Connection | None = self._idle.pop_earliest()
            if connection is None:
                return False
            engaged = connection.engaged()
            used = connection.last_used + connection.lifetime() > connection.filed
            connection.filed = -1.0
            if engaged:
                continue
            if used and chances:
                chances -= 1
                self.rest(connection)
                continue
            del self._known[connection.key]
            if self._evicted is not None:
                self._evicted(connection)
            return True
