"""The first thing said of a connection's end counts, whoever heard it, and whatever a socket says afterwards."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.interfaces.frames import Ended
from colo_twisted.link.ending import PASSING, ObservedSocket, ended_with
from tests.support.sockets import SocketTransport

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
NUMBERS = sorted(errno.errorcode)


class Scripted:
    """A socket whose calls come to what a test wants: an error's number, or bytes."""

    def __init__(self, *said: int | bytes) -> None:
        self.said = list(said)

    def recv(self, size: int) -> bytes:
        said = self.said.pop(0)
        if isinstance(said, int):
            raise OSError(said, "a test")
        return said

    def recvmsg(self, size: int, *more: int) -> tuple[Any, ...]:
        return self.recv(size), [], 0, None

    def send(self, data: bytes) -> int:
        return len(self.recv(0))


CALLS = {
    "recv": lambda observed: observed.recv(65536),
    "recvmsg": lambda observed: observed.recvmsg(65536, 4096),
    "send": lambda observed: observed.send(b"x"),
}
USUAL = [errno.EAGAIN, errno.ENOBUFS, errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.EHOSTUNREACH]
SAID = st.one_of(st.sampled_from(NUMBERS), st.sampled_from(USUAL), st.binary(max_size=2))


@given(st.lists(st.tuples(st.sampled_from(sorted(CALLS)), SAID), max_size=6))
def test_the_first_end_that_is_told_counts(script: list[tuple[str, int | bytes]]) -> None:
    observed = ObservedSocket(Scripted(*(said for _, said in script)))  # type: ignore[arg-type]
    expected: Ended | None = None
    for call, said in script:
        if isinstance(said, int):
            with pytest.raises(OSError, match="a test") as caught:
                CALLS[call](observed)
            assert caught.value.errno == said
        else:
            CALLS[call](observed)
        if expected is None:
            if said == b"" and call != "send":
                expected = Ended.BY_PEER
            elif isinstance(said, int) and said not in PASSING:
                expected = Ended.BY_PEER if said in (errno.ECONNRESET, errno.EPIPE) else Ended.SILENT
        assert observed.ended is expected


@pytest.mark.parametrize("error", [errno.ECONNRESET, errno.EPIPE])
def test_a_reset_is_the_peers(error: int) -> None:
    assert ended_with(error) is Ended.BY_PEER


@pytest.mark.parametrize(
    "error",
    [
        errno.ETIMEDOUT,  # keep-alive, or TCP gave up
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.ECONNREFUSED,  # an ICMP error that TCP remembered until it gave up
        errno.ECONNABORTED,  # an operator's 'ss --kill' here
        errno.ENOMEM,
    ],
)
def test_what_is_not_known_to_come_from_the_peer_is_silence(error: int) -> None:
    assert ended_with(error) is Ended.SILENT


def test_a_time_out_stays_one_though_reads_behind_it_find_an_end() -> None:
    """As the kernel has it: the error is told once, then there is nothing, as after a FIN."""
    observed = ObservedSocket(Scripted(errno.ETIMEDOUT, b"", errno.EPIPE))  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        observed.send(b"x")
    assert observed.recv(1) == b""
    with pytest.raises(BrokenPipeError):
        observed.send(b"x")
    assert observed.ended is Ended.SILENT
    assert observed.reason == "Connection timed out"


# with the kernel's sockets


class Observed(SocketTransport):
    """A socket, observed, and its far end."""

    def __init__(self, family: int) -> None:
        super().__init__(family)
        self.socket.setblocking(False)
        self.observed = ObservedSocket(self.socket)

    def reset(self) -> None:
        """The far end's process is gone, and what was sent to it was not read."""
        if self.socket.family == socket.AF_UNIX:
            self.socket.send(b"unread")
        else:
            self.far_end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.far_end.close()


@pytest.fixture(params=[socket.AF_UNIX, socket.AF_INET])
def made(request: pytest.FixtureRequest) -> Any:
    transport = Observed(request.param)
    yield transport
    transport.close()


def test_the_kernel_tells_of_a_reset_once(made: Observed) -> None:
    """Why the first word counts: were this a time-out, the second read would call it the peer's FIN."""
    made.reset()
    with pytest.raises(ConnectionResetError):
        made.observed.recv(1)
    assert made.socket.recv(1) == b""
    assert made.observed.ended is Ended.BY_PEER
    assert made.observed.reason == "Connection reset by peer"


def test_while_it_lives_nothing_is_said(made: Observed) -> None:
    made.far_end.send(b"x")
    assert made.observed.recv(9) == b"x"
    with pytest.raises(BlockingIOError):
        made.observed.recv(1)
    with contextlib.suppress(BlockingIOError):
        while True:
            made.observed.send(bytes(1 << 20))
    made.observed.look()
    assert made.observed.ended is None
    assert made.observed.reason is None


@pytest.mark.parametrize("how", ["close", "shutdown", "look", "end"])
@pytest.mark.parametrize("gone", ["FIN", "FIN behind data", "RST"])
def test_what_nobody_read_is_asked_for_at_last(made: Observed, how: str, gone: str) -> None:
    if gone == "RST":
        made.reset()
    else:
        made.far_end.send(b"" if gone == "FIN" else b"unread")
        made.far_end.close()
    if how == "shutdown":
        with contextlib.suppress(OSError):  # a reset one isn't connected any more
            made.observed.shutdown(socket.SHUT_RDWR)
    else:
        getattr(made.observed, how)(*[Ended.SILENT] * (how == "end"))
    assert made.observed.ended is Ended.BY_PEER
    made.observed.close()
    made.observed.look()
    assert made.observed.ended is Ended.BY_PEER


def test_what_is_ended_here_stays_ended_so(made: Observed) -> None:
    made.observed.end(Ended.BY_US)
    made.far_end.close()
    assert made.observed.recv(1) == b""
    made.observed.end(Ended.SILENT)
    made.observed.close()
    assert made.observed.ended is Ended.BY_US


@pytest.mark.parametrize("orderly", [False, True])
def test_what_is_closed_here_first_is_ours(made: Observed, orderly: bool) -> None:
    """A shutdown of our own looks to the kernel as the peer's would."""
    if orderly:
        made.observed.shutdown(socket.SHUT_RDWR)
    made.observed.close()
    assert made.observed.ended is Ended.BY_US


def test_all_else_is_the_sockets(made: Observed) -> None:
    assert made.observed.fileno() == made.socket.fileno()
    assert made.observed.getpeername() == made.socket.getpeername()
