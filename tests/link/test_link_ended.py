"""How a link says that its last connection ended: at any time, and before it tells that it has."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from colo_twisted.interfaces.frames import Ended
from colo_twisted.link import liveness
from colo_twisted.link.link import GOODBYE_SECONDS, WATCH_SECONDS, Link
from colo_twisted.link.peer import Peer
from tests.support.sockets import SocketTransport, a_link, arrive


class Watched:
    """A link, and what could be asked of it whenever it told something."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.link: Link = a_link(self.clock)
        self.seen: list[tuple[bool, bool, Ended | None]] = []
        self.link.connection_changed = lambda on: self.seen.append((on, self.link.connected, self.link.ended))
        self.transports: list[SocketTransport] = []

    def arrive(self, family: int = socket.AF_UNIX) -> tuple[Peer, SocketTransport]:
        transport = SocketTransport(family)
        self.transports.append(transport)
        return arrive(self.link, transport)


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    for transport in made.transports:
        transport.close()


def closes(peer: Peer, transport: SocketTransport, reason: type[Exception] = ConnectionDone) -> None:
    """As a transport does it once it knows, or was told to: the socket first."""
    transport.socket.close()
    peer.connectionLost(Failure(reason()))


def reads_the_end(peer: Peer, transport: SocketTransport) -> None:
    transport.far_end.close()
    assert transport.socket.recv(1) == b""
    closes(peer, transport)


def closes_unread(peer: Peer, transport: SocketTransport) -> None:
    transport.far_end.close()
    closes(peer, transport, ConnectionLost)


def test_before_the_first_and_while_there_is_one_nothing_has_ended(watched: Watched) -> None:
    assert watched.link.ended is None
    for _ in range(2):
        reads_the_end(*watched.arrive())
        assert watched.link.ended is Ended.BY_PEER
    watched.arrive()
    assert watched.link.ended is None
    assert watched.seen == [(True, True, None), (False, False, Ended.BY_PEER)] * 2 + [(True, True, None)]


@pytest.mark.parametrize("goes", [reads_the_end, closes_unread])
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_peer_that_closes_ends_it(watched: Watched, family: int, goes: Callable[..., None]) -> None:
    goes(*watched.arrive(family))
    assert watched.link.ended is Ended.BY_PEER


def test_a_transport_that_closes_for_another_reason_is_ours(watched: Watched) -> None:
    """Such as an exception in a front end."""
    closes(*watched.arrive(), ZeroDivisionError)
    assert watched.seen[-1] == (False, False, Ended.BY_US)


def disconnects(link: Link, peer: Peer, clock: Clock) -> None:
    link.disconnect("a test")


def breaks_the_protocol(link: Link, peer: Peer, clock: Clock) -> None:
    link.deliver_to(lambda batch: None)
    peer.dataReceived(b"\xff\xff\xff\xff")


def closes_the_link(link: Link, peer: Peer, clock: Clock) -> None:
    link.close()


def closes_it_in_the_end(link: Link, peer: Peer, clock: Clock) -> None:
    peer.pauseProducing()
    link.close()
    clock.advance(GOODBYE_SECONDS)


OWN = [disconnects, breaks_the_protocol, closes_the_link, closes_it_in_the_end]


@pytest.mark.parametrize("own", OWN)
def test_a_close_of_our_own_is_ours_whatever_the_peer_does_then(watched: Watched, own: Callable[..., None]) -> None:
    peer, transport = watched.arrive()
    own(watched.link, peer, watched.clock)
    reads_the_end(peer, transport)
    assert watched.seen == [(True, True, None), (False, False, Ended.BY_US)]
    assert watched.link.ended is Ended.BY_US


@pytest.mark.parametrize("own", OWN)
def test_a_close_of_our_own_behind_the_peers_is_the_peers(watched: Watched, own: Callable[..., None]) -> None:
    """Its process is dead, whatever we do of ourselves before we read that."""
    peer, transport = watched.arrive()
    transport.far_end.close()
    own(watched.link, peer, watched.clock)
    closes(peer, transport)
    assert watched.seen == [(True, True, None), (False, False, Ended.BY_PEER)]


