"""A side that must not speak: what opens it, and what doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from colo_twisted.failover.arbiter import Arbiter, Kept, Policy
from colo_twisted.failover.table import PRIMARY, SECONDARY, State
from colo_twisted.options import StartError
from tests.failover.test_arbitration import Two
from tests.failover.test_fence import Spawning
from tests.support.wires import Side, plug, pull

FENCING = "alone=auto,fence=true"


class Fencing(Two):
    """Whose fence commands wait for the test to end them."""

    def make_clock(self) -> Spawning:
        return Spawning()

    def end_commands(self, status: int) -> int:
        """How many ran."""
        running = [process for process in self.clock.processes if not process.ended]  # type: ignore[attr-defined]
        for process in running:
            process.exit(status)
        return len(running)


def state(side: Side) -> State:
    return side.peer._arbitration.arbiter.state


def test_one_that_was_overtaken_does_not_fence_the_survivor(tmp_path: Path) -> None:
    two = Fencing(tmp_path, FENCING, "takeover=unfenced")
    two.sync()
    two.cut = True
    for _ in range(20):
        two.run(0.05)
        two.end_commands(1)
    assert two.secondary.peer.may_speak
    two.cut = False
    for _ in range(60):
        two.run(0.5)
        two.end_commands(1)
    assert two.primary.peer.overtaken
    two.cut = True  # the survivor is silent for a while
    two.run(5)
    assert two.end_commands(0) == 0
    assert two.speakers == (False, True)


def test_one_whose_guest_has_died_fences_nobody(tmp_path: Path) -> None:
    two = Fencing(tmp_path, FENCING, "takeover=unfenced")
    two.sync()
    two.primary.peer._guest_gone("its process 7 has ended")
    two.run(0.5)
    two.cut = True
    two.run(5)
    assert two.end_commands(0) == 0
    assert two.speakers == (False, True)


@pytest.mark.parametrize(("solo", "fences"), [(False, False), (True, True)])
def test_after_a_restart_it_fences_only_whom_nobody_can_have_followed(solo: bool, fences: bool) -> None:
    """Synced when it ended, it can't know whether the other is further: then that is the one to go on."""
    kept = Kept(PRIMARY, 3, partner=7, solo=solo, was=PRIMARY)
    arbiter = Arbiter(kept, Policy(alone="auto", fences=True), lambda kept: None, lambda: None)
    arbiter.start()
    arbiter.silent()
    assert (arbiter.state, arbiter.fencing) == (State.SHUT, fences)
    if fences:
        arbiter.fenced(True)
    assert arbiter.may_speak is fences


def they_meet_after_both_went_on(tmp_path: Path) -> Two:
    """By two operators' words, which of the two is right nobody knows."""
    two = Two(tmp_path, "", "")
    two.sync()
    two.cut = True
    two.run(1)
    for side in (two.primary, two.secondary):
        side.house.machine.colo.lose_heartbeat()
    two.run(0.2)
    two.cut = False
    pull(two.primary.end)
    plug(two.primary.end, two.secondary.end)
    two.run(1)
    return two


def test_a_survivor_that_was_shut_is_opened_by_an_operators_word(tmp_path: Path) -> None:
    two = they_meet_after_both_went_on(tmp_path)
    assert two.speakers == (True, False)
    assert state(two.secondary) is State.SHUT
    assert two.secondary.told[-1] == ("abort", False)
    pull(two.primary.end)
    two.primary.house.machine.stopService()
    two.run(2)
    assert two.secondary.house.machine.colo.mode == SECONDARY
    two.secondary.house.machine.colo.lose_heartbeat()
    assert two.secondary.peer.may_speak
    assert two.secondary.told[-1] == ("fail_over",)


def test_what_is_kept_until_it_may_be_heard_is_of_no_use_once_another_speaks(tmp_path: Path) -> None:
    """Started anew it is shut, and a comparer keeps what its guest says; that it is for good, it hears later."""
    two = Two(tmp_path)
    two.sync()
    pull(two.primary.end)
    two.primary.house.machine.stopService()
    two.run(2)
    assert two.secondary.peer.may_speak
    two.primary = two.start("primary")
    told: list[tuple[str, str] | None] = []
    two.primary.peer.gate_watchers.append(lambda: told.append(two.primary.peer.hushed))
    plug(two.primary.end, two.secondary.end)
    two.run(1)
    assert len(told) == 1
    assert told[0] is not None
    assert told[0][0] == "shut"


def test_one_whose_memory_was_lost_is_told_so(tmp_path: Path) -> None:
    """Its own secondary has followed it into a later epoch: that one has not taken over."""
    two = Two(tmp_path, "", "")
    two.sync()
    two.secondary.house.machine.stopService()
    two.run(0.3)
    pull(two.primary.end)
    two.secondary = two.start("secondary", "")
    two.sync()
    two.primary.house.machine.stopService()
    two.run(0.3)
    pull(two.secondary.end)
    (tmp_path / "primary").unlink()
    two.primary = two.start("primary", "")
    plug(two.primary.end, two.secondary.end)
    two.run(1)
    assert state(two.primary) is State.SHUT
    assert not two.primary.peer.overtaken
    assert two.primary.peer.hushed is not None
    assert "this one's state-file was lost" in two.primary.peer.hushed[1]
    two.primary.house.machine.colo.lose_heartbeat()
    assert two.primary.peer.may_speak


