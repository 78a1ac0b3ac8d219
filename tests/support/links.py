"""A simulated network: packets in flight that a random source delays, loses, doubles; and the time that passes."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from random import Random

Deliver = Callable[[bytes, float], None]


class Network:
    """What happens, in the order of time; ``now`` is the time in seconds."""

    def __init__(self, random: Random, loss: float = 0.0, doubled: float = 0.0, jitter: float = 0.0) -> None:
        self.now = 100.0
        self.random = random
        self.loss, self.doubled, self.jitter = loss, doubled, jitter
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._numbers), event))

    def carry(self, packet: bytes, deliver: Deliver, delay: float = 0.005, reliable: bool = False) -> None:
        """Deliver a packet after a while, unless it is lost; a reliable way keeps the order too."""
        copies = 1
        if not reliable:
            copies = 0 if self.random.random() < self.loss else 1 + (self.random.random() < self.doubled)
            delay += self.random.random() * self.jitter
        for _ in range(copies):
            self.at(self.now + delay, lambda: deliver(packet, self.now))

    def run(self, done: Callable[[], bool], turn: Callable[[], float | None], limit: float = 600.0) -> bool:
        """
        Let time pass until ``done``; False if nothing is left to happen, or at the limit (seconds).

        ``turn`` lets everybody send what they have, and says when the next of them wants to be called.
        """
        while not done():
            deadline = turn()
            if done():
                break
            upcoming = self._events[0][0] if self._events else None
            times = [when for when in (deadline, upcoming) if when is not None]
            if not times or min(times) > limit + 100.0:
                return False
            self.now = max(self.now, min(times))
            while self._events and self._events[0][0] <= self.now:
                heapq.heappop(self._events)[2]()
        return True
