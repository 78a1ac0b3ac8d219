"""A guest that was there and is no more is said to be gone, once, whichever way it is watched."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.events import NetdevStreamConnected, NetdevStreamDisconnected
from colo_twisted.failover.guest_watch import (
    ANSWER_SECONDS,
    ASK_SECONDS,
    LOOK_SECONDS,
    MOST_UNANSWERED,
    Asked,
    Driven,
    FarEnd,
    GuestWatch,
    GuestWatched,
    Pidfile,
    Watched,
    check,
)
from colo_twisted.failover.processes import KernelProcesses
from colo_twisted.interfaces import IHypervisor
from colo_twisted.netdev.stream import StreamNetdev, StreamProperties
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options.declare import Declaration
from colo_twisted.options.errors import OptionError
from colo_twisted.reporting import Reporter
from tests.failover.test_fence import Process, Spawning
from tests.support.fakes import FakeMachine, FakeNetdev
from tests.support.memory_tun import MemoryTun

PROPERTY = Declaration("guest-watch", "guest_watch", GuestWatched(), None, "")
PID = 4_000_001  # of a test's own kernel


class Reactor(Spawning):
    """With descriptors that a test makes readable."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []

    def addReader(self, reader: Any) -> None:
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:
        """None is ever added."""


class SomeProcesses:
    """A kernel's: each pid that lives, and when it began."""

    def __init__(self, descriptors: bool = True) -> None:
        self.alive: dict[int, int | None] = {}
        self.descriptors = descriptors
        self.ends: list[socket.socket] = []

    def open(self, pid: int) -> int | None:
        if pid not in self.alive:
            raise ProcessLookupError
        if not self.descriptors:
            return None
        ours, theirs = socket.socketpair()
        self.ends.append(theirs)
        return ours.detach()

    def began(self, pid: int) -> int | None:
        return self.alive.get(pid)


class Watching:
    """A watch, and what it said."""

    def __init__(
        self, watched: Watched, processes: SomeProcesses | None = None, netdevs: dict[str, Any] | None = None
    ) -> None:
        self.machine = FakeMachine()
        self.machine.reactor = self.reactor = Reactor()
        self.machine.monotonic = self.reactor.seconds
        self.processes = processes or SomeProcesses()
        self.netdevs: dict[str, Any] = {} if netdevs is None else netdevs
        self.gone: list[str] = []
        report = Reporter("a test", self.reactor.seconds)
        self.watch = GuestWatch(watched, self.machine, self.netdevs, self.gone.append, report, self.processes)

    def look(self, seconds: float = LOOK_SECONDS) -> None:
        self.reactor.advance(seconds)

    @property
    def idle(self) -> bool:
        """Whether nothing of it is left on the reactor."""
        return not self.reactor.getDelayedCalls() and not self.reactor.readers


# the property


@pytest.mark.parametrize(
    ("text", "watched"),
    [
        ("pidfile:/run/guest.pid", Pidfile("/run/guest.pid")),
        ("pidfile:a:b", Pidfile("a:b")),
        ("netdev:hn1", FarEnd("hn1")),
        ("qemu:qemu0", Driven("qemu0")),
        ("command:virsh 'domstate' guest", Asked(("virsh", "domstate", "guest"))),
    ],
)
def test_a_value_says_how_and_what_is_watched(text: str, watched: Watched) -> None:
    assert PROPERTY.parse(text) == watched
    assert PROPERTY.parse(PROPERTY.kind.format(watched)) == watched


