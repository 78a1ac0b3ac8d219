# cython: annotation_typing=False
"""Time-outs whose cost follows what expires, not what exists."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class Wheel:
    """
    Things by deadline, in slots of ``grain`` seconds: one never comes out early, and at most a grain late.

    A thing is in a slot once, however often it is put there.
    """

    __slots__ = ("_grain", "_order", "_slots")

    def __init__(self, grain: float) -> None:
        self._grain = grain
        self._slots: dict[int, dict[Any, None] | None] = {}  # None while a slot has nothing
        self._order: list[int] = []  # the slots' numbers, a heap; the first has something

    def put(self, thing: object, deadline: float) -> int:
        """Give it back when ``deadline`` (seconds) has passed; the slot's number."""
        number = int(deadline / self._grain) + 1
        slot = self._slots.get(number)
        if slot is not None:
            slot[thing] = None
            return number
        if number not in self._slots:
            heappush(self._order, number)
        self._slots[number] = {thing: None}
        return number

    def take(self, thing: object, number: int) -> None:
        """Take it out of the slot that put named; harmless when it isn't there any more."""
        slot = self._slots.get(number)
        if slot is not None:
            slot.pop(thing, None)
            if not slot:
                self._slots[number] = None
                self._trim()

    def due(self, now: float) -> list[Any]:
        """What has expired, and is the caller's now."""
        things: list[Any] = []
        while self._order and self._order[0] * self._grain <= now:
            slot = self._slots.pop(heappop(self._order))
            if slot is not None:
                things += slot
        self._trim()
        return things

    def pop_earliest(self) -> Any:
        """One of those that expire first, whether or not its time has come; None if there are none."""
        if not self._order:
            return None
        number = self._order[0]
        slot = self._slots[number]
        assert slot is not None
        thing, _ = slot.popitem()
        if not slot:
            self._slots[number] = None
            self._trim()
        return thing

    def _trim(self) -> None:
        """Leave no slot at the front that has nothing."""
        while self._order and self._slots[self._order[0]] is None:
            del self._slots[heappop(self._order)]

    @property
    def next_deadline(self) -> float | None:
        """When to ask for what is due; None while there is nothing."""
        return self._order[0] * self._grain if self._order else None
