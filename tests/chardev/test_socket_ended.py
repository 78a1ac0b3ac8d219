"""How a socket chardev's connection ended, with the kernel as the judge: on loopback, and between namespaces."""

from __future__ import annotations

import array
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.logger import capturedLogs

from colo_twisted.chardev.socket import SocketChardev, SocketProperties
from colo_twisted.interfaces import FrontEnd
from colo_twisted.interfaces.frames import Ended
from colo_twisted.link import liveness
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeMachine, batch_of, packet
from tests.support.namespaces import Host, Hosts
from tests.support.turns import until

FRAME = batch_of(packet("a frame", 1000))


class Near:
    """Our end, with a front end that asks whenever it is told something."""

    def __init__(self, **properties: Any) -> None:
        machine = FakeMachine()
        machine.reactor = reactor
        self.chardev = SocketChardev(SocketProperties(id="c0", **properties), machine)
        self.seen: list[tuple[bool, bool, Ended | None]] = []
        self.received: list[Batch] = []
        self.front_end = FrontEnd("a test", receive=self.received.append, connection_changed=self._changed)
        self.chardev.attach(self.front_end)

    def _changed(self, connected: bool) -> None:
        self.seen.append((connected, self.chardev.connected, self.chardev.ended))

    def run(self) -> Near:
        self.chardev.open()
        self.chardev.start()
        return self

    def ended(self) -> Iterator[Any]:
        """Until it has; and it was told so."""
        yield from until(lambda: not self.chardev.connected)
        assert self.seen == [(True, True, None), (False, False, self.chardev.ended)]