@given(
    st.one_of(
        st.builds(Pidfile, st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)),
        st.builds(FarEnd, st.from_regex(r"\A[A-Za-z][A-Za-z0-9._-]*\Z")),
        st.builds(Driven, st.from_regex(r"\A[A-Za-z][A-Za-z0-9._-]*\Z")),
        st.builds(Asked, st.lists(st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1).map(tuple)),
    )
)
def test_what_is_printed_is_read_again(watched: Watched) -> None:
    if isinstance(watched, Asked) and not watched.command[0]:
        watched = Asked(("a", *watched.command))
    assert GuestWatched().parse(GuestWatched().format(watched)) == watched


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", ""),
        ("/run/guest.pid", ""),
        ("process:12", ""),
        ("pidfile:", " (pidfile: takes a path)"),
        ("pidfile:a\nb", " (pidfile: takes a path)"),
        ("netdev:0", " (netdev: takes a letter, then letters, digits, '-', '.' and '_')"),
        ("command:", " (command: takes a program and its arguments, quoted as for a shell)"),
        ("command:'half", " (command: takes a program and its arguments, quoted as for a shell: No closing quotation)"),
    ],
)
def test_anything_else_is_an_error_in_one_line(text: str, detail: str) -> None:
    with pytest.raises(OptionError) as caught:
        PROPERTY.parse(text)
    shown = text.replace("\n", "\\n")
    expected = f"property 'guest-watch' takes {GuestWatched.allowed}; got '{shown}'{detail}"
    assert str(caught.value) == expected


def test_what_this_host_can_not_watch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=rf"^property 'guest-watch': {tmp_path} is a folder$"):
        check("guest-watch", Pidfile(str(tmp_path)))
    with pytest.raises(OptionError, match=r"^property 'guest-watch': there is no program colo-none$"):
        check("guest-watch", Asked(("colo-none",)))
    for fine in (Pidfile(str(tmp_path / "later" / "guest.pid")), FarEnd("hn1"), Asked(("true",))):
        check("guest-watch", fine)


# a pidfile


@pytest.fixture
def pidfile(tmp_path: Path) -> Path:
    return tmp_path / "guest.pid"


Maker = Callable[..., Watching]


@pytest.fixture
def by_pidfile(pidfile: Path) -> Iterator[Maker]:
    made: list[Watching] = []

    def maker(descriptors: bool = True) -> Watching:
        made.append(Watching(Pidfile(str(pidfile)), SomeProcesses(descriptors)))
        return made[-1]

    yield maker
    for watching in made:
        watching.watch.stop()
        for end in watching.processes.ends:
            end.close()


def end_process(watching: Watching) -> None:
    """The guest's process ends, and whatever the reactor would do then is done."""
    watching.processes.alive.pop(PID)
    for reader in list(watching.reactor.readers):
        reader.doRead()
    watching.look()


@pytest.mark.parametrize("descriptors", [True, False])
def test_the_end_of_the_process_in_a_pidfile_is_said_once(by_pidfile: Maker, pidfile: Path, descriptors: bool) -> None:
    watching = by_pidfile(descriptors)
    watching.processes.alive[PID] = 5
    pidfile.write_text(f"{PID}\n")
    with capturedLogs() as events:
        watching.watch.start()
        assert watching.watch.present
        watching.look(100)
        assert watching.gone == []
        end_process(watching)
    assert watching.gone == [f"its process {PID} has ended"]
    assert [formatEvent(event) for event in events] == [
        f"a test: the guest is there: process {PID}",
        f"a test: the guest is gone: its process {PID} has ended",
    ]
    assert not watching.watch.present
    watching.look(100)
    assert len(watching.gone) == 1
    assert watching.idle


def test_whoever_has_the_pid_of_a_guest_that_ended_is_another(by_pidfile: Maker, pidfile: Path) -> None:
    """Until the file is written anew."""
    watching = by_pidfile()
    watching.processes.alive[PID] = 5
    pidfile.write_text(f"{PID}\n")
    watching.watch.start()
    end_process(watching)
    watching.processes.alive[PID] = 7
    with capturedLogs() as events:
        watching.watch.start()
        watching.look(100)
    assert not watching.watch.present
    assert [formatEvent(event) for event in events] == [
        f"a test: waits for the guest: {pidfile} names process {PID}, as it did when the guest ended: this is another"
    ]
    os.utime(pidfile)
    watching.look()
    assert watching.watch.present


def test_a_process_that_nobody_has_waited_for_is_not_there(by_pidfile: Maker, pidfile: Path) -> None:
    """The kernel gives a descriptor for it, from which can be read at once."""
    watching = by_pidfile()
    watching.processes.alive[PID] = None
    pidfile.write_text(f"{PID}\n")
    watching.watch.start()
    watching.look(100)
    assert not watching.watch.present
    assert watching.processes.ends == []


