"""A secondary that takes over by itself, with a QEMU: in a checkpoint it waits for its word, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from colo_twisted.checkpoint import program
from tests.failover.test_replica import FakeProgram
from tests.support.qemu_secondary import Pair
from tests.support.segments import Segment
from tests.support.wires import results

LOSE = "x-colo-lost-heartbeat"


@pytest.fixture
def synced(tmp_path: Path) -> Pair:
    """New connections are protected; one is open."""
    return made(tmp_path)


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    fake = FakeProgram()
    monkeypatch.setattr(program, "Program", lambda *_: fake)
    return fake


def made(folder: Path, more: str = "") -> Pair:
    keeps = [f"state-file={folder}/{role}" for role in ("primary", "secondary")]
    pair = Pair(f",takeover=auto,{keeps[1]}{more}", keeps[0])
    pair.wait(1.2)
    asked = results(pair.primary.peer.protect_new())
    pair.wait(0.2)
    assert asked == [True]
    assert pair.peer.standing.state == "synced"
    pair.open_connection()
    pair.qemu.commands()
    return pair


def hand_over(pair: Pair) -> None:
    """The primary's QEMU has died, as its process sees."""
    pair.primary.peer._guest_gone("its process 7 has ended")
    pair.settle()


def has_taken_over(pair: Pair) -> bool:
    return pair.rewriter.rewriter.following.alone


def test_outside_of_a_checkpoint_at_once(synced: Pair) -> None:
    hand_over(synced)
    assert has_taken_over(synced)
    assert synced.qemu.commands(LOSE) == [LOSE]
    synced.says_segment(Segment(5001, 101, payload=b"answer"))
    assert synced.out[-1] == "3001 answer"


@pytest.mark.parametrize("first", ["ABORT", "COLO_EXIT", "the hand-over"])
@pytest.mark.parametrize("moment", ["before STOP", "after STOP", "after RESUME"])
def test_in_a_checkpoint_whose_primary_has_died_in_whatever_order_that_is_heard(
    synced: Pair, moment: str, first: str
) -> None:
    synced.begin(5)
    synced.says_segment(Segment(5001, 101, payload=b"old"))
    if moment != "before STOP":
        synced.stops()
    if moment == "after RESUME":
        synced.runs()
        synced.says_segment(Segment(3001, 101, payload=b"new"))
    steps = {
        "ABORT": lambda: synced.abort(5, False),
        "COLO_EXIT": synced.exits,
        "the hand-over": lambda: hand_over(synced),
    }
    steps.pop(first)()
    for step in steps.values():
        step()
    synced.wait(1.5)
    assert has_taken_over(synced)
    answers = {each for each in synced.out if each[:1] in "35"}  # what clients may not have is sent once more
    assert answers == ({"3001 new"} if moment == "after RESUME" else {"3001 old"})


def test_in_one_that_its_own_qemu_does_not_end_it_ends_that(synced: Pair) -> None:
    synced.begin(5)
    synced.says_segment(Segment(5001, 101, payload=b"old"))
    synced.stops()
    synced.lose_primary()
    hand_over(synced)
    synced.wait(1)
    assert synced.qemu.commands(LOSE)[0] == LOSE
    assert synced.replica.invalid is None
    assert synced.out[-1] == "3001 old"


def test_what_qemu_can_not_say_checkpoint_state_is_asked(tmp_path: Path, asks: FakeProgram) -> None:
    pair = made(tmp_path, ",checkpoint-state=sh")
    pair.qmp_lost()
    pair.begin(5)
    pair.lose_primary()
    assert asks.asked == ["5"]
    assert pair.peer.standing.reason.endswith("asking checkpoint-state")
    asks.says(11)
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    assert pair.out[-1] == "3001 new"


def test_what_qemu_says_checkpoint_state_is_not_asked(tmp_path: Path, asks: FakeProgram) -> None:
    pair = made(tmp_path, ",checkpoint-state=sh")
    pair.begin(5)
    pair.stops()
    pair.lose_primary()
    assert pair.peer.standing.reason.endswith("asking its QEMU")
    pair.runs()
    assert asks.asked == []
    assert pair.replica.invalid is None
