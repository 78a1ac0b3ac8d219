"""The primary's colo-qemu: checkpoints that are asked for, those that QEMU makes by itself, and what is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from colo_twisted.interfaces import IChangeable, ICheckpointer, IHypervisor, Outcome
from colo_twisted.options import declare
from colo_twisted.options.keyval import split
from colo_twisted.qemu.colo_qemu import COLO_QEMU
from colo_twisted.qemu.guest import LOOK_SECONDS, Pause
from colo_twisted.qemu.primary import ASK_AGAIN_SECONDS, CLOSED_SECONDS, PrimaryQEMU
from colo_twisted.qemu.properties import ColoQEMUProperties
from tests.support.fake_qemu import FakeQEMU
from tests.support.fakes import FakeMachine
from tests.support.house import make

UNDER_COLO = "wanted: the guests have come under COLO"
UNKNOWN_BEGINNING = "wanted: QEMU has made one by itself, and when it began is not known"
NOT_CONNECTED = "its QMP socket is not connected"
SET, ASK_DELAY, LOSE = "migrate-set-parameters", "query-migrate-parameters", "x-colo-lost-heartbeat"


class Side:
    """
    A primary's colo-qemu and its QEMU.

    ``said`` has, in order: what it calls, what became of what it was asked for, whether it is connected.
    """

    def __init__(self, start: bool = True, mode: str = "primary") -> None:
        self.machine = FakeMachine()
        self.reactor = self.machine.reactor
        self.qemu = FakeQEMU(self.reactor)
        self.qemu.mode = mode
        self.made: PrimaryQEMU = make(COLO_QEMU, "id=qemu0,qmp=unix:/nowhere,role=primary", self.machine)
        self.qemu.plug_in(self.made.monitor)
        self.said: list[object] = []
        self.made.unasked = lambda: self.said.append("unasked")
        self.made.halts = lambda: self.said.append("halts")
        self.made.wanted = lambda reason: self.said.append(f"wanted: {reason}")
        self.made.watchers.append(self.said.append)
        if start:
            self.made.start()
            self.qemu.settle()

    def checkpoint(self) -> None:
        self.made.checkpoint(1).addCallback(self.said.append)

    def after(self, *steps: Callable[[], Any]) -> list[object]:
        """What is newly said once QEMU has done these, and been heard after each."""
        self.said.clear()
        for step in steps:
            step()
            self.qemu.settle()
        return self.new

    def at_once(self, *steps: Callable[[], Any]) -> list[object]:
        """The same where they are heard in one read."""
        self.said.clear()
        for step in steps:
            step()
        self.qemu.settle()
        return self.new

    def wait(self, seconds: float) -> list[object]:
        self.said.clear()
        for _ in range(round(seconds * 20)):
            self.reactor.advance(0.05)
            self.qemu.settle()
        return self.new

    @property
    def new(self) -> list[object]:
        said = list(self.said)
        self.said.clear()
        return said

    @property
    def counted(self) -> dict[str, int]:
        names = ("checkpoints", "asked", "unasked", "missed", "other_pauses", "colo_exits", "lost_heartbeats")
        return {name: value for name, value in self.made.counters.rows() if value and name in names}


@pytest.fixture
def side() -> Side:
    """Under COLO, and known to be."""
    side = Side()
    assert side.new == [True, UNDER_COLO]
    side.qemu.commands()
    return side


@pytest.fixture
def asked(side: Side) -> Side:
    """A checkpoint was asked for, and QEMU has heard of it."""
    side.checkpoint()
    side.qemu.settle()
    assert side.qemu.commands() == [ASK_DELAY, SET]
    return side


def lines(events: Sequence[Any]) -> list[str]:
    return [str(formatEvent(event)).removeprefix("colo-qemu qemu0: ") for event in events]


def test_it_is_a_checkpointer_and_drives_a_guest(side: Side) -> None:
    for interface in (ICheckpointer, IHypervisor, IChangeable):
        assert verifyObject(interface, side.made)
    assert side.made.pauses_primary
    assert side.made.role == "primary"


# whether it is under COLO


def test_before_qemu_says_so_it_is_not_under_colo() -> None:
    side = Side(start=False)
    assert (side.made.connected, side.made.why_not) == (False, NOT_CONNECTED)
    side.checkpoint()
    assert side.new == [Outcome.UNCHANGED]
    side.made.start()
    side.qemu.settle()
    assert (side.made.connected, side.made.why_not) == (True, None)
    assert side.new == [True, UNDER_COLO]


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("none", "it is not under COLO (query-colo-status says mode none)"),
        ("secondary", "it is not under COLO (query-colo-status says mode secondary but this is role=primary)"),
    ],
)
def test_a_qemu_of_another_mode_is_looked_at_again_and_again(mode: str, why: str) -> None:
    side = Side(mode=mode)
    assert (side.made.why_not, side.new) == (why, [False])
    assert side.wait(3 * LOOK_SECONDS) == []
    side.checkpoint()
    assert side.new == [Outcome.UNCHANGED]
    side.qemu.mode = "primary"
    assert side.wait(LOOK_SECONDS + 0.1) == [True, UNDER_COLO]


def test_the_resume_at_the_end_of_forming_is_looked_at_at_once() -> None:
    side = Side(mode="none")
    side.qemu.mode = "primary"
    assert side.after(side.qemu.begins, side.qemu.runs) == [True, UNDER_COLO]


def test_a_guest_that_stands_still_is_not_under_colo_yet() -> None:
    side = Side(start=False)
    side.qemu.status = "paused"
    side.made.start()
    side.qemu.settle()
    assert side.made.why_not == "its guest does not run (query-status says paused)"
    assert side.after(side.qemu.runs) == [True, UNDER_COLO]


def test_a_qemu_that_knows_no_colo_is_said_so() -> None:
    side = Side(start=False)
    side.qemu.refuses["query-colo-status"] = "The command query-colo-status has not been found"
    side.made.start()
    side.qemu.settle()
    assert side.made.why_not == "it knows nothing of COLO: The command query-colo-status has not been found"


def test_all_that_it_waits_for_ends_when_it_is_stopped(asked: Side) -> None:
    assert asked.after(asked.made.stop) == [Outcome.FAILED]
    assert asked.wait(20) == []
    assert asked.reactor.getDelayedCalls() == []
    asked.made.close()


# asked for


def test_one_that_is_asked_for_is_done_at_resume_and_what_came_before_stop_is_settled(asked: Side) -> None:
    assert asked.after(asked.qemu.begins) == ["halts"]
    assert asked.made.pause is Pause.CHECKPOINT
    assert asked.after(asked.qemu.runs) == [Outcome.DONE]
    assert asked.counted == {"asked": 1, "checkpoints": 1}
    assert asked.wait(5) == []


def test_the_delay_is_set_to_what_it_was_by_then(side: Side) -> None:
    for delay in (12345, 500):
        side.qemu.delay = delay
        side.checkpoint()
        side.qemu.settle()
        assert side.after(side.qemu.begins, side.qemu.runs) == ["halts", Outcome.DONE]
    asked = [entry for entry in side.qemu.asked if entry[0] in (SET, ASK_DELAY)]
    sets = [(SET, {"x-checkpoint-delay": delay}) for delay in (12345, 500)]
    assert asked == [(ASK_DELAY, {}), sets[0], (ASK_DELAY, {}), sets[1]]


def test_a_request_that_qemu_forgets_is_repeated_until_stop(asked: Side) -> None:
    asked.wait(3 * ASK_AGAIN_SECONDS + 0.1)
    assert asked.qemu.commands(SET) == [SET] * 3
    asked.after(asked.qemu.begins)
    assert asked.wait(2) == []
    assert asked.qemu.commands(SET) == []
    assert asked.after(asked.qemu.runs) == [Outcome.DONE]
    assert asked.counted == {"asked": 4, "checkpoints": 1}


def test_a_repeated_request_may_lead_to_another_checkpoint_which_is_unasked(asked: Side) -> None:
    asked.wait(ASK_AGAIN_SECONDS + 0.1)
    assert asked.after(asked.qemu.begins, asked.qemu.runs) == ["halts", Outcome.DONE]
    assert asked.after(asked.qemu.begins, asked.qemu.runs) == ["halts", "unasked"]


def test_where_stop_and_resume_are_heard_at_once_nobody_knows_what_is_settled_and_it_is_asked_again(
    asked: Side,
) -> None:
    assert asked.at_once(asked.qemu.begins, asked.qemu.runs) == ["halts"]
    assert asked.qemu.commands(SET) == [SET]
    assert asked.after(asked.qemu.begins, asked.qemu.runs) == ["halts", Outcome.DONE]
    assert asked.counted == {"asked": 2, "checkpoints": 1, "missed": 1}


def test_a_resume_that_comes_while_the_kernels_queues_are_read_is_too_early_too(asked: Side) -> None:
    def halts() -> None:
        asked.said.append("halts")
        asked.qemu.runs()

    asked.made.halts = halts
    assert asked.after(asked.qemu.begins) == ["halts"]
    assert asked.counted["missed"] == 1
    assert asked.made.pause is Pause.NONE


def test_the_kernels_queues_are_read_before_qemu_is_asked_whether_it_goes_on(asked: Side) -> None:
    """What is settled must have been sent before STOP: so RESUME must not have been said once all was read."""
    seen: list[bool] = []
    asked.made.halts = lambda: seen.append(asked.made.monitor.has_read("RESUME"))
    monitor, drain = asked.made.monitor, asked.made.monitor.drain

    def draining() -> None:
        seen.append(True)
        drain()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(monitor, "drain", draining)
        asked.after(asked.qemu.begins)
    assert seen == [False, True]


def test_one_at_a_time(asked: Side) -> None:
    asked.checkpoint()
    assert asked.new == [Outcome.UNCHANGED]
    assert asked.after(asked.qemu.begins, asked.qemu.runs) == ["halts", Outcome.DONE]


@pytest.mark.parametrize("command", [SET, ASK_DELAY])
def test_what_qemu_refuses_is_said_and_nothing_has_changed(side: Side, command: str) -> None:
    side.qemu.refuses[command] = "no such parameter"
    side.checkpoint()
    with capturedLogs() as events:
        side.qemu.settle()
    assert side.new == [Outcome.UNCHANGED]
    assert lines(events) == ["QEMU makes no checkpoint: no such parameter"]
    assert side.wait(2) == []
    side.qemu.refuses.clear()
    side.checkpoint()
    side.qemu.settle()
    assert side.after(side.qemu.begins, side.qemu.runs) == ["halts", Outcome.DONE]


def test_a_qemu_without_that_parameter_makes_none(side: Side) -> None:
    side.qemu.answers[ASK_DELAY] = {"max-bandwidth": 5}
    side.checkpoint()
    with capturedLogs() as events:
        side.qemu.settle()
    assert side.new == [Outcome.UNCHANGED]
    assert lines(events) == ["QEMU makes no checkpoint: it has no x-checkpoint-delay"]


# ended otherwise


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_what_is_cancelled_has_failed_and_what_comes_of_it_is_unasked(asked: Side, moment: str) -> None:
    said: list[object] = ["halts", "unasked"]
    if moment == "after STOP":
        asked.after(asked.qemu.begins)
        said = ["unasked"]
    assert asked.after(asked.made.cancel) == [Outcome.FAILED]
    assert asked.wait(2) == []
    assert asked.qemu.commands(SET) == []
    steps = [asked.qemu.begins, asked.qemu.runs]
    assert asked.after(*steps[-len(said) :]) == said
    asked.made.cancel()
    assert asked.new == []


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_colo_that_ends_in_the_middle_is_a_failure(asked: Side, moment: str) -> None:
    if moment == "after STOP":
        asked.after(asked.qemu.begins)
    assert asked.after(asked.qemu.exits) == [Outcome.FAILED, False]
    assert asked.made.why_not == "COLO has ended there (COLO_EXIT: error)"
    asked.checkpoint()
    assert asked.new == [Outcome.UNCHANGED]
    assert asked.wait(2) == []
    assert asked.qemu.commands(SET) == []
    assert asked.counted == {"asked": 1, "colo_exits": 1}


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_a_socket_that_closes_in_the_middle_is_a_failure(asked: Side, moment: str) -> None:
    if moment == "after STOP":
        asked.after(asked.qemu.begins)
    asked.qemu.listens = False
    asked.after(asked.qemu.ends)
    assert asked.wait(CLOSED_SECONDS) == [Outcome.FAILED, False]
    assert asked.made.why_not == NOT_CONNECTED
    asked.qemu.listens = True
    asked.qemu.status = "running"
    assert asked.wait(2) == [True, UNDER_COLO]


def test_a_socket_that_closes_is_told_of_once_its_netdev_would_have_closed_too(side: Side) -> None:
    """Where QEMU has died the guest's end says so: that hands over, and no connection may be unprotected before."""
    side.qemu.listens = False
    assert side.after(side.qemu.ends) == []
    assert side.wait(CLOSED_SECONDS - 0.1) == []
    assert side.wait(0.1) == [False]


