# cython: annotation_typing=False
"""
Connections by key: a bound, idle expiry, and an eviction that spares what is in use.

A connection is engaged while forgetting it would lose something: packets held for it, an offset that its guest
needs. Those are neither expired nor evicted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from colo_twisted.packets import casts, fields, hashing
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.hashing import SEED
from colo_twisted.packets.wheel import Wheel

GRAIN = 1.0  # seconds
LEAST_INDEX = 64
NOBODY = 0xFFFFFFFF
MOST_SECOND_CHANCES = 1000  # connections, used since they were filed, that one eviction passes over


class Connection:
    """What a table knows of a connection; subclasses say how long it lives and whether it is engaged."""

    __slots__ = ("hashed", "key", "last_used", "number", "place", "slot")

    def __init__(self, key: bytes, now: float) -> None:
        self.key = key
        self.last_used = now  # seconds, set by whoever uses it
        self.slot = 0  # of the wheel, which says when its expiry is looked at; 0 while nobody looks
        self.place = 0  # in that
        self.hashed = 0  # its key, and its number among all that came, as the table that it is in has them
        self.number = 0

    def lifetime(self) -> float:
        """Seconds without use after which it may be forgotten."""
        return 0.0

    def engaged(self) -> bool:
        """Whether it must not be forgotten."""
        return False

    def looked_at(self) -> float:
        """When its expiry is looked at, in seconds; 0 while nobody looks."""
        return self.slot * GRAIN


class Connections:
    """
    At most ``most`` connections; ``evicted`` is called with each that makes room for another.

    A hash table with open addressing: in ``_index`` stand numbers of connections, or NOBODY; in ``_known`` the
    connections in the order in which they came, with None where one has left. The bits of its hash that a number has no
    use for stand above it: they tell nearly all others apart from a connection without a look at them.
    """

    __slots__ = ("_count", "_evicted", "_idle", "_index", "_known", "_mask", "_most")

    def __init__(self, most: int, evicted: Callable[[Any], object] | None = None) -> None:
        self._most = most
        self._evicted = evicted
        self._idle = Wheel(GRAIN)
        self._known: list[Connection | None] = []
        self._count = 0
        self._arrange(LEAST_INDEX)

    def __len__(self) -> int:
        return self._count

    def get(self, key: bytes) -> Connection | None:
        """The one with this key."""
        return self.find(key, 0, len(key))

    def find(self, data: Bytes, start: int, end: int) -> Connection | None:
        """The one whose key is ``data[start:end]``."""
        number = hashing.hashed(data, start, end, SEED)
        size = end - start
        mask = self._mask
        at = number & mask
        entry = self._index[at]
        while entry != NOBODY:
            if (entry ^ number) <= mask:
                known: Connection | None = casts.connection(self._known[entry & mask])
                if known is not None and len(known.key) == size and fields.same(known.key, 0, data, start, size):
                    return known
            at = (at + 1) & mask
            entry = self._index[at]
        return None

    def all(self) -> list[Connection]:
        """In the order in which they came."""
        return [known for known in self._known if known is not None]

    def some(self, start: int, most: int) -> list[Connection]:
        """At most so many, from that place on in the order in which they came."""
        if len(self._known) > self._count:
            self._arrange(self._mask + 1)
        return self._known[start : start + most]  # type: ignore[return-value]

    def limit(self, most: int) -> None:
        """Take in no more than so many from now on; those beyond leave as they expire, or make room for others."""
        self._most = most

    def add(self, connection: Connection) -> bool:
        """
        Take in a new one, in the place of one with the same key, or if need be of an idle one.

        False if all are engaged and it doesn't fit.
        """
        known = self.get(connection.key)
        if known is not None:
            self.remove(known)
        if self._count >= self._most and not self._evict():
            return False
        self._enter(connection)
        self.rest(connection)
        return True

    def remove(self, connection: Connection) -> None:
        """Forget it; harmless when it isn't here."""
        if self._is_here(connection):
            self._leave(connection)
            self._unfile(connection)

    # the table

    def _enter(self, connection: Connection) -> None:
        if 2 * len(self._known) > self._mask:  # half of it is full: chains are short
            self._arrange(2 * (self._mask + 1) if 4 * self._count > self._mask else self._mask + 1)
        connection.hashed = hashing.hashed(connection.key, 0, len(connection.key), SEED)
        connection.number = len(self._known)
        self._known.append(connection)
        self._count += 1
        self._point_at(connection)

    def _point_at(self, connection: Connection) -> None:
        at = connection.hashed & self._mask
        while self._index[at] != NOBODY:
            at = (at + 1) & self._mask
        self._index[at] = (connection.hashed & ~self._mask) | connection.number

    def _arrange(self, size: int) -> None:
        """Make an index of that size, a power of two, and close the gaps of those that have left."""
        self._mask = size - 1
        self._index = array("I", [NOBODY]) * size
        self._known = [known for known in self._known if known is not None]
        for number, known in enumerate(self._known):
            known.number = number  # type: ignore[union-attr]
            self._point_at(known)  # type: ignore[arg-type]

    def _is_here(self, connection: Connection) -> bool:
        number = connection.number
        return number < len(self._known) and self._known[number] is connection

    def _leave(self, connection: Connection) -> None:
        """A gap stays in its place: those behind it in its chain are found past that."""
        self._known[connection.number] = None
        self._count -= 1

    # time

    def rest(self, connection: Connection) -> None:
        """It may be no longer engaged: see to it that its expiry is looked at."""
        if not connection.slot:
            connection.slot = self._idle.put(connection, connection.last_used + connection.lifetime())
            connection.place = self._idle.last_place(connection.slot)

    def hasten(self, connection: Connection) -> None:
        """Its lifetime has become shorter: look at it at its new end."""
        if connection.slot and connection.last_used + connection.lifetime() + GRAIN < connection.looked_at():
            self._unfile(connection)
            self.rest(connection)

    def _unfile(self, connection: Connection) -> None:
        """Leave nothing of it in the wheel, which would keep it alive until its old end."""
        if connection.slot:
            moved: Connection | None = self._idle.take(connection.slot, connection.place)
            connection.slot = 0
            if moved is not None:
                moved.place = connection.place

    def expire(self, now: float) -> list[Connection]:
        """Forget those that have been idle for their lifetime; these."""
        return [connection for connection in self._idle.due(now) if self._takes_leave(connection, now)]

    @property
    def next_deadline(self) -> float | None:
        """When to call expire; None while there is nothing."""
        return self._idle.next_deadline

    def _takes_leave(self, connection: Connection, now: float) -> bool:
        engaged = connection.engaged()
        connection.slot = 0  # the wheel has given it back
        if engaged:
            return False
        if connection.last_used + connection.lifetime() > now:
            self.rest(connection)
            return False
        self._leave(connection)
        return True

    def _evict(self) -> bool:
        chances = MOST_SECOND_CHANCES
        while True:
            connection: Connection | None = self._idle.pop_earliest()
            if connection is None:
                return False
            engaged = connection.engaged()
            used = connection.last_used + connection.lifetime() > connection.looked_at()
            connection.slot = 0
            if engaged:
                continue
            if used and chances:
                chances -= 1
                self.rest(connection)
                continue
            self._leave(connection)
            if self._evicted is not None:
                self._evicted(connection)
            return True
