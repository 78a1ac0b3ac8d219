"""The secondary's side of checkpoints, message by message, and when the primary is lost in the midst of one."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.checkpoint import program
from colo_twisted.failover.arbiter import ANYBODY
from colo_twisted.failover.replica import NEW_STATE, OLD_STATE
from colo_twisted.failover.state import StateError
from colo_twisted.options import StartError
from colo_twisted.packets.marker import find_marker, marker_packet
from colo_twisted.packets.sequence import Offsets
from tests.support.turns import until
from tests.support.wires import Side, flow, pull, results

NONCE, OTHER_NONCE = bytes(range(16)), bytes(range(16, 32))
OFFSETS = {b"k": Offsets(1, 2)}
BEGUN, ABORTED, GONE_ON = ("begin",), ("abort", False), ("abort", True)
ENDED = ("end", OFFSETS, marker_packet(NONCE))
ENDED_ANEW = ("end", {}, marker_packet(NONCE))


class FakeProgram:
    """A checkpoint-state that a test answers for."""

    def __init__(self, *_: object) -> None:
        self.asked: list[str] = []
        self.why_not = ""
        self._done: Deferred[int | None] | None = None

    def run(self, environment: Mapping[str, str]) -> Deferred[int | None]:
        self.asked.append(environment["COLO_CHECKPOINT"])
        self._done = Deferred()
        return self._done

    def cancel(self) -> None:
        if self._done is not None:
            self.says(None, "it was cancelled")

    def says(self, status: int | None, why_not: str = "") -> None:
        assert self._done is not None
        done, self._done = self._done, None
        self.why_not = why_not
        done.callback(status)


class Both:
    """Both sides, joined; each call lets all that follows from it happen, and gives what was answered."""

    def __init__(self, more: str = "") -> None:
        self.primary = Side("primary")
        self.secondary = Side("secondary", more)
        self.primary.joined(self.secondary)

    def _answer(self, asked: Deferred[bool]) -> list[bool]:
        flow(self.primary.end, self.secondary.end)
        return results(asked)

    def begin(self, number: int, nonce: bytes = NONCE) -> list[bool]:
        return self._answer(self.primary.peer.begin(number, nonce))

    def done(self, number: int) -> list[bool]:
        return self._answer(self.primary.peer.done(number, OFFSETS))

    def abort(self, number: int, unchanged: bool) -> list[bool]:
        return self._answer(self.primary.peer.abort(number, unchanged))

    def invalidate(self, reason: str) -> list[bool]:
        return self._answer(self.primary.peer.invalidate(reason))

    def lose(self) -> None:
        pull(self.primary.end)

    def find_each_other(self) -> None:
        self.primary.joined(self.secondary)

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return self.secondary.told

    @property
    def invalid(self) -> str | None:
        return self.secondary.peer.invalid

    @property
    def counters(self) -> Any:
        return self.secondary.peer.counters


@pytest.fixture
def both() -> Both:
    return Both()


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> FakeProgram:
    fake = FakeProgram()
    monkeypatch.setattr(program, "Program", lambda *_: fake)
    return fake


@pytest.fixture
def asking(asks: FakeProgram) -> Both:
    """The primary was lost during checkpoint 5, and checkpoint-state runs."""
    both = Both("checkpoint-state=sh")
    both.begin(5)
    both.lose()
    assert asks.asked == ["5"]
    return both


def kept(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


# as it should be


def test_begin_stops_traffic_and_done_lets_it_on_behind_the_marker(both: Both) -> None:
    assert both.begin(5) == [True]
    assert both.told == [BEGUN]
    assert both.done(5) == [True]
    assert both.told == [BEGUN, ENDED]
    assert find_marker(both.told[-1][2]) == NONCE
    assert both.invalid is None
    assert (both.counters.checkpoints_begun, both.counters.checkpoints_done) == (1, 1)


@pytest.mark.parametrize("unchanged", [True, False])
def test_abort_lets_traffic_on_only_if_the_guest_is_unchanged(both: Both, unchanged: bool) -> None:
    both.begin(5)
    assert both.abort(5, unchanged) == [True]
    assert both.told == [BEGUN, ("abort", unchanged)]
    assert both.invalid == (None if unchanged else "checkpoint 5 failed")


def test_invalid_ends_with_the_next_done(both: Both) -> None:
    both.begin(5)
    both.abort(5, False)
    both.begin(6)
    assert both.invalid == "checkpoint 5 failed"
    both.done(6)
    assert both.invalid is None
    assert both.counters.invalidated == 1


def test_an_invalid_guest_stays_stopped_though_a_later_checkpoint_changed_nothing(both: Both) -> None:
    both.begin(5)
    both.abort(5, False)
    both.begin(6)
    assert both.abort(6, True) == [True]
    assert both.told == [BEGUN, ABORTED, BEGUN, ABORTED]
    assert both.invalid == "checkpoint 5 failed"


def test_the_primary_can_say_that_it_is_invalid(both: Both) -> None:
    with capturedLogs() as events:
        assert both.invalidate("it diverged") == [True]
    assert both.invalid == "the primary says so: it diverged"
    assert both.told == []
    assert [formatEvent(event) for event in events] == [
        "colo-peer p0: the guest is invalid: the primary says so: it diverged; it must not take over before the next"
        " checkpoint: have one made, or start it anew from the primary's state"
    ]


def test_each_change_of_state_is_a_line(both: Both) -> None:
    with capturedLogs() as events:
        both.begin(5)
        both.begin(5)
        both.done(5)
        both.begin(6)
        both.abort(6, True)
    assert [formatEvent(event).removeprefix("colo-peer p0: checkpoint ") for event in events] == [
        "5 began: the guest's traffic is stopped",
        "5 is done: the guest equals the primary's",
        "6 began: the guest's traffic is stopped",
        "6 was aborted: the guest's traffic goes on",
    ]


# repeated, and of other numbers


def test_what_is_repeated_is_answered_again_and_done_once(both: Both) -> None:
    assert [both.begin(5), both.begin(5)] == [[True]] * 2
    assert [both.done(5), both.done(5)] == [[True]] * 2
    assert both.told == [BEGUN, ENDED]
    both.begin(6)
    assert [both.abort(6, False), both.abort(6, False)] == [[True]] * 2
    assert both.told[2:] == [BEGUN, ABORTED]


def test_any_other_number_is_ignored_and_counted(both: Both) -> None:
    assert [both.done(5), both.abort(5, False)] == [[], []]
    both.begin(5)
    assert [both.done(4), both.done(6), both.abort(4, False), both.abort(6, False)] == [[]] * 4
    assert both.told == [BEGUN]
    assert both.counters.ignored_numbers == 6
    both.done(5)
    assert both.abort(5, False) == []
    assert both.told == [BEGUN, ENDED]
    assert both.invalid is None


def test_one_that_begins_before_the_end_of_another_makes_it_invalid_until_done(both: Both) -> None:
    both.begin(5)
    assert both.begin(6, OTHER_NONCE) == [True]
    assert both.invalid == "checkpoint 6 began before the end of checkpoint 5 was known"
    assert both.done(5) == []
    assert both.done(6) == [True]
    assert both.told == [BEGUN, BEGUN, ("end", OFFSETS, marker_packet(OTHER_NONCE))]
    assert both.invalid is None


# the primary is lost


def test_lost_between_checkpoints_changes_nothing(both: Both) -> None:
    both.begin(5)
    both.done(5)
    both.lose()
    assert both.told == [BEGUN, ENDED]
    assert both.invalid is None


def test_lost_between_begin_and_done_it_is_invalid_until_the_next_done(both: Both) -> None:
    both.begin(5)
    with capturedLogs() as events:
        both.lose()
    assert both.told == [BEGUN, ABORTED]
    assert both.invalid == "the primary was lost between BEGIN and DONE of checkpoint 5"
    assert sum("must not take over" in formatEvent(event) for event in events) == 1
    both.find_each_other()
    assert both.done(5) == []
    both.begin(6)
    both.done(6)
    assert both.invalid is None
    assert both.told[2:] == [BEGUN, ENDED]
    assert both.counters.checkpoints_lost == 1


def test_checkpoint_state_is_not_asked_otherwise(asks: FakeProgram) -> None:
    both = Both("checkpoint-state=sh")
    both.lose()
    both.find_each_other()
    both.begin(5)
    both.done(5)
    both.lose()
    assert asks.asked == []


def test_in_its_old_state_it_goes_on_as_it_was(asking: Both, asks: FakeProgram) -> None:
    assert asking.told == [BEGUN]
    asks.says(OLD_STATE)
    assert asking.told == [BEGUN, GONE_ON]
    assert asking.invalid is None


def test_in_the_new_state_it_goes_on_as_after_done(asking: Both, asks: FakeProgram) -> None:
    asks.says(NEW_STATE)
    assert asking.told == [BEGUN, ENDED_ANEW]
    assert asking.invalid is None


@pytest.mark.parametrize(
    ("status", "why_not", "shown"),
    [(2, "", "exit status 2"), (None, "it took longer than 10 s", "it took longer than 10 s")],
)
def test_in_a_state_that_nobody_knows_it_is_invalid(
    asking: Both, asks: FakeProgram, status: int | None, why_not: str, shown: str
) -> None:
    asks.says(status, why_not)
    assert asking.told == [BEGUN, ABORTED]
    assert asking.invalid == f"the primary was lost during checkpoint 5, and checkpoint-state can't tell: {shown}"


def test_a_primary_that_comes_back_meanwhile_and_begins_anew_ends_the_asking(asking: Both, asks: FakeProgram) -> None:
    asking.find_each_other()
    assert asking.done(5) == []
    assert asking.begin(6) == [True]
    assert asking.told == [BEGUN, BEGUN]
    assert asking.invalid == "checkpoint 6 began before the end of checkpoint 5 was known"
    asking.done(6)
    assert asking.told == [BEGUN, BEGUN, ENDED]
    assert asking.invalid is None


def test_an_old_state_that_was_invalid_stays_so(asks: FakeProgram) -> None:
    both = Both("checkpoint-state=sh")
    both.invalidate("it diverged")
    both.begin(5)
    both.lose()
    asks.says(OLD_STATE)
    assert both.told == [BEGUN, ABORTED]
    assert both.invalid == "the primary says so: it diverged"


def test_what_stops_while_it_asks_asks_no_more(asking: Both, asks: FakeProgram) -> None:
    asking.secondary.peer.stop()
    assert asking.told == [BEGUN]
    assert asks.why_not == "it was cancelled"


@pytest.mark.parametrize(("status", "told"), [(OLD_STATE, GONE_ON), (NEW_STATE, ENDED_ANEW), (1, ABORTED)])
@pytest_twisted.inlineCallbacks
def test_a_real_program_is_asked(tmp_path: Path, status: int, told: object) -> Generator[Any, Any, None]:
    script = tmp_path / "which-state"
    script.write_text(f'#!/bin/sh\ntest "$COLO_CHECKPOINT" = 5 && exit {status}\nexit 9\n')
    script.chmod(0o755)
    primary, secondary = Side("primary"), Side("secondary", f"checkpoint-state={script}", reactor)
    primary.joined(secondary)
    primary.peer.begin(5, NONCE)
    flow(primary.end)
    pull(primary.end)
    yield from until(lambda: secondary.told[1:])
    assert secondary.told == [BEGUN, told]


# the state file


def test_begin_is_kept_before_it_takes_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    both = Both(f"state-file={path}")
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(both.secondary.rewriter, "begin_checkpoint", lambda: seen.append(kept(path)))
    both.begin(5)
    begun, done = ({"checkpoint": 5, "phase": phase, "invalid": None} for phase in ("begun", "done"))
    assert [values | begun for values in seen] == seen
    assert len(seen) == 1
    both.done(5)
    assert kept(path) | done == kept(path)


def test_what_can_not_be_kept_is_not_done_and_not_answered(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    both = Both(f"state-file={folder}/state")
    both.begin(5)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    assert [both.done(5), both.abort(5, False), both.begin(6)] == [[]] * 3
    assert both.told == [BEGUN]
    assert both.counters.not_kept == 3
    assert both.invalidate("it diverged") == []
    assert both.invalid == "the primary says so: it diverged"


def test_what_is_lost_while_nothing_can_be_kept_is_invalid_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    both = Both(f"state-file={folder}/state")
    both.begin(5)
    (folder / "state").unlink()
    folder.rmdir()
    both.lose()
    assert both.told == [BEGUN, ABORTED]
    assert both.invalid == "the primary was lost between BEGIN and DONE of checkpoint 5"


def test_a_state_that_can_not_be_kept_is_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("os.rename", read_only)
    path = tmp_path / "state"
    with capturedLogs() as events:
        Side("secondary", f"state-file={path}")
    assert f"colo-peer p0: no checkpoint can be made: {path} can't be written: Read-only file system" in [
        formatEvent(event) for event in events
    ]


@pytest.mark.parametrize(
    ("before", "invalid"),
    [
        ("begun", "this process ended between BEGIN and DONE of checkpoint 5"),
        ("done", None),
        ("aborted as it was", None),
        ("aborted", "checkpoint 5 failed"),
    ],
)
def test_a_restart_knows_how_it_stood(tmp_path: Path, before: str, invalid: str | None) -> None:
    path = tmp_path / "state"
    both = Both(f"state-file={path}")
    both.begin(5)
    if before == "done":
        both.done(5)
    elif before != "begun":
        both.abort(5, before != "aborted")
    again = Side("secondary", f"state-file={path}")
    assert again.peer.invalid == invalid
    both.primary.joined(again)
    flow(both.primary.end, again.end)
    begun = results(both.primary.peer.begin(6, NONCE))
    done = results(both.primary.peer.done(6, OFFSETS))
    flow(both.primary.end, again.end)
    assert (begun, done, again.peer.invalid) == ([True], [True], None)


@pytest.mark.parametrize("text", ['{"phase": "whatever"}', '{"checkpoint": []}'])
def test_a_state_of_another_version_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        Side("secondary", f"state-file={path}")
    assert str(caught.value) == f"colo-peer 'p0': {path} is no state file of this version: move it away"


# how it stands, and the take-over


def stands(both: Both) -> tuple[str, str]:
    return both.secondary.peer.standing.state, both.secondary.peer.standing.reason


def protect(both: Both) -> list[bool]:
    asked = results(both.primary.peer.protect_new())
    flow(both.primary.end, both.secondary.end)
    return asked


def test_it_is_synced_while_the_primary_protects_new_connections(both: Both) -> None:
    assert stands(both) == ("joining", "the primary does not protect new connections yet")
    protect(both)
    assert stands(both) == ("synced", "")
    both.primary.peer.name_unprotected([b"k"])
    flow(both.primary.end)
    assert stands(both) == ("synced", "")
    both.primary.peer.name_unprotected(None)
    flow(both.primary.end)
    assert stands(both) == ("joining", "the primary does not protect new connections yet")
    protect(both)
    both.lose()
    assert stands(both) == ("joining", "the primary is not there")
    both.find_each_other()
    assert stands(both) == ("joining", "the primary does not protect new connections yet")


def test_a_checkpoint_is_a_state_of_its_own_and_then_it_is_as_before(both: Both) -> None:
    protect(both)
    both.begin(5)
    assert stands(both) == ("checkpointing", "checkpoint 5")
    both.done(5)
    assert stands(both) == ("synced", "")
    both.begin(6)
    both.abort(6, True)
    assert stands(both) == ("synced", "")


def test_while_it_is_invalid_it_is_joining_and_says_why(both: Both) -> None:
    protect(both)
    both.begin(5)
    both.abort(5, False)
    assert stands(both) == ("joining", "the guest is invalid: checkpoint 5 failed")
    assert protect(both) == []
    both.begin(6)
    both.done(6)
    assert stands(both) == ("synced", ""), "the primary has never said that it protects no more"


def test_what_the_primary_calls_invalid_must_be_protected_anew(both: Both) -> None:
    protect(both)
    both.invalidate("it diverged")
    both.begin(5)
    both.done(5)
    assert stands(both) == ("joining", "the primary does not protect new connections yet")
    protect(both)
    assert stands(both) == ("synced", "")


def test_asking_belongs_to_the_checkpoint(asking: Both, asks: FakeProgram) -> None:
    expected = "the primary was lost during checkpoint 5: asking checkpoint-state"
    assert stands(asking) == ("checkpointing", expected)
    asks.says(OLD_STATE)
    assert stands(asking) == ("joining", "the primary is not there")


def test_a_take_over_is_refused_during_a_checkpoint_and_while_the_guest_is_invalid(both: Both) -> None:
    assert both.secondary.peer.why_not is None
    both.begin(5)
    assert both.secondary.peer.why_not == (
        "checkpoint 5 is under way: wait for its end; if the primary is dead, until its connection is closed"
    )
    both.abort(5, False)
    assert both.secondary.peer.why_not == (
        "the guest is invalid: checkpoint 5 failed; it must not take over before the next checkpoint:"
        " have one made, or start it anew from the primary's state"
    )
    both.begin(6)
    both.done(6)
    assert both.secondary.peer.why_not is None


def test_a_take_over_is_kept_first_and_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "state"
    both = Both(f"state-file={path}")
    both.begin(5)
    both.done(5)
    protect(both)
    both.secondary.peer.go_on("an operator said so")
    assert kept(path) == {
        "checkpoint": 5,
        "phase": "done",
        "invalid": None,
        "role": "primary",
        "epoch": 1,
        "partner": ANYBODY,
        "solo": True,
        "was": "secondary",
        "side": both.secondary.peer._arbitration.arbiter.kept.side,
    }
    assert stands(both) == ("taken-over", "an operator said so")
    both.lose()
    assert stands(both) == ("taken-over", "an operator said so")
    with capturedLogs() as events:
        again = Side("secondary", f"state-file={path}")
    assert again.peer.standing.state == "shut"
    assert [formatEvent(event) for event in events if "taken over before" in (formatEvent(event) or "")] == [
        f"colo-peer p0: this side has taken over before ({path} says so) and acts on nothing that a primary asks;"
        " to make its guest a replica again, move that file away and start anew"
    ]
    path.unlink()
    assert Side("secondary", f"state-file={path}").peer.standing.state == "joining"


def test_a_take_over_that_can_not_be_kept_has_not_happened(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    both = Both(f"state-file={folder}/state")
    protect(both)
    (folder / "state").unlink()
    folder.rmdir()
    with pytest.raises(StateError, match=r"/state can't be written: No such file or directory$"):
        both.secondary.peer.go_on("an operator said so")
    assert stands(both) == ("synced", "")


def test_what_a_primary_asks_of_one_that_has_taken_over_is_not_done_and_not_answered(both: Both) -> None:
    both.secondary.peer.go_on("an operator said so")
    before = list(both.told)
    with capturedLogs() as events:
        assert [both.begin(5), protect(both), both.invalidate("it diverged")] == [[False], [False], []]
    assert (both.told, both.invalid) == (before, None)
    assert both.counters.dropped_taken_over == 2  # a primary that knows asks nobody to follow
    assert "colo-peer p0: BEGIN of a primary's is not answered: this side has taken over" in [
        formatEvent(event) for event in events
    ]


def test_removed_during_a_checkpoint_the_guest_is_invalid(tmp_path: Path) -> None:
    path = tmp_path / "state"
    both = Both(f"state-file={path}")
    both.begin(5)
    both.secondary.peer.retire()
    assert both.told == [BEGUN, ABORTED]
    assert kept(path)["invalid"] == "colo-peer 'p0' was removed during checkpoint 5"


def test_removed_while_it_asks_it_asks_no_more(asking: Both, asks: FakeProgram) -> None:
    asking.secondary.peer.retire()
    assert asking.told == [BEGUN, ABORTED]
    assert asking.invalid == "colo-peer 'p0' was removed during checkpoint 5"
    assert asks.why_not == "it was cancelled"


def test_a_checkpoint_whose_rewriter_was_removed_does_not_end(both: Both) -> None:
    """No marker would come, and the comparer would wait for it."""
    both.begin(5)
    rewriter = both.secondary.house.machine.objects.pop("r0")
    assert both.done(5) == []
    both.secondary.house.machine.objects["r0"] = rewriter
    assert both.done(5) == [True]


def test_a_primary_keeps_what_the_state_file_says_of_a_secondary_and_heeds_none_of_it(tmp_path: Path) -> None:
    """As one that took over and was made a primary."""
    path = tmp_path / "state"
    before = {"checkpoint": 5, "phase": "begun", "invalid": "it diverged", "anything": "of a later version"}
    path.write_text(json.dumps(before))
    primary = Side("primary", f"state-file={path}")
    assert primary.peer.invalid is None
    assert primary.peer.standing.state == "none"
    assert {name: kept(path)[name] for name in before} == before