def test_a_socket_that_is_back_sooner_was_closed_all_the_same(side: Side) -> None:
    """Checkpoints may have been made meanwhile."""
    assert side.after(side.qemu.ends) == []
    assert side.wait(CLOSED_SECONDS + LOOK_SECONDS) == [False, True, UNDER_COLO]


def test_a_qemu_that_hangs_in_the_middle_is_a_failure_once_it_has_had_its_time(asked: Side) -> None:
    asked.qemu.hangs = True
    assert asked.wait(4.9) == []
    assert asked.wait(1.5) == [Outcome.FAILED, False]
    asked.qemu.hangs = False
    assert asked.wait(6) == [True, UNDER_COLO]


def test_the_time_that_an_answer_may_take_can_be_changed(asked: Side) -> None:
    asked.made.change(declare.parse(ColoQEMUProperties, split("id=qemu0,qmp=unix:/x,role=primary,timeout=1s")))
    asked.qemu.hangs = True
    assert asked.wait(2.5) == [Outcome.FAILED, False]


# by itself


def test_one_that_nobody_asked_for_is_told_when_it_is_done(side: Side) -> None:
    assert side.after(side.qemu.begins) == ["halts"]
    assert side.after(side.qemu.runs) == ["unasked"]
    assert side.counted == {"checkpoints": 1, "unasked": 1}