def test_another_secondary_does_not_stand_for_the_one_that_may_take_over(tmp_path: Path) -> None:
    """The first is cut off, and takes over: what a spare one says gives the primary no right to speak."""
    two = Two(tmp_path)
    two.sync()
    first = two.secondary
    two.cut = True
    pull(two.primary.end)
    two.run(0.2)
    two.cut = False
    spare = Side("secondary", f"state-file={tmp_path}/spare,takeover=unfenced", two.clock)
    two.secondary = spare
    for _ in range(40):
        if two.primary.end.other is None:
            plug(two.primary.end, spare.end)
        two.run(0.05)
        assert [two.primary.peer.may_speak, first.peer.may_speak].count(True) <= 1
    assert first.peer.may_speak
    assert two.primary.peer.counters.refused > 0
    two.primary.house.machine.colo.lose_heartbeat()  # an operator has switched the first one off
    two.run(0.2)
    if two.primary.end.other is None:
        plug(two.primary.end, spare.end)
    two.run(0.5)
    assert two.primary.peer.connected


def test_the_same_one_started_anew_does(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.sync()
    pull(two.primary.end)
    two.secondary = two.start("secondary", "takeover=unfenced")
    plug(two.primary.end, two.secondary.end)
    two.run(0.5)
    assert two.speakers == (True, False)


def test_an_old_primary_does_not_open_a_survivor_that_has_been_followed_since(tmp_path: Path) -> None:
    """Of three: the second took over from the first, and the third from the second, which is started anew."""
    two = Two(tmp_path)
    two.sync()
    first, second = two.primary, two.secondary
    two.cut = True
    pull(first.end)
    two.run(1.5)
    assert second.peer.may_speak
    first.peer.stop()
    two.cut = False
    second.house.machine.remove("object", "p0")
    second.house.add("object", f"colo-peer,id=p0,chardev=w0,role=primary,state-file={tmp_path}/secondary")
    second.peer = second.house.object("p0")
    third = Side("secondary", f"state-file={tmp_path}/third,takeover=unfenced", two.clock)
    two.primary, two.secondary = second, third
    two.sync()
    pull(second.end)
    second.peer.stop()
    two.run(1.5)
    assert third.peer.may_speak
    two.secondary = two.start("secondary", "takeover=unfenced")
    two.primary = two.start("primary")
    for _ in range(60):
        if two.primary.end.other is None:
            plug(two.primary.end, two.secondary.end)
        two.run(0.05)
        assert two.speakers == (False, False)
    assert two.secondary.peer.counters.refused > 0
    assert two.primary.peer.overtaken


def test_another_primary_does_not_keep_a_secondary_from_taking_over(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.sync()
    pull(two.primary.end)
    two.primary.peer.stop()
    two.primary = Side("primary", f"state-file={tmp_path}/other", two.clock)
    for _ in range(40):
        if two.primary.end.other is None:
            plug(two.primary.end, two.secondary.end)
        two.run(0.05)
    assert two.secondary.peer.may_speak


def test_one_that_was_never_entitled_is_known_again_too(tmp_path: Path) -> None:
    """The primary is bound before the secondary takes its word: killed in between, that is the same one afterwards."""
    two = Two(tmp_path)
    plug(two.primary.end, two.secondary.end)
    two.run(0.2)
    two.primary.peer.protect_new()
    assert (state(two.primary), state(two.secondary)) == (State.SYNCED, State.JOINING)
    pull(two.primary.end)
    two.secondary = two.start("secondary", "takeover=unfenced")
    plug(two.primary.end, two.secondary.end)
    two.run(1)
    assert two.speakers == (True, False)


def test_of_two_that_went_on_one_with_a_new_state_file_is_right_too(tmp_path: Path) -> None:
    two = Two(tmp_path, "", "")
    two.sync()
    two.secondary.house.machine.stopService()
    two.run(0.3)
    pull(two.primary.end)
    two.primary.peer.stop()
    (tmp_path / "secondary").unlink()
    two.secondary = two.start("secondary")
    two.run(1)
    two.secondary.house.machine.colo.lose_heartbeat()
    two.primary = two.start("primary")
    plug(two.primary.end, two.secondary.end)
    two.run(5)
    assert two.speakers.count(True) == 1


def test_what_a_take_over_left_without_a_task_stays_so_while_it_is_shut(tmp_path: Path) -> None:
    two = they_meet_after_both_went_on(tmp_path)
    colo = two.secondary.house.machine.colo
    assert [part.id for part in colo.left_over] == ["p0"]
    two.primary.house.machine.stopService()
    two.run(1)
    colo.lose_heartbeat()
    assert [part.id for part in colo.left_over] == ["p0"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ('{"role": "secondary"}', "is a secondary's: move it away, or set role=secondary"),
        ('{"role": "foo"}', "is no state file of this version"),
        ('{"role": "primary", "epoch": -1}', "is no state file of this version"),
        ('{"role": "primary", "epoch": 18446744073709551616}', "is no state file of this version"),
        ("[" * 60_000, "is no state file"),
    ],
)
def test_a_state_file_that_is_not_this_sides_is_an_error(tmp_path: Path, values: str, why: str) -> None:
    (tmp_path / "state").write_text(values)
    with pytest.raises(StartError, match=why):
        Side("primary", f"state-file={tmp_path}/state")
