"""A fence command: its exit status alone counts, one runs at a time, and each end is told once."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from colo_twisted.failover.fence import LONGEST_PAUSE, MOST_REASON, Fence, FenceCounters, Victim, address_of
from colo_twisted.reporting import Reporter
from tests.support.fakes import FakeMachine

NO_PID = 1 << 30  # above every kernel's highest: what is sent to it reaches nobody
VICTIM = Victim("secondary", "10.22.1.2", 7, 0xABC)


@dataclass
class Process:
    """One that was spawned: a test says when it ends, and how."""

    protocol: Any
    environment: dict[str, str]
    pid: int
    ended: bool = False

    def closeStdin(self) -> None:
        """It gets no input."""

    def exit(self, status: int, launched: bool = True) -> None:
        self.ended = True
        if launched:
            self.protocol.childDataReceived(3, b".")
        self.protocol.childConnectionLost(3)
        self.protocol.processExited(Failure(ProcessTerminated(status) if status else ProcessDone(0)))

    def say(self, text: bytes) -> None:
        self.protocol.childDataReceived(1, text)


class Spawning(Clock):
    """A reactor whose processes are a test's."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []

    def spawnProcess(self, protocol: Any, path: str, args: list[str], env: dict[str, str], childFDs: Any) -> Process:
        process = Process(protocol, env, NO_PID + len(self.processes))
        self.processes.append(process)
        protocol.makeConnection(process)
        return process


class Fencing:
    """A fence, and what it told."""

    def __init__(self, command: tuple[str, ...] = ("true",), timeout: float = 5.0) -> None:
        machine = FakeMachine()
        machine.reactor = self.clock = Spawning()
        machine.monotonic = self.clock.seconds
        self.told: list[tuple[bool, str]] = []
        self.victim = VICTIM
        self.counters = FenceCounters()
        report = Reporter("a test", self.clock.seconds)
        self.fence = Fence(machine, command, timeout, lambda: self.victim, self._tell, self.counters, report)
        self.cancels = False

    def _tell(self, is_off: bool, why: str) -> None:
        self.told.append((is_off, why))
        if self.cancels:
            self.fence.cancel()

    @property
    def processes(self) -> list[Process]:
        return self.clock.processes

    def want(self) -> Process:
        """Want it, and let the first turn come."""
        self.fence.run("the primary is silent")
        self.clock.advance(0)
        return self.processes[-1]

    def pauses(self, tries: int) -> list[float]:
        """How long it waits after each of so many tries that fail."""
        waited = []
        for _ in range(tries):
            before, began = len(self.processes), self.clock.seconds()
            self.processes[-1].exit(1)
            while len(self.processes) == before:
                self.clock.advance(0.5)
            waited.append(self.clock.seconds() - began)
        return waited