@pytest.mark.parametrize("descriptors", [True, False])
def test_a_pidfile_that_is_not_there_yet_is_waited_for(by_pidfile: Maker, pidfile: Path, descriptors: bool) -> None:
    watching = by_pidfile(descriptors)
    with capturedLogs() as events:
        watching.watch.start()
        watching.look(10)
    assert [formatEvent(event) for event in events] == [f"a test: waits for the guest: there is no {pidfile} yet"]
    pidfile.write_text("")  # as seen while it is written
    watching.look()
    assert not watching.watch.present
    watching.processes.alive[PID] = 5
    pidfile.write_text(str(PID))
    watching.look()
    assert watching.watch.present
    end_process(watching)
    assert len(watching.gone) == 1


def test_a_pidfile_of_an_earlier_guest_is_waited_with(by_pidfile: Maker, pidfile: Path) -> None:
    watching = by_pidfile()
    pidfile.write_text(f"{PID}\n")
    with capturedLogs() as events:
        watching.watch.start()
        watching.look(10)
    expected = f"a test: waits for the guest: {pidfile} names process {PID}, which is not there"
    assert [formatEvent(event) for event in events] == [expected]
    assert watching.gone == []
    pidfile.write_text(f"{PID + 1}\n")
    watching.processes.alive[PID + 1] = 9
    watching.look()
    assert watching.watch.present


@pytest.mark.parametrize("content", ["0", "1", "-5", "guest", "12x", "9" * 40, "own", "\0\0"])
def test_what_can_be_no_guests_pid_is_waited_with_and_named(by_pidfile: Maker, pidfile: Path, content: str) -> None:
    pidfile.write_text(str(os.getpid()) if content == "own" else content)
    watching = by_pidfile()
    watching.processes.alive.update({0: 1, 1: 1, os.getpid(): 1})
    with capturedLogs() as events:
        watching.watch.start()
        watching.look(10)
    assert not watching.watch.present
    assert watching.gone == []
    expected = f"a test: waits for the guest: {pidfile} names no process that could be a guest"
    assert [formatEvent(event) for event in events] == [expected]


def test_a_pidfile_that_can_not_be_read_is_named(by_pidfile: Maker, pidfile: Path) -> None:
    pidfile.symlink_to(pidfile)
    with capturedLogs() as events:
        by_pidfile().watch.start()
    (line,) = map(formatEvent, events)
    assert line == f"a test: waits for the guest: {pidfile} can't be read: Too many levels of symbolic links"


def test_a_fifo_for_a_pidfile_makes_nobody_wait(by_pidfile: Maker, pidfile: Path) -> None:
    os.mkfifo(pidfile)
    watching = by_pidfile()
    watching.watch.start()
    assert not watching.watch.present


def test_a_later_process_of_the_same_pid_is_not_the_guest(by_pidfile: Maker, pidfile: Path) -> None:
    watching = by_pidfile(descriptors=False)
    watching.processes.alive[PID] = 5
    pidfile.write_text(f"{PID}\n")
    watching.watch.start()
    watching.processes.alive[PID] = 6
    watching.look()
    assert watching.gone == [f"its process {PID} has ended"]


def test_a_descriptor_that_the_reactor_gives_up_is_the_end_too(by_pidfile: Maker, pidfile: Path) -> None:
    watching = by_pidfile()
    watching.processes.alive[PID] = 5
    pidfile.write_text(f"{PID}\n")
    watching.watch.start()
    (reader,) = watching.reactor.readers
    assert reader.fileno() >= 0
    assert reader.logPrefix() == "guest-watch"
    reader.connectionLost(Failure(ConnectionLost()))
    reader.connectionLost(Failure(ConnectionLost()))
    assert len(watching.gone) == 1


@pytest.mark.parametrize("descriptors", [True, False])
def test_stopped_it_says_nothing_and_started_again_it_watches_anew(
    by_pidfile: Maker, pidfile: Path, descriptors: bool
) -> None:
    watching = by_pidfile(descriptors)
    watching.processes.alive[PID] = 5
    pidfile.write_text(f"{PID}\n")
    watching.watch.start()
    watching.watch.start()
    watching.watch.stop()
    watching.watch.stop()
    assert watching.idle
    watching.watch.start()
    assert watching.watch.present
    end_process(watching)
    assert len(watching.gone) == 1
    watching.processes.alive[PID] = 7
    os.utime(pidfile)
    watching.watch.start()
    assert watching.watch.present


