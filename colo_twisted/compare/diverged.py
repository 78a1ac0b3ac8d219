"""The flows that have diverged and are held: what on_divergence says, and when they go."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from colo_twisted.compare.counters import CompareCounters
from colo_twisted.compare.divergences import describe
from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.comparing.verdicts import OVERDUE


class Diverged:
    """
    Deals with each divergence once, as a policy says: checkpoint, release or isolate.

    ``ask_checkpoint`` is called with what a checkpoint is needed for; False: nobody makes any. ``isolate`` is called
    with why. ``release`` lets a flow go uncompared.
    """

    def __init__(
        self,
        policy: str,
        timeout: float,
        counters: CompareCounters,
        ask_checkpoint: Callable[[str], bool],
        isolate: Callable[[str], None],
        release: Callable[[bytes, float], Any],
    ) -> None:
        """
        @param timeout: compare_timeout, in seconds: what a flow is held in all where nobody makes checkpoints.
        """
        self._policy = policy
        self._timeout = timeout
        self._counters = counters
        self._ask_checkpoint = ask_checkpoint
        self._isolate = isolate
        self._release_flow = release
        self._held: dict[bytes, Divergence] = {}
        self._waiting: list[tuple[float, bytes]] = []  # since when, and which of them; a heap

    def deal_with(self, divergence: Divergence, now: float) -> None:
        """A flow has diverged."""
        if self._policy == "isolate":
            self._counters.isolations += 1
            self._isolate(describe(divergence))
            return
        self._held[divergence.key] = divergence
        if self._policy == "release":
            self._release(divergence.key, now)
        elif not self._ask_checkpoint(describe(divergence)):
            waited = self._timeout if divergence.kind in OVERDUE else 0.0
            heappush(self._waiting, (now - waited, divergence.key))

    @property
    def next_deadline(self) -> float | None:
        """When to call release_due; None while nothing waits for it."""
        return self._waiting[0][0] + self._timeout if self._waiting else None

    def release_due(self, now: float) -> None:
        """Let those go that have been held for compare_timeout."""
        while self._waiting and self._waiting[0][0] + self._timeout <= now:
            self._release(heappop(self._waiting)[1], now)

    def release_all(self, now: float) -> None:
        """Let all go that are held."""
        for key in list(self._held):
            self._release(key, now)

    def settle(self) -> None:
        """All that are held have been seen to otherwise."""
        self._held.clear()
        self._waiting.clear()

    def change(self, policy: str, timeout: float, now: float) -> None:
        """Go on like this, with what is held already too."""
        self._timeout = timeout
        was, self._policy = self._policy, policy
        held = list(self._held.values())
        if policy == was or not held:
            return
        self.settle()
        for divergence in held[:1] if policy == "isolate" else held:  # one is enough for that
            self.deal_with(divergence, now)

    def _release(self, key: bytes, now: float) -> None:
        if self._held.pop(key, None) is not None:
            self._counters.released_flows += 1
            self._release_flow(key, now)