@pytest.fixture
def fencing() -> Fencing:
    return Fencing()


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The process groups that were killed, and by which signal."""
    groups: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda group, number: groups.append((group, number)))
    monkeypatch.setattr(os, "kill", lambda pid, number: None)
    return groups


# the result


def test_exit_status_0_is_off_told_once_and_not_tried_again(fencing: Fencing) -> None:
    process = fencing.want()
    assert fencing.fence.running
    assert fencing.told == []
    fencing.clock.advance(1.5)
    process.exit(0)
    assert fencing.told == [(True, "")]
    fencing.clock.advance(1000)
    assert len(fencing.processes) == 1
    assert fencing.told == [(True, "")]
    assert fencing.counters.rows() == [
        ("fence_runs", 1),
        ("fence_failures", 0),
        ("fence_timeouts", 0),
        ("fence_last_seconds", 2),
    ]


@pytest.mark.parametrize("status", [1, 2, 10, 126, 127, 255])
def test_any_other_status_is_not_off(fencing: Fencing, status: int) -> None:
    fencing.want().exit(status)
    assert fencing.told == [(False, f"exit status {status}")]
    assert (fencing.counters.fence_failures, fencing.counters.fence_timeouts) == (1, 0)


def test_an_exit_before_the_command_was_launched_is_not_off(fencing: Fencing) -> None:
    fencing.want().exit(0, launched=False)
    assert fencing.told == [(False, "it could not be launched")]


def test_one_that_takes_too_long_is_killed_and_is_not_off(killed: list[tuple[int, int]]) -> None:
    fencing = Fencing(timeout=2.0)
    process = fencing.want()
    fencing.clock.advance(1.9)
    assert fencing.told == killed == []
    fencing.clock.advance(0.1)
    assert fencing.told == [(False, "it took longer than 2 s")]
    assert killed == [(process.pid, signal.SIGKILL)]
    assert (fencing.counters.fence_failures, fencing.counters.fence_timeouts) == (1, 1)
    process.exit(0)  # a success that comes too late
    assert fencing.told == [(False, "it took longer than 2 s")]


def test_another_time_limit_holds_for_what_runs(killed: list[tuple[int, int]]) -> None:
    fencing = Fencing(timeout=60.0)
    fencing.want()
    fencing.fence.change_timeout(3.0)
    fencing.clock.advance(3.0)
    assert fencing.told == [(False, "it took longer than 3 s")]
    assert fencing.counters.fence_timeouts == 1


def test_a_command_that_is_not_there_is_told_in_a_later_turn() -> None:
    fencing = Fencing(("/nonexistent/fence",))
    fencing.fence.run("the primary is silent")
    assert fencing.told == []
    fencing.clock.advance(0)
    assert fencing.told == [(False, "there is no program /nonexistent/fence")]


def test_what_the_command_says_is_logged(fencing: Fencing) -> None:
    process = fencing.want()
    with capturedLogs() as events:
        process.say(b"pinging the switch\n")
        process.exit(0)
    assert [formatEvent(event) for event in events] == [
        "a test: pinging the switch",
        "a test: the other side is off: the fence command says so, after 0.0 s",
    ]


# what the command is told


def test_it_is_told_who_is_to_be_fenced_and_why(fencing: Fencing, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("COLO_"):
            monkeypatch.delenv(name)  # what these tests themselves are told
    monkeypatch.setenv("COLO_PEER", "of another time")
    process = fencing.want()
    assert {name: value for name, value in process.environment.items() if name.startswith("COLO_")} == {
        "COLO_ROLE": "secondary",
        "COLO_PEER": "10.22.1.2",
        "COLO_EPOCH": "7",
        "COLO_INCARNATION": "0000000000000abc",
        "COLO_REASON": "the primary is silent",
        "COLO_PID": str(os.getpid()),
    }
    assert process.environment["PATH"] == os.environ["PATH"]


def test_what_nobody_knows_is_empty() -> None:
    environment = Victim("primary", "", 0, 0).environment("")
    assert (environment["COLO_PEER"], environment["COLO_INCARNATION"], environment["COLO_REASON"]) == ("", "", "")


@given(st.text())
def test_any_reason_can_stand_in_an_environment(reason: str) -> None:
    told = VICTIM.environment(reason * 50)["COLO_REASON"]
    assert "\0" not in told
    assert "\n" not in told
    assert len(told) <= MOST_REASON
    assert os.fsencode(told).isascii() == told.isascii()


def test_each_run_is_told_what_is_known_when_it_begins(fencing: Fencing) -> None:
    fencing.want()
    fencing.victim = Victim("secondary", "10.22.1.2", 8, 0xDEF)
    fencing.pauses(1)
    assert [process.environment["COLO_EPOCH"] for process in fencing.processes] == ["7", "8"]


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("10.22.1.2:9005", "10.22.1.2"),
        ("2001:db8::2:9005", "2001:db8::2"),
        ("[2001:db8::2]:9005", "2001:db8::2"),
        ("fe80::1%eth0:9005", "fe80::1%eth0"),
        ("process 123", ""),
        ("a local process", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_the_address_in_a_peers_name(peer: str | None, address: str) -> None:
    assert address_of(peer) == address


# again and again


def test_after_a_failure_it_is_tried_again_after_a_pause_that_grows(fencing: Fencing) -> None:
    fencing.want()
    assert fencing.pauses(7) == [1, 2, 4, 8, 16, 30, 30]
    assert LONGEST_PAUSE == 30
    assert fencing.counters.fence_runs == 8
    assert len(fencing.told) == 7


def test_wanted_twice_it_runs_once(fencing: Fencing) -> None:
    fencing.want()
    fencing.want()
    fencing.clock.advance(1)
    assert len(fencing.processes) == 1


def test_a_pause_outlives_a_cancel_but_not_a_peer_that_was_there_again(fencing: Fencing) -> None:
    """As its owner does it: a failure ends the want, and the next look at the silent side begins another."""
    fencing.cancels = True
    fencing.want().exit(1)
    assert fencing.fence.pausing
    fencing.want()
    fencing.clock.advance(0.9)
    assert len(fencing.processes) == 1
    fencing.clock.advance(0.1)
    assert not fencing.fence.pausing
    fencing.processes[-1].exit(1)
    assert len(fencing.processes) == 2
    fencing.fence.forget()
    assert not fencing.fence.pausing
    fencing.want()
    assert len(fencing.processes) == 3
    fencing.cancels = False
    assert fencing.pauses(1) == [1]


def test_after_a_success_the_next_loss_is_fenced_at_once(fencing: Fencing) -> None:
    fencing.want()
    fencing.pauses(3)
    fencing.processes[-1].exit(0)
    fencing.want()
    assert len(fencing.processes) == 5
    assert fencing.pauses(1) == [1]


# cancelled


def test_cancel_kills_the_process_group_and_nothing_is_told(fencing: Fencing, killed: list[tuple[int, int]]) -> None:
    process = fencing.want()
    fencing.fence.cancel()
    assert killed == [(process.pid, signal.SIGKILL)]
    assert not fencing.fence.running
    process.exit(0)
    fencing.clock.advance(1000)
    assert fencing.told == []
    assert len(fencing.processes) == 1
    assert fencing.counters.fence_failures == 0


def test_cancel_ends_a_pause_s_next_try_and_is_harmless_without_any(fencing: Fencing) -> None:
    fencing.fence.cancel()
    fencing.want().exit(1)
    fencing.fence.cancel()
    fencing.fence.cancel()
    fencing.clock.advance(1000)
    assert len(fencing.processes) == 1
    assert fencing.clock.getDelayedCalls() == []


def test_cancelled_before_its_turn_came_it_never_ran(fencing: Fencing) -> None:
    fencing.fence.run("the primary is silent")
    fencing.fence.cancel()
    fencing.clock.advance(1000)
    assert fencing.processes == []


def test_cancelled_and_wanted_again_in_the_same_turn_it_runs_anew(
    fencing: Fencing, killed: list[tuple[int, int]]
) -> None:
    fencing.want()
    fencing.fence.cancel()
    second = fencing.want()
    assert len(fencing.processes) == 2
    second.exit(0)
    assert fencing.told == [(True, "")]


STEPS = st.one_of(
    st.sampled_from(["run", "cancel", "forget"]),
    st.tuples(st.just("exit"), st.sampled_from([0, 1, 255])),
    st.tuples(st.just("advance"), st.sampled_from([0.0, 0.5, 1.0, 5.0, 40.0])),
)


@given(st.lists(STEPS, max_size=40))
def test_whatever_happens_one_runs_at_a_time_and_only_exit_status_0_is_off(steps: list[Any]) -> None:
    fencing = Fencing()
    ended_well = 0
    for step in steps:
        running = [process for process in fencing.processes if not process.ended]
        if step[0] == "exit":
            if running and fencing.fence.running:
                running[-1].exit(step[1])
                ended_well += step[1] == 0
        elif step[0] == "advance":
            fencing.clock.advance(step[1])
        else:
            getattr(fencing.fence, step)(*(("a reason",) if step == "run" else ()))
        if not fencing.fence.running:  # those that were killed
            for process in fencing.processes:
                process.ended = True
        assert sum(not process.ended for process in fencing.processes) <= 1
    assert [is_off for is_off, _ in fencing.told].count(True) == ended_well
    assert len(fencing.told) <= fencing.counters.fence_runs == len(fencing.processes)
    assert fencing.counters.fence_failures == len(fencing.told) - ended_well