class TestKernelProcesses:
    """Where there are always some: this one, and none of the highest number."""

    def test_a_process_has_a_beginning_and_a_descriptor(self) -> None:
        kernel = KernelProcesses()
        began = kernel.began(os.getpid())
        assert began is not None
        assert kernel.began(os.getpid()) == began
        fd = kernel.open(os.getpid())
        assert fd is not None
        os.close(fd)

    def test_one_that_is_not_there_has_none(self) -> None:
        kernel = KernelProcesses()
        assert kernel.began(1 << 30) is None
        with pytest.raises(ProcessLookupError):
            kernel.open(1 << 30)

    def test_where_the_kernel_has_no_descriptors_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(pid: int) -> int:
            raise OSError(38, "Function not implemented")

        monkeypatch.setattr(os, "pidfd_open", none)
        assert KernelProcesses().open(os.getpid()) is None


# a netdev


@pytest.fixture
def tun() -> Iterator[MemoryTun]:
    memory = MemoryTun()
    yield memory
    memory.close()


def test_a_tap_that_is_deleted_is_a_guest_that_is_gone(tun: MemoryTun) -> None:
    watching = Watching(FarEnd("e0"))
    tap = Tap(TapProperties(id="e0", ifname="e0", script="", downscript=""), watching.machine, tun)
    watching.netdevs["e0"] = tap
    watching.watch.start()
    assert not watching.watch.present  # it is not open yet
    tap.open(False)
    watching.look()
    assert watching.watch.present
    tap.start(lambda batch: None)
    tap.connectionLost(Failure(ConnectionLost()))
    watching.look()
    assert watching.gone == ["TAP e0 was deleted"]
    watching.look(10)
    assert len(watching.gone) == 1
    assert watching.reactor.getDelayedCalls() == []
    tap.close()


@pytest.fixture
def stream() -> Watching:
    watching = Watching(FarEnd("g0"))
    properties = StreamProperties(id="g0", kind="unix", path="/nonexistent/guest")
    watching.netdevs["g0"] = StreamNetdev(properties, watching.machine)
    return watching


def comes(watching: Watching, told: bool = True) -> None:
    """A far end connects; ``told``: to the machine's events, as of type stream."""
    watching.netdevs["g0"].counters.connects += 1
    if told:
        watching.machine.events.emit(NetdevStreamConnected("g0", {}))


def leaves(watching: Watching, told: bool = True) -> None:
    watching.netdevs["g0"].counters.disconnects += 1
    if told:
        watching.machine.events.emit(NetdevStreamDisconnected("g0"))


def test_a_far_end_that_disconnects_is_gone_at_once(stream: Watching) -> None:
    stream.watch.start()
    stream.machine.events.emit(NetdevStreamDisconnected("g0"))
    stream.look(10)
    assert not stream.watch.present
    comes(stream)
    assert stream.watch.present
    stream.machine.events.emit(NetdevStreamDisconnected("another"))
    assert stream.gone == []
    leaves(stream)
    assert stream.gone == ["the far end of netdev 'g0' has disconnected"]
    comes(stream)
    leaves(stream)
    stream.look(10)
    assert len(stream.gone) == 1
    assert stream.idle


def test_without_events_it_is_seen_at_the_next_look_even_if_another_came_in_between(stream: Watching) -> None:
    stream.watch.start()
    comes(stream, told=False)
    stream.look()
    assert stream.watch.present
    leaves(stream, told=False)
    comes(stream, told=False)
    stream.look()
    assert len(stream.gone) == 1


def test_a_netdev_that_is_removed_is_gone_and_one_that_nobody_knows_is_waited_for(stream: Watching) -> None:
    comes(stream)
    stream.watch.start()
    del stream.netdevs["g0"]
    stream.look()
    assert stream.gone == ["netdev 'g0' was removed"]
    stream.netdevs["g0"] = FakeNetdev("g0")  # neither a TAP nor a stream: nobody can say
    stream.watch.start()
    stream.look(10)
    assert not stream.watch.present


