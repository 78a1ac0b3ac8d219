"""Checkpoints of a QEMU: its primary says when it comes to stand still for one, and runs again when that is done."""

from __future__ import annotations

import pytest

from colo_twisted.interfaces import Outcome
from tests.compare.test_checkpoints import Comparer, ignore


@pytest.fixture
def qemu() -> Comparer:
    return Comparer(pauses_primary=True)


def test_qemus_flush_is_of_all_that_had_come_when_its_guest_came_to_stand_still(qemu: Comparer) -> None:
    qemu.diverges()
    qemu.peer.answers()
    qemu.came = 100
    qemu.checkpointer.halts()
    qemu.came = 200
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.new[-1] == ("flush", 101)
    assert qemu.is_idle


def test_what_stands_in_the_kernels_queues_is_before_that(qemu: Comparer) -> None:
    qemu.at_mark_all = lambda: setattr(qemu, "came", 300)
    qemu.diverges()
    qemu.peer.answers()
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.new[-1] == ("flush", 301)


def test_of_several_pauses_the_last_one_counts(qemu: Comparer) -> None:
    """An operator's, or one whose end was heard too early: QEMU was asked again."""
    qemu.diverges()
    qemu.peer.answers()
    for came in (100, 200):
        qemu.came = came
        qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.new[-1] == ("flush", 201)


@pytest.mark.parametrize(("moment", "number"), [("before", 1), ("since", 2)])
def test_what_is_asked_for_since_needs_another(qemu: Comparer, moment: str, number: int) -> None:
    qemu.diverges()
    qemu.peer.answers()
    if moment == "before":
        assert qemu.diverges() == number
    qemu.checkpointer.halts()
    if moment == "since":
        assert qemu.diverges() == number
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert ("BEGIN 2" in qemu.new) is (number == 2)


def test_a_pause_before_the_request_settles_nothing_of_it(qemu: Comparer) -> None:
    """An operator's; the one that is made has a pause of its own."""
    qemu.checkpointer.halts()
    assert qemu.diverges() == 1
    qemu.peer.answers()
    qemu.came = 100
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.new[-1] == ("flush", 101)
    assert qemu.is_idle


def test_an_unasked_one_of_qemus_settles_what_came_before_its_pause(qemu: Comparer) -> None:
    qemu.came = 100
    qemu.checkpointer.halts()
    qemu.came = 200
    qemu.checkpointer.unasked()
    assert qemu.new == ["BEGIN 1"]
    qemu.peer.answers()
    assert qemu.new == [ignore(qemu), "DONE 1"]
    qemu.peer.answers()
    assert qemu.new == [("flush", 101)]


def test_a_request_between_its_pause_and_its_end_is_another_one(qemu: Comparer) -> None:
    qemu.diverges()
    qemu.peer.answers()
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.checkpointer.halts()
    assert qemu.diverges() == 2
    qemu.checkpointer.unasked()
    qemu.peer.answers()
    assert qemu.new[-1] == "BEGIN 2"
    qemu.peer.answers()
    assert "make 2" not in qemu.new
    qemu.peer.answers()
    assert "BEGIN 3" in qemu.new


@pytest.mark.parametrize(("moment", "made"), [("before", False), ("since", True)])
def test_a_request_that_min_interval_delays_is_served_by_a_later_pause_only(moment: str, made: bool) -> None:
    qemu = Comparer(pauses_primary=True, min_interval=5.0)
    qemu.peer.at_once = True
    qemu.checkpointer.at_once = Outcome.DONE
    qemu.diverges()
    if moment == "before":
        assert qemu.diverges() == 2
    qemu.checkpointer.halts()
    if moment == "since":
        qemu.diverges()
    qemu.checkpointer.unasked()
    assert ("flush", qemu.came) in qemu.new
    assert ("make 3" in qemu.after(6)) is made


def test_what_only_the_checkpointer_knows_is_a_request_like_any(qemu: Comparer) -> None:
    qemu.checkpointer.wanted("the guests have come under COLO")
    assert qemu.new == ["BEGIN 1"]
    assert qemu.checkpoints.reason == "the guests have come under COLO"
    assert qemu.counted["requested"] == 1
    qemu.checkpointer.wanted("QEMU has made one by itself")
    qemu.peer.answers()
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.is_idle


def test_a_stopped_one_hears_nothing_more_of_its_checkpointer(qemu: Comparer) -> None:
    wanted = qemu.checkpointer.wanted
    qemu.checkpoints.stop()
    before = qemu.came
    for say in (qemu.checkpointer.halts, qemu.checkpointer.unasked, lambda: qemu.checkpointer.wanted("anything")):
        say()
    wanted("anything")
    assert (qemu.new, qemu.came) == ([], before)
    assert qemu.is_idle


def test_one_that_fails_after_its_pause_leaves_no_mark_for_the_next(qemu: Comparer) -> None:
    qemu.diverges()
    qemu.peer.answers()
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.FAILED)
    qemu.came = 100
    assert qemu.diverges() == 2
    qemu.peer.answers()
    qemu.checkpointer.halts()
    qemu.checkpointer.ends(Outcome.DONE)
    qemu.peer.answers()
    assert qemu.new[-1] == ("flush", 102)