@pytest.fixture(params=["unix", "tcp", "tcp6"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "unix":
        return {"path": str(tmp_path / "s")}
    host = "127.0.0.1" if request.param == "tcp" else "::1"
    with socket.socket(socket.AF_INET6 if request.param == "tcp6" else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return {"host": host, "port": probe.getsockname()[1]}


def far_end(place: dict[str, Any]) -> socket.socket:
    """Connected to our server there."""
    if "path" in place:
        far = socket.socket(socket.AF_UNIX)
        far.connect(place["path"])
        return far
    return socket.create_connection((place["host"], place["port"]))


def closes(far: socket.socket) -> None:
    far.close()


def sends_and_closes(far: socket.socket) -> None:
    far.sendall(FRAME.data * 100)
    far.close()


def resets(far: socket.socket) -> None:
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    far.close()


def dies(far: socket.socket) -> None:
    """A process that alone has the socket is killed with SIGKILL."""
    with subprocess.Popen(["sleep", "1000"], pass_fds=[far.fileno()]) as process:
        far.close()
        process.kill()


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("goes", [closes, sends_and_closes, resets, dies])
@pytest_twisted.inlineCallbacks
def test_a_peer_that_closes_or_dies_has_ended_it(
    place: dict[str, Any], goes: Callable[[socket.socket], None], busy: bool
) -> Any:
    """Busy: it leaves with megabytes on their way to it that it didn't read, so its kernel resets instead."""
    near = Near(server=True, wait=False, **place).run()
    far = far_end(place)
    yield from until(lambda: near.chardev.connected)
    if busy:
        for _ in range(10_000):
            near.chardev.write(FRAME)
        yield from until(lambda: near.chardev.backlog)
    goes(far)
    yield from near.ended()
    assert near.chardev.ended is Ended.BY_PEER
    yield near.chardev.close()
    assert near.chardev.ended is Ended.BY_PEER


@pytest.mark.parametrize("looks", ["drain", "flush"])
@pytest_twisted.inlineCallbacks
def test_whoever_hears_of_a_reset_first(place: dict[str, Any], looks: str) -> Any:
    """A drain or a flush takes the error from the kernel, which then tells the reactor of an orderly end."""
    near = Near(server=True, wait=False, **place).run()
    far = far_end(place)
    yield from until(lambda: near.chardev.connected)
    near.chardev.write(FRAME)
    resets(far)
    getattr(near.chardev, looks)()
    getattr(near.chardev, looks)()
    yield from near.ended()
    assert near.chardev.ended is Ended.BY_PEER
    yield near.chardev.close()


@pytest.mark.parametrize("unread", [False, True])
@pytest_twisted.inlineCallbacks
def test_our_own_close_is_ours_and_at_the_other_end_the_peers(place: dict[str, Any], unread: bool) -> Any:
    """With something unread our kernel resets, and the peer's hears ECONNRESET: not of us, though, but of itself."""
    near, far = Near(server=True, wait=False, **place).run(), Near(reconnect=0, **place).run()
    yield from until(lambda: near.chardev.connected and far.chardev.connected)
    if unread:
        far.chardev.write(FRAME)
        far.chardev.flush()
    near.chardev.disconnect("a test")
    assert near.seen == [(True, True, None), (False, False, Ended.BY_US)]
    yield from far.ended()
    assert far.chardev.ended is Ended.BY_PEER
    assert near.chardev.ended is Ended.BY_US
    yield far.chardev.close()
    yield near.chardev.close()


@pytest_twisted.inlineCallbacks
def test_an_orderly_stop_is_ours(place: dict[str, Any]) -> Any:
    near, far = Near(server=True, wait=False, **place).run(), Near(reconnect=0, **place).run()
    yield from until(lambda: near.chardev.connected and far.chardev.connected)
    yield near.chardev.close()
    yield from far.ended()
    assert (near.chardev.ended, far.chardev.ended) == (Ended.BY_US, Ended.BY_PEER)
    yield far.chardev.close()


@pytest_twisted.inlineCallbacks
def test_a_fault_of_ours_is_ours(place: dict[str, Any]) -> Any:
    """Twisted closes the connection when a front end raises; the peer lives."""
    near = Near(server=True, wait=False, **place)

    def receive(batch: Batch) -> None:
        raise ZeroDivisionError

    near.chardev.detach()
    near.front_end.receive = receive
    near.chardev.attach(near.front_end)
    near.run()
    with far_end(place) as far:
        far.sendall(FRAME.data)
        yield from until(lambda: near.seen[1:])
        yield from near.ended()
    assert near.chardev.ended is Ended.BY_US
    yield near.chardev.close()


@pytest_twisted.inlineCallbacks
def test_who_comes_late_can_ask_how_it_ended(place: dict[str, Any]) -> Any:
    """A front end that is made after the peer has gone, unread."""
    near = Near(server=True, wait=False, **place)
    near.chardev.detach()
    near.run()
    with far_end(place) as far:
        far.sendall(FRAME.data)
        yield from until(lambda: near.chardev.connected)
        assert near.chardev.ended is None
    yield from until(lambda: not near.chardev.connected)
    near.chardev.attach(near.front_end)
    assert near.chardev.ended is Ended.BY_PEER
    yield near.chardev.close()


# between hosts

PORT = 9003
CONNECTIONS = 2

LISTENS = f"""
import socket, sys
with socket.create_server(("", {PORT})) as listener:
    print("listens", flush=True)
    accepted = [listener.accept()[0] for _ in range({CONNECTIONS})]
    sys.stdin.read()
"""

CONNECTS = f"""
import array, socket, sys
carrier = socket.socket(fileno=int(sys.argv[1]))
made = [socket.create_connection((sys.argv[2], {PORT})) for _ in range({CONNECTIONS})]
descriptors = array.array("i", [each.fileno() for each in made])
carrier.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
"""


def connected(host: Host, to: str) -> list[int]:
    """Descriptors of sockets that a process in that host has connected."""
    ours, its = socket.socketpair()
    with ours, its:
        words = host.words(sys.executable, "-c", CONNECTS, str(its.fileno()), to)
        subprocess.run(words, pass_fds=[its.fileno()], check=True, timeout=30)
        _, ancillary, *_ = ours.recvmsg(1, socket.CMSG_SPACE(4 * CONNECTIONS))
    descriptors = array.array("i")
    descriptors.frombytes(ancillary[0][2])
    return list(descriptors)


class Trouble:
    """A host of its own for each fault, on a cable of its own, with two of our connections: one idle, one busy."""

    def __init__(self, hosts: Hosts, near: Host, number: int, stack: ExitStack, user_timeout_ms: int) -> None:
        self.near, self.cable, self.far = near, f"v{number}", hosts.add(f"far{number}")
        hosts.cable(near, self.cable, self.far, "v0")
        near.ip(f"addr add 10.77.{number}.1/30 dev {self.cable}")
        self.far.ip(f"addr add 10.77.{number}.2/30 dev v0")
        words = self.far.words(sys.executable, "-c", LISTENS)
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        stack.callback(self._end)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"listens\n"
        idle, busy = connected(near, f"10.77.{number}.2")
        with socket.socket(fileno=os.dup(busy)) as impatient:
            impatient.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, user_timeout_ms)
        self.idle, self.busy = Near(fd=idle).run(), Near(fd=busy).run()
        assert self.idle.chardev.connected
        assert self.busy.chardev.connected

    def _end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def befall(self, what: str) -> None:
        faults: dict[str, Callable[[], object]] = {
            "its process is killed": self.process.kill,
            "its cable is pulled": lambda: self.far.ip("link set v0 down"),
            "ours is pulled": lambda: self.near.ip(f"link set {self.cable} down"),
            "our address is gone": lambda: self.near.ip(f"addr flush dev {self.cable}"),
            "its address is gone": lambda: self.far.ip("addr flush dev v0"),
            "nothing": lambda: None,
        }
        faults[what]()
        self.busy.chardev.write(FRAME)


EXPECTED = {
    "its process is killed": Ended.BY_PEER,
    "its cable is pulled": Ended.SILENT,
    "ours is pulled": Ended.SILENT,
    "our address is gone": Ended.SILENT,
    "its address is gone": Ended.SILENT,
    "nothing": None,
}


@pytest.fixture
def nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the kernel that gives up: an idle connection after one probe, a busy one by TCP_USER_TIMEOUT."""
    monkeypatch.setattr(liveness, "is_dead", lambda connection: False)
    monkeypatch.setattr(liveness, "PROBES", 1)


def _all_happen(hosts: Hosts, stack: ExitStack, user_timeout_ms: int = 0) -> dict[str, Trouble]:
    near = hosts.add("near")
    troubles = {what: Trouble(hosts, near, number, stack, user_timeout_ms) for number, what in enumerate(EXPECTED)}
    for what, trouble in troubles.items():
        trouble.befall(what)
    return troubles


def _as_expected(troubles: dict[str, Trouble], look: Callable[[SocketChardev], object]) -> Iterator[Any]:
    everybody = [side for trouble in troubles.values() for side in (trouble.idle, trouble.busy)]

    def all_over() -> bool:
        for side in everybody:
            look(side.chardev)
        return sum(side.chardev.connected for side in everybody) <= 2  # nothing has happened to these

    yield from until(all_over)
    for what, trouble in troubles.items():
        for side in (trouble.idle, trouble.busy):
            assert side.chardev.ended is EXPECTED[what], what
            yield side.chardev.close()
            assert side.chardev.ended is (EXPECTED[what] or Ended.BY_US), what
            assert side.seen == [(True, True, None), (False, False, side.chardev.ended)]


@pytest_twisted.inlineCallbacks
def test_between_hosts_only_a_process_that_died_has_ended_it() -> Any:
    """All faults at once: each takes some five seconds to be noticed."""
    with Hosts() as hosts, ExitStack() as stack:
        troubles = _all_happen(hosts, stack)
        yield from _as_expected(troubles, lambda chardev: None)


@pytest.mark.parametrize("who", ["the reactor", "a drain", "a flush"])
@pytest.mark.usefixtures("nobody_watches")
@pytest_twisted.inlineCallbacks
def test_a_time_out_of_the_kernels_is_silence_whoever_hears_of_it_first(who: str) -> Any:
    looks: dict[str, Callable[[SocketChardev], object]] = {
        "the reactor": lambda chardev: None,
        "a drain": lambda chardev: chardev.drain(),
        "a flush": lambda chardev: chardev.flush(),
    }
    with Hosts() as hosts, ExitStack() as stack, capturedLogs() as events:
        troubles = _all_happen(hosts, stack, user_timeout_ms=2000)
        yield from _as_expected(troubles, looks[who])
    said = [event["text"].rpartition(": ")[2] for event in events if event.get("text", "").startswith("lost ")]
    assert len(said) == 2 * (len(EXPECTED) - 1)
    assert said.count("Connection timed out") + said.count("No route to host") == 2 * len(EXPECTED) - 4