def test_one_whose_stop_was_heard_too_late_leads_to_another(side: Side) -> None:
    assert side.at_once(side.qemu.begins, side.qemu.runs) == ["halts", UNKNOWN_BEGINNING]
    assert side.counted == {"missed": 1}


def test_a_pause_of_which_qemu_has_not_said_what_it_was_for_leads_to_another(side: Side) -> None:
    side.qemu.hangs = True
    assert side.after(side.qemu.begins, side.qemu.runs) == ["halts", UNKNOWN_BEGINNING]


def test_a_resume_without_a_stop_is_nothing(side: Side) -> None:
    assert side.after(side.qemu.runs, side.qemu.runs) == []


# an operator's pause


def test_an_operators_pause_is_no_checkpoint(side: Side) -> None:
    assert side.after(side.qemu.pauses) == ["halts"]
    assert side.made.pause is Pause.OTHER
    assert side.after(side.qemu.runs) == []
    assert side.counted == {"other_pauses": 1}
    assert side.made.connected


def test_an_operators_pause_does_not_end_the_one_that_was_asked_for(asked: Side) -> None:
    assert asked.after(asked.qemu.pauses) == ["halts"]
    assert asked.wait(ASK_AGAIN_SECONDS + 0.1) == []
    assert asked.qemu.commands(SET) == [SET]
    assert asked.after(asked.qemu.runs) == []
    assert asked.after(asked.qemu.begins, asked.qemu.runs) == ["halts", Outcome.DONE]


