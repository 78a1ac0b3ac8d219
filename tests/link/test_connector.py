"""Connecting until it works, with delays that grow to the named one, and one line about it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher

from colo_twisted.link.connector import FIRST_DELAY, Connector
from colo_twisted.reporting import Reporter


class Endpoint:
    """Fails, or leaves the try open."""

    def __init__(self) -> None:
        self.tries: list[Deferred[IProtocol]] = []
        self.refuse = True

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        attempt: Deferred[IProtocol] = fail(ConnectError()) if self.refuse else Deferred()
        self.tries.append(attempt)
        return attempt


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


def make(clock: Clock, endpoint: Endpoint, max_delay: float = 2.0) -> Connector:
    return Connector(clock, endpoint, object(), max_delay, Reporter("test"))  # type: ignore[arg-type]


def test_delays_grow_to_the_named_one_and_no_further(clock: Clock, endpoint: Endpoint) -> None:
    make(clock, endpoint).connect()
    delays = []
    for _ in range(12):
        (call,) = clock.getDelayedCalls()
        delay = call.getTime() - clock.seconds()
        delays.append(delay)
        clock.advance(delay)
    assert len(endpoint.tries) == 13
    assert delays[0] <= 2 * FIRST_DELAY
    assert max(delays) <= 2.0
    assert min(delays[-3:]) >= 1.0


def next_delay(clock: Clock) -> float:
    (call,) = clock.getDelayedCalls()
    return call.getTime() - clock.seconds()


@pytest.mark.parametrize(("lasted", "most"), [(2.0, FIRST_DELAY), (0.0, 2.0)])
def test_only_a_connection_that_lasted_makes_the_next_delay_short(
    clock: Clock, endpoint: Endpoint, lasted: float, most: float
) -> None:
    connector = make(clock, endpoint)
    connector.connect()
    for _ in range(8):
        clock.advance(2)
    endpoint.refuse = False
    clock.advance(2)
    endpoint.tries[-1].callback(None)  # type: ignore[arg-type]
    clock.advance(lasted)
    connector.lost()
    assert most / 2 <= next_delay(clock) <= most


def test_a_peer_that_always_ends_the_connection_is_not_rushed(clock: Clock, endpoint: Endpoint) -> None:
    endpoint.refuse = False
    connector = make(clock, endpoint)
    connector.connect()
    delays = []
    for _ in range(10):
        endpoint.tries[-1].callback(None)  # type: ignore[arg-type]
        connector.lost()
        delays.append(next_delay(clock))
        clock.advance(delays[-1])
    assert min(delays[-3:]) >= 1.0


def test_one_line_says_what_is_wrong(clock: Clock, endpoint: Endpoint) -> None:
    lines: list[str] = []

    def observe(event: dict[str, str]) -> None:
        lines.append(event.get("text", ""))

    globalLogPublisher.addObserver(observe)  # type: ignore[arg-type]
    try:
        make(clock, endpoint).connect()
        for _ in range(50):
            clock.advance(2)
    finally:
        globalLogPublisher.removeObserver(observe)  # type: ignore[arg-type]
    assert len([line for line in lines if "cannot connect" in line]) == 1


def test_stop_ends_a_delay(clock: Clock, endpoint: Endpoint) -> None:
    connector = make(clock, endpoint)
    connector.connect()
    connector.stop()
    assert clock.getDelayedCalls() == []
    connector.lost()
    connector.connect()
    assert clock.getDelayedCalls() == []
    assert len(endpoint.tries) == 1


def test_stop_ends_a_try(clock: Clock, endpoint: Endpoint) -> None:
    endpoint.refuse = False
    connector = make(clock, endpoint)
    connector.connect()
    connector.stop()
    results: list[object] = []
    endpoint.tries[0].addBoth(results.append)
    assert clock.getDelayedCalls() == []
    assert not any(isinstance(result, CancelledError) for result in results)
