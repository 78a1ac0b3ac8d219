# cython: annotation_typing=False
"""Time-outs whose cost follows what expires, not what exists."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class Wheel:
    """Things by deadline, in slots of ``grain`` seconds: one never comes out early, and at most a grain late."""

    __slots__ = ("_grain", "_order", "_slots")

    def __init__(self, grain: float) -> None:
        self._grain = grain
        self._slots: dict[int, list[Any]] = {}
        self._order: list[int] = []  # the slots' numbers, a heap; the first has something

    def put(self, thing: object, deadline: float) -> int:
        """Give it back when ``deadline`` (seconds) has passed; the slot's number."""
        number = int(deadline / self._grain) + 1
        slot = self._slots.get(number)
        if slot is not None:
            slot.append(thing)
            return number
        heappush(self._order, number)
        self._slots[number] = [thing]
        return number

    def last_place(self, number: int) -> int:
        """Where in its slot stands what was put there last."""
        return len(self._slots[number]) - 1

    def take(self, number: int, place: int) -> Any:
        """Take out what stands at that place of a slot; what stands there now, or None."""
        slot = self._slots[number]
        last = slot.pop()
        if place < len(slot):
            slot[place] = last
            return last
        if not slot:
            self._trim()
        return None

    def due(self, now: float) -> list[Any]:
        """What has expired, and is the caller's now."""
        things: list[Any] = []
        while self._order and self._order[0] * self._grain <= now:
            things += self._slots.pop(heappop(self._order))
        self._trim()
        return things

    def pop_earliest(self) -> Any:
        """One of those that expire first, whether or not its time has come; None if there are none."""
        if not self._order:
            return None
        slot = self._slots[self._order[0]]
        thing = slot.pop()
        if not slot:
            self._trim()
        return thing

    def _trim(self) -> None:
        """Leave no slot at the front that has nothing."""
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heappop(self._order)]

    @property
    def next_deadline(self) -> float | None:
        """When to ask for what is due; None while there is nothing."""
        return self._order[0] * self._grain if self._order else None
