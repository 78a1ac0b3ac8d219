"""Tests on the real reactor: waiting for something by letting it turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

TURNS = 4000


def until(condition: Callable[[], object], what: str = "") -> Iterator[Deferred[Any]]:
    """``yield from until(...)`` in an inlineCallbacks test: turns of the reactor until the condition holds."""
    for _ in range(TURNS):
        if condition():
            return
        yield deferLater(reactor, 0.002, lambda: None)
    raise AssertionError(f"in vain: {what or condition}")