def test_a_checkpoint_of_a_paused_guest_lets_it_go_on_and_is_not_counted(asked: Side) -> None:
    """QEMU has no STOP for one that stands still already: when it began isn't known."""
    asked.after(asked.qemu.pauses)
    assert asked.after(asked.qemu.runs) == []
    asked.wait(ASK_AGAIN_SECONDS + 0.1)
    assert asked.qemu.commands(SET) == [SET]


# COLO ends, and this side goes on


def test_after_colo_exit_a_qemu_that_still_says_its_mode_is_not_under_colo_again(side: Side) -> None:
    assert side.after(side.qemu.exits) == [False]
    assert side.qemu.mode == "primary"
    assert side.wait(5 * LOOK_SECONDS) == []
    assert side.after(side.qemu.runs) == []
    assert side.after(side.qemu.begins, side.qemu.runs) == []
    side.qemu.mode = "none"
    assert side.wait(LOOK_SECONDS + 0.1) == [False]
    side.qemu.mode = "primary"
    assert side.wait(LOOK_SECONDS + 0.1) == [True, UNDER_COLO]


def test_it_is_told_that_this_side_goes_on_and_its_pause_then_is_no_checkpoint(side: Side) -> None:
    with capturedLogs() as events:
        assert side.after(side.made.go_on)[:1] == [False]
    assert side.qemu.commands(LOSE) == [LOSE]
    assert lines(events) == [
        "no checkpoint can be made: this side goes on without the other",
        "QEMU was told that the other side is lost (x-colo-lost-heartbeat)",
    ]
    side.wait(5)
    assert side.counted == {"colo_exits": 1, "lost_heartbeats": 1}
    assert side.made.why_not == "it is not under COLO (query-colo-status says mode none)"
    assert side.qemu.commands(LOSE) == []


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_told_in_the_middle_of_a_checkpoint_that_has_failed(asked: Side, moment: str) -> None:
    if moment == "after STOP":
        asked.after(asked.qemu.begins)
    said = asked.after(asked.made.go_on)
    assert said[:2] == [Outcome.FAILED, False]
    assert Outcome.DONE not in said
    assert "unasked" not in said
    assert not asked.made.connected


