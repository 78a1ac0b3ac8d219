"""Two colo-peers with heartbeats on a wire that may be cut: who may speak, from when on, and what is on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from colo_twisted.events import ChardevDisconnected
from colo_twisted.interfaces import Ended
from colo_twisted.options import OptionError
from tests.support.wires import Side, flow, plug, pull, results

TICK = 0.05


class Two:
    """A pair in one clock's time; what is written arrives at each tick, unless the wire is cut."""

    def __init__(self, folder: Path, primary: str = "", secondary: str = "takeover=unfenced") -> None:
        self.clock = self.make_clock()
        self._folder = folder
        self.primary = self.start("primary", primary)
        self.secondary = self.start("secondary", secondary)
        self.cut = False

    def make_clock(self) -> Clock:
        return Clock()

    def start(self, role: str, more: str = "") -> Side:
        kept = f"state-file={self._folder}/{role}"
        return Side(role, f"{kept},{more}" if more else kept, self.clock)

    def disk(self, role: str) -> dict[str, object]:
        values: dict[str, object] = json.loads((self._folder / role).read_text())
        return values

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK)):
            self.clock.advance(TICK)
            for side in (self.primary, self.secondary):
                if self.cut:
                    side.end.on_its_way.clear()
                else:
                    flow(side.end)

    def sync(self) -> None:
        plug(self.primary.end, self.secondary.end)
        self.run(0.2)
        asked = results(self.primary.peer.protect_new())
        self.run(0.1)
        assert asked == [True]
        assert self.secondary.peer.standing.state == "synced"

    @property
    def speakers(self) -> tuple[bool, bool]:
        return self.primary.peer.may_speak, self.secondary.peer.may_speak


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def test_while_both_are_heard_the_primary_speaks(two: Two) -> None:
    two.sync()
    for _ in range(20):
        two.run(0.5)
        assert two.speakers == (True, False)
    assert two.primary.peer.hushed is None


def test_the_primary_is_silent_before_a_secondary_takes_over_unfenced(two: Two) -> None:
    two.sync()
    two.cut = True
    seen = set()
    for _ in range(20):
        two.run(TICK)
        seen.add(two.speakers)
    assert seen - {(False, False)} == {(True, False), (False, True)}
    assert two.secondary.peer.standing.state == "taken-over"
    assert two.primary.peer.hushed is not None
    assert two.primary.peer.hushed[0] == "lost"
    assert ("fail_over",) in two.secondary.told
    assert two.disk("secondary") | {"role": "primary", "epoch": 1, "solo": True} == two.disk("secondary")
    two.cut = False
    two.run(0.3)
    assert two.speakers == (False, True)
    assert two.primary.peer.overtaken


def test_a_cut_that_is_short_costs_nothing(two: Two) -> None:
    two.sync()
    two.cut = True
    two.run(0.3)
    two.cut = False
    two.run(1)
    assert two.speakers == (True, False)
    assert two.secondary.peer.standing.state == "synced"


def test_by_default_nobody_is_taken_for_dead(tmp_path: Path) -> None:
    two = Two(tmp_path, secondary="")
    two.sync()
    two.cut = True
    two.run(5)
    assert two.speakers == (True, False)
    assert two.secondary.peer.standing.state == "lost"
    two.cut = False
    two.run(0.5)
    assert two.secondary.peer.standing.state == "synced"


def test_a_primary_that_is_started_anew_is_silent_until_it_has_heard_the_other(two: Two) -> None:
    two.sync()
    two.primary.end.front_end = None
    pull(two.secondary.end)
    two.primary = two.start("primary")
    assert two.primary.peer.hushed is not None
    assert two.primary.peer.hushed[0] == "shut"
    assert not two.primary.peer.may_speak
    plug(two.primary.end, two.secondary.end)
    two.run(0.3)
    assert two.primary.peer.may_speak
    assert two.secondary.peer.standing.state == "joining"


def test_a_colo_peer_that_is_deleted_and_added_again_goes_on_as_it_was(two: Two) -> None:
    two.sync()
    two.primary.house.machine.remove("object", "p0")
    assert two.disk("primary")["solo"] is True
    two.primary.house.add("object", f"colo-peer,id=p0,chardev=w0,role=primary,state-file={two._folder}/primary")
    assert two.primary.house.object("p0").may_speak


def test_one_that_was_shut_is_so_after_it_was_deleted_and_added_again(two: Two) -> None:
    two.sync()
    pull(two.primary.end)
    two.primary = two.start("primary")
    assert not two.primary.peer.may_speak
    two.primary.house.machine.remove("object", "p0")
    two.primary.house.add("object", f"colo-peer,id=p0,chardev=w0,role=primary,state-file={two._folder}/primary")
    assert not two.primary.house.object("p0").may_speak


def test_a_first_start_waits_for_nobody(two: Two) -> None:
    assert two.speakers == (True, False)


def test_what_is_asked_of_a_silent_secondary_waits_for_it(two: Two) -> None:
    two.sync()
    asked = results(two.primary.peer.name_unprotected(None))
    pull(two.primary.end)
    assert asked == []
    plug(two.primary.end, two.secondary.end)
    two.run(0.2)
    assert asked == [True]
    assert two.secondary.told[-1] == ("unprotect", None)


def test_so_does_what_lets_it_follow(two: Two) -> None:
    two.sync()
    pull(two.primary.end)
    asked = results(two.primary.peer.protect_new())
    assert asked == []
    plug(two.primary.end, two.secondary.end)
    two.run(0.2)
    assert asked == [True]


