"""A side gives its guest up: the other takes over as soon as it can; if neither can, the first goes on once mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.failover.lookout import Lookout
from colo_twisted.failover.messages import Message, Type
from colo_twisted.qemu.secondary import BEGIN_SECONDS
from tests.failover.test_arbitration import Two
from tests.failover.test_shut import Fencing
from tests.support.qemu_secondary import Pair
from tests.support.wires import Side, plug, pull, results

WHY = "its process 7 has ended"


def give_up(side: Side) -> None:
    side.peer._guest_gone(WHY)


def stands(side: Side) -> str:
    return side.peer._arbitration.arbiter.state.value


class WithCable(Lookout):
    """Whose netdev's cable a test pulls out."""

    is_out = False

    @property
    def _cables_out(self) -> list[str]:
        return ["hn0"] * self.is_out


def set_cable(side: Side, is_out: bool) -> None:
    lookout = side.peer._lookout
    lookout.__class__ = WithCable
    lookout.is_out = is_out  # type: ignore[attr-defined]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    two = Two(tmp_path, secondary="takeover=auto")
    two.sync()
    return two


def test_the_secondary_takes_over_at_once(two: Two) -> None:
    give_up(two.primary)
    two.run(0.1)
    assert two.speakers == (False, True)
    assert two.primary.peer.hushed is not None
    assert two.primary.peer.hushed[0] == "shut"


def test_it_does_though_the_word_was_lost(two: Two) -> None:
    """The connection was down at that moment."""
    pull(two.primary.end)
    two.run(0.1)
    give_up(two.primary)
    two.run(0.1)
    assert two.speakers == (False, False)
    plug(two.primary.end, two.secondary.end)
    two.run(0.3)
    assert two.speakers == (False, True)


def test_it_does_once_a_checkpoint_has_ended(two: Two) -> None:
    two.secondary.peer.replica.begin(5, bytes(16))
    give_up(two.primary)
    two.run(2)
    assert (stands(two.secondary), two.speakers) == ("lost", (False, False))
    assert two.secondary.peer.standing.reason.startswith("the primary has handed over; checkpoint 5 is under way")
    two.secondary.peer.replica.abort(5, True)
    two.run(0.2)
    assert two.speakers == (False, True)


@pytest.mark.parametrize("moment", ["after STOP", "after RESUME"])
@pytest.mark.parametrize("asked", [True, False])
def test_the_guests_qemu_says_how_a_checkpoint_ended(asked: bool, moment: str, tmp_path: Path) -> None:
    """The primary's process lives, and would say so later, or never."""
    pair = Pair(f",takeover=auto,state-file={tmp_path}/secondary", f"state-file={tmp_path}/primary")
    pair.wait(BEGIN_SECONDS + 0.1)  # the primary has had the time to speak of what was not heard before
    pair.primary.peer.protect_new()
    pair.wait(0.3)
    assert pair.peer.standing.state == "synced"
    if asked:
        pair.begin(5)
    pair.stops()
    if moment == "after RESUME":
        pair.runs()
    give_up(pair.primary)
    pair.wait(0.2)
    if moment == "after STOP":
        assert not pair.peer.may_speak
        pair.exits()
        pair.wait(0.2)
    assert pair.peer.invalid is None
    assert pair.peer.may_speak


def test_strict_does_once_every_connection_is_protected(tmp_path: Path) -> None:
    two = Two(tmp_path, secondary="takeover=strict")
    two.sync()
    two.secondary.rewriter.open_ones = [b"k"]
    give_up(two.primary)
    two.run(2)
    assert two.speakers == (False, False)
    two.secondary.rewriter.open_ones = []
    two.run(0.2)
    assert two.speakers == (False, True)


def test_with_manual_it_waits_for_an_operator_and_says_so(tmp_path: Path) -> None:
    two = Two(tmp_path, secondary="takeover=manual")
    two.sync()
    give_up(two.primary)
    two.run(2)
    assert two.secondary.peer.standing.state == "lost"
    assert two.secondary.peer.standing.reason.startswith("the primary has handed over; ")
    two.secondary.house.machine.colo.lose_heartbeat()
    assert two.secondary.peer.may_speak