def test_one_that_can_not_be_told_is_told_when_it_answers_again(side: Side) -> None:
    side.qemu.listens = False
    side.qemu.ends()
    side.qemu.settle()
    side.made.go_on()
    side.wait(3)
    side.qemu.listens = True
    assert True not in side.wait(3)
    assert side.qemu.commands(LOSE) == [LOSE]
    assert side.qemu.mode == "none"


def test_one_that_hangs_is_told_again(side: Side) -> None:
    side.qemu.hangs = True
    side.made.go_on()
    side.wait(6)
    side.qemu.hangs = False
    side.qemu.commands()
    assert True not in side.wait(8)
    assert side.qemu.commands(LOSE) == [LOSE]


def test_one_that_is_not_under_colo_says_so_and_is_told_no_more(side: Side) -> None:
    side.qemu.mode = "none"
    side.qemu.refuses[LOSE] = "VM is not in COLO mode"
    with capturedLogs() as events:
        side.after(side.made.go_on)
    assert lines(events)[-1] == "QEMU says to x-colo-lost-heartbeat: VM is not in COLO mode"
    side.wait(5)
    assert side.qemu.commands(LOSE) == [LOSE]


def test_one_that_comes_back_without_colo_need_not_be_told(side: Side) -> None:
    side.qemu.listens = False
    side.qemu.ends()
    side.qemu.settle()
    side.made.go_on()
    side.qemu.listens, side.qemu.mode = True, "none"
    side.wait(3)
    assert side.qemu.commands(LOSE) == []
    side.qemu.mode = "primary"
    assert side.wait(2) == [True, UNDER_COLO]


def test_one_that_was_told_after_it_came_back_is_not_under_colo_while_it_still_says_so(side: Side) -> None:
    side.qemu.listens = False
    side.qemu.ends()
    side.qemu.settle()
    side.made.go_on()
    side.qemu.answers[LOSE] = {}  # and COLO_EXIT comes later
    side.qemu.listens = True
    assert True not in side.wait(5)
    side.qemu.leaves_colo("request")
    assert True not in side.wait(5)