def test_what_may_not_be_said_yet_is_not_said_either_when_it_is_asked_once_more(two: Two) -> None:
    """A primary that is not heard to be heard may not bind itself; entitled all the same, the other would take over."""
    plug(two.primary.end, two.secondary.end)
    two.run(0.1)
    for _ in range(12):  # only what the primary says arrives: its lease ends
        two.clock.advance(TICK)
        flow(two.primary.end)
        two.secondary.end.on_its_way.clear()
    asked = [results(two.primary.peer.protect_new()) for _ in range(2)]
    for _ in range(100):
        two.clock.advance(TICK)
        flow(two.primary.end)
        two.secondary.end.on_its_way.clear()
    assert two.secondary.peer.standing.state == "joining"
    two.run(0.5)
    assert asked == [[True], [True]]
    assert two.secondary.peer.standing.state == "synced"


def end(two: Two, how: Ended) -> None:
    """The connection between them ends, on both sides in that way."""
    pull(two.primary.end)
    for side in (two.primary, two.secondary):
        side.end.ended = how
        side.house.machine.events.emit(ChardevDisconnected("w0"))


@pytest.mark.parametrize("survivor", ["primary", "secondary"])
def test_told_anew_after_a_cut_both_go_by_how_connections_end_again(survivor: str, tmp_path: Path) -> None:
    two = Two(tmp_path, "direct=on", "takeover=auto,direct=on")
    two.sync()
    end(two, Ended.SILENT)
    plug(two.primary.end, two.secondary.end)
    two.run(0.1)
    asked = results(two.primary.peer.protect_new())
    two.run(0.1)
    assert asked == [True]
    assert two.secondary.peer.standing.state == "synced"
    (two.primary if survivor == "secondary" else two.secondary).end.front_end = None
    end(two, Ended.BY_PEER)
    kept = two.disk(survivor)
    assert (kept["role"], kept["epoch"], kept["solo"]) == ("primary", 1, True)


def test_a_goodbye_hands_over_at_once(two: Two) -> None:
    two.sync()
    two.primary.peer.stop()
    flow(two.primary.end)
    assert two.secondary.peer.may_speak
    assert ("fail_over",) in two.secondary.told


def test_a_secondary_that_says_goodbye_lets_the_primary_go_on(two: Two) -> None:
    two.sync()
    asked = results(two.primary.peer.name_unprotected(None))
    two.secondary.peer.stop()
    flow(two.secondary.end)
    assert asked == [False]
    assert two.disk("primary") | {"role": "primary", "epoch": 1, "solo": True} == two.disk("primary")
    two.run(2)
    assert two.primary.peer.may_speak


def test_a_primary_whose_colo_peer_is_removed_speaks_on_and_the_secondary_does_not_take_over(two: Two) -> None:
    two.sync()
    two.primary.peer.retire()
    flow(two.primary.end)
    two.run(3)
    assert not two.secondary.peer.may_speak
    assert two.secondary.peer.standing.state == "joining"


def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(two: Two) -> None:
    two.sync()
    two.cut = True
    asked = results(two.primary.peer.name_unprotected(None))
    flow(two.primary.end)
    two.run(0.1)
    two.cut = False
    told = list(two.secondary.told)
    assert told[-1] == ("unprotect", None)
    two.run(5)
    assert asked == [True]
    assert two.secondary.told == told


def test_what_was_entitled_anew_is_not_revoked_by_an_older_answer(two: Two) -> None:
    two.sync()
    two.primary.peer.invalidate("it diverged")
    two.primary.peer.begin(1, bytes(16))
    two.primary.peer.done(1, {})
    two.primary.peer.protect_new()
    two.run(0.5)
    assert two.secondary.peer.standing.state == "synced"
    two.cut = True
    two.run(5)
    assert two.speakers == (False, True)


def test_strict_takes_over_only_while_every_connection_is_protected(tmp_path: Path) -> None:
    two = Two(tmp_path, secondary="takeover=strict")
    two.sync()
    two.secondary.rewriter.open_ones = [b"a"]
    two.primary.peer.stop()
    flow(two.primary.end)
    assert two.secondary.peer.standing.state == "lost"
    assert two.secondary.peer.standing.reason.endswith("1 connections are unprotected, and takeover=strict")
    assert not two.secondary.peer.may_speak


@pytest.mark.parametrize("more", ["takeover=auto", "alone=unfenced"])
def test_who_decides_alone_must_remember(more: str) -> None:
    with pytest.raises(OptionError, match="needs a state-file"):
        Side("secondary", more)


def test_a_timeout_takes_more_than_one_beat() -> None:
    with pytest.raises(
        OptionError, match=r"property 'timeout' takes at least 3 times the interval \(100 ms\); got '299'"
    ):
        Side("secondary", "timeout=299")


def test_what_was_asked_before_something_else_was_done_entitles_nobody(two: Two) -> None:
    """PROTECT_NEW was refused, and is said again: what came since says that nothing is protected."""
    two.sync()
    two.secondary.peer.replica.invalid = "a test"
    asked = results(two.primary.peer.protect_new())
    flow(two.primary.end)
    two.primary.peer.name_unprotected(None)
    flow(two.primary.end)
    two.secondary.peer.replica.invalid = None
    two.run(5)
    assert asked == []
    assert two.secondary.told[-1] == ("unprotect", None)