def test_what_can_not_be_kept_is_tried_again(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the primary says goodbye, for a moment."""
    with monkeypatch.context() as full:
        full.setattr("colo_twisted.failover.state.replace_file", _full)
        two.primary.house.machine.stopService()
        two.run(0.2)
        assert not two.secondary.peer.may_speak
    two.run(0.2)
    assert two.secondary.peer.may_speak


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def both_cables_go(two: Two) -> None:
    for side in (two.primary, two.secondary):
        set_cable(side, True)
    two.run(1)
    assert two.speakers == (False, False)


@pytest.mark.parametrize("policy", ["takeover=auto", "takeover=unfenced"])
def test_the_clients_switch_is_out_for_a_second(tmp_path: Path, policy: str) -> None:
    """Both hand over, to each other: when the cables are back the primary goes on, and protects new connections."""
    two = Two(tmp_path, secondary=policy)
    two.sync()
    both_cables_go(two)
    assert two.secondary.peer.standing.state == "joining"
    for side in (two.primary, two.secondary):
        set_cable(side, False)
    two.run(0.3)
    assert two.speakers == (True, False)
    assert stands(two.primary) == "joining"
    two.sync()
    two.run(1)
    assert two.speakers == (True, False)


def test_the_primarys_cable_is_back_and_the_secondarys_is_not(two: Two) -> None:
    both_cables_go(two)
    set_cable(two.primary, False)
    two.run(0.3)
    assert two.speakers == (True, False)


def test_whoever_has_not_declined_may_take_over(two: Two) -> None:
    """The primary's guest can be heard again, but the secondary, which is cut off, doesn't say that it can't help."""
    two.cut = True
    give_up(two.primary)
    set_cable(two.primary, False)
    two.run(5)
    assert two.speakers == (False, False)
    two.cut = False
    two.run(0.3)
    assert two.speakers == (False, True)


def test_an_answer_to_an_earlier_time_says_nothing_of_this_one(two: Two) -> None:
    both_cables_go(two)
    arbiter = two.primary.peer._arbitration.arbiter
    declined = arbiter.other
    assert declined is not None
    assert declined.declined == 1
    for side in (two.primary, two.secondary):
        set_cable(side, False)
    two.run(0.3)
    two.sync()
    give_up(two.primary)
    arbiter.meet(declined, False, True, True)
    arbiter.recover()
    assert not arbiter.may_speak


def test_many_hand_overs_are_not_many_lines(tmp_path: Path) -> None:
    two = Two(tmp_path, secondary="takeover=manual")
    two.sync()
    with capturedLogs() as events:
        for _ in range(1000):
            two.primary.peer.say(Message(Type.HAND_OVER, reason=WHY))
        two.run(0.1)
    assert two.secondary.peer.counters.received > 1000
    assert 1 <= sum("hands over" in (formatEvent(event) or "") for event in events) < 20


def test_a_guest_that_comes_after_one_that_died_is_watched_too(tmp_path: Path) -> None:
    two = Fencing(tmp_path, "", "takeover=unfenced,guest-watch=command:true")
    two.clock.advance(0)
    two.end_commands(0)
    two.sync()
    for _ in range(2):
        two.run(1.2)
        two.end_commands(1)
        two.run(0.2)
        assert two.secondary.peer.standing.state == "joining"
        two.run(1.2)
        two.end_commands(0)
        two.run(0.2)
        two.sync()


def test_what_another_secondary_declines_the_one_that_may_take_over_does_not(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.sync()
    first = two.secondary
    pull(two.primary.end)
    set_cable(two.primary, True)
    give_up(two.primary)
    two.secondary = Side("secondary", f"state-file={tmp_path}/spare,takeover=unfenced", two.clock)
    plug(two.primary.end, two.secondary.end)
    two.run(1.2)
    assert first.peer.may_speak
    set_cable(two.primary, False)
    two.run(1)
    assert not two.primary.peer.may_speak


@pytest.mark.parametrize("gap", [0.05, 0.2, 2])
def test_one_that_has_declined_is_not_entitled_by_what_it_was_asked_before(tmp_path: Path, gap: float) -> None:
    two = Two(tmp_path)
    set_cable(two.secondary, True)
    plug(two.primary.end, two.secondary.end)
    two.run(0.2)
    two.primary.peer.protect_new()
    two.run(0.3)
    set_cable(two.primary, True)
    two.run(0.5)
    two.cut = True
    set_cable(two.secondary, False)
    two.run(gap)
    set_cable(two.primary, False)
    for _ in range(100):
        two.run(0.05)
        assert two.speakers != (True, True)
    assert two.speakers == (True, False)


def test_one_whose_guest_is_invalid_declines(two: Two) -> None:
    """Only a primary could have a checkpoint made."""
    set_cable(two.primary, True)
    two.secondary.peer.replica.invalid = "a checkpoint failed"
    two.run(1)
    assert two.speakers == (False, False)
    set_cable(two.primary, False)
    two.run(0.5)
    assert two.speakers == (True, False)


def test_a_secondary_that_could_not_take_over_binds_nobody(two: Two) -> None:
    """Its cable is out: when its host is lost then, the primary need not fear it, and goes on at once."""
    set_cable(two.secondary, True)
    two.run(0.5)
    if two.primary.end.other is None:
        plug(two.primary.end, two.secondary.end)
    asked = results(two.primary.peer.protect_new())
    two.run(1)
    assert (asked, stands(two.primary)) == ([], "alone")
    two.cut = True
    for _ in range(40):
        two.run(0.05)
        assert two.speakers == (True, False)
    two.cut = False
    set_cable(two.secondary, False)
    two.run(1)
    assert asked == [True]
    assert stands(two.primary) == "synced"