def test_one_that_answers_nothing_any_more_is_silent(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    peer, transport = watched.arrive(socket.AF_INET)
    monkeypatch.setattr(liveness, "is_dead", lambda connection: True)
    watched.clock.advance(WATCH_SECONDS)
    assert watched.seen[-1] == (False, False, Ended.SILENT)
    reads_the_end(peer, transport)
    assert watched.link.ended is Ended.SILENT


class Failing:
    """A socket that fails once, as the kernel's do, and has nothing more to say."""

    def __init__(self, number: int, real: socket.socket) -> None:
        self.number: int | None = number
        self.real = real

    def recv(self, size: int) -> bytes:
        number, self.number = self.number, None
        if number is not None:
            raise OSError(number, "a test")
        return b""

    send = recv

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.mark.parametrize(
    ("number", "ended"),
    [
        (errno.ECONNRESET, Ended.BY_PEER),
        (errno.EPIPE, Ended.BY_PEER),
        (errno.ETIMEDOUT, Ended.SILENT),
        (errno.EHOSTUNREACH, Ended.SILENT),
        (errno.ENETUNREACH, Ended.SILENT),
    ],
)
def test_an_error_that_a_drain_or_a_flush_met_is_not_forgotten(watched: Watched, number: int, ended: Ended) -> None:
    """What they find the reactor finds out later, and by then a read looks as after a FIN."""
    transport = SocketTransport()
    watched.transports.append(transport)
    transport.socket = Failing(number, transport.socket)  # type: ignore[assignment]
    peer, _ = arrive(watched.link, transport)
    with pytest.raises(OSError, match="a test"):
        transport.socket.send(b"x")
    assert transport.socket.recv(1) == b""
    with capturedLogs() as events:
        closes(peer, transport)
    assert watched.seen[-1] == (False, False, ended)
    assert [event["text"] for event in events] == [f"lost {peer.name}: {_words(number)}"]


def _words(number: int) -> str:
    return {
        errno.ECONNRESET: "Connection reset by peer",
        errno.EPIPE: "Broken pipe",
        errno.ETIMEDOUT: "Connection timed out",
        errno.EHOSTUNREACH: "No route to host",
        errno.ENETUNREACH: "Network is unreachable",
    }[number]


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_peer_that_goes_while_nobody_reads_is_asked_for(watched: Watched, family: int, reset: bool) -> None:
    watched.link.attend(False)
    _, transport = watched.arrive(family)
    transport.far_end.send(b"unread")
    if reset:
        transport.far_end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.far_end.close()
    watched.clock.advance(WATCH_SECONDS)
    assert watched.seen[-1] == (False, False, Ended.BY_PEER)
    assert transport.aborted


def test_who_follows_at_once_is_a_connection_of_its_own(watched: Watched) -> None:
    first = watched.arrive()
    second = watched.arrive()
    reads_the_end(*first)
    assert watched.seen == [(True, True, None), (False, False, Ended.BY_PEER), (True, True, None)]
    assert watched.link.ended is None
    watched.link.disconnect("a test")
    closes(*second)
    assert watched.link.ended is Ended.BY_US


def test_those_that_wait_for_the_place_end_nothing(watched: Watched) -> None:
    watched.arrive()
    reads_the_end(*watched.arrive())
    assert watched.link.ended is None
    assert watched.seen == [(True, True, None)]


STEPS = {
    "read": reads_the_end,
    "unread": closes_unread,
    "own": lambda peer, transport: closes(peer, transport),
}


@given(st.lists(st.sampled_from(["arrive", "disconnect", *STEPS]), max_size=12))
def test_it_is_connected_or_something_has_ended(steps: list[str]) -> None:
    watched = Watched()
    there: list[tuple[Peer, SocketTransport]] = []
    for step in steps:
        if step == "arrive":
            there.append(watched.arrive())
        elif step == "disconnect":
            watched.link.disconnect("a test")
            there = [(peer, transport) for peer, transport in there if not transport.aborted]
        elif there:
            STEPS[step](*there.pop(0))
        assert watched.link.connected is bool(there)
        assert watched.link.connected or watched.link.ended is not None or not watched.seen
        assert not (watched.link.connected and watched.link.ended)
    for on, connected, ended in watched.seen:
        assert on is connected
        assert on is (ended is None)
    for transport in watched.transports:
        with contextlib.suppress(OSError):
            transport.close()