# a QEMU


@implementer(IHypervisor)
class SomeQEMU:
    """What a colo-qemu would say of it."""

    def __init__(self) -> None:
        self.answers = False
        self.answer_watchers: list[Callable[[bool], None]] = []

    def say(self, answers: bool) -> None:
        self.answers = answers
        for watcher in list(self.answer_watchers):
            watcher(False)


def test_a_qemu_that_answers_no_more_is_a_guest_that_is_gone() -> None:
    watching, qemu = Watching(Driven("qemu0")), SomeQEMU()
    watching.watch.start()
    watching.look()
    assert not watching.watch.present
    watching.machine.objects["qemu0"] = qemu
    watching.look()
    assert not watching.watch.present  # it has not answered yet, and that is no end
    qemu.say(True)
    assert watching.watch.present
    qemu.say(False)
    assert watching.gone == ["QEMU does not answer colo-qemu 'qemu0'"]
    assert qemu.answer_watchers == []
    assert watching.idle
    watching.watch.start()
    qemu.say(True)
    watching.look()
    assert watching.watch.present
    del watching.machine.objects["qemu0"]
    watching.look()
    assert len(watching.gone) == 2
    assert qemu.answer_watchers == []


def test_what_is_no_qemu_is_waited_for() -> None:
    watching = Watching(Driven("rew0"))
    watching.machine.objects["rew0"] = object()
    watching.watch.start()
    watching.look()
    assert not watching.watch.present
    watching.watch.stop()
    assert watching.idle
    assert watching.gone == []


# a command


def asked() -> Watching:
    watching = Watching(Asked(("true",)))
    watching.watch.start()
    return watching


def answer(watching: Watching, status: int) -> Process:
    """The command that runs ends so, and the next one begins in its time."""
    process = watching.reactor.processes[-1]
    process.exit(status)
    watching.look(ASK_SECONDS)
    return process


def test_a_command_is_asked_each_second_and_says_when_the_guest_is_gone() -> None:
    watching = asked()
    for _ in range(3):
        answer(watching, 0)
        assert watching.watch.present
    assert len(watching.reactor.processes) == 4
    answer(watching, 1)
    assert watching.gone == ["the command says so: exit status 1"]
    watching.look(100)
    assert len(watching.reactor.processes) == 4
    assert watching.idle


def test_a_guest_that_was_never_there_is_not_gone() -> None:
    watching = asked()
    for _ in range(5):
        answer(watching, 1)
    assert watching.gone == []
    answer(watching, 0)
    answer(watching, 1)
    assert len(watching.gone) == 1


@pytest.mark.parametrize("status", [126, 127])
def test_a_command_that_can_not_be_run_says_nothing(status: int) -> None:
    watching = asked()
    answer(watching, 0)
    with capturedLogs() as events:
        for _ in range(2 * MOST_UNANSWERED):
            answer(watching, status)
    assert watching.gone == []
    line = f"a test: the command does not say whether the guest lives: exit status {status}"
    assert formatEvent(events[0]) == line


def late(watching: Watching) -> None:
    """The command takes too long, and the next one begins."""
    watching.look(ANSWER_SECONDS)
    watching.look(ASK_SECONDS)


def test_no_answer_a_few_times_in_a_row_is_a_guest_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "killpg", lambda group, number: None)
    watching = asked()
    answer(watching, 0)
    for _ in range(MOST_UNANSWERED - 1):
        late(watching)
    answer(watching, 0)
    for _ in range(MOST_UNANSWERED - 1):
        late(watching)
    assert watching.gone == []
    late(watching)
    assert watching.gone == ["the command has not answered 3 times: it took longer than 2 s"]


def test_stopped_while_the_command_runs_it_says_nothing_and_kills_it(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: killed.append(group))
    watching = asked()
    answer(watching, 0)
    watching.watch.stop()
    assert killed == [watching.reactor.processes[-1].pid]
    watching.look(100)
    assert watching.gone == []
    assert watching.idle
    watching.watch.start()
    answer(watching, 0)
    assert watching.watch.present
