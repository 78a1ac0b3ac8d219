"""
Checkpoints, sentence by sentence of what they must do: with a colo-peer, without one, and with Xen.

What the comparer's hooks, the checkpointer and the colo-peer are told stands in one list, in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.compare.checkpoints import Checkpoints, Phase
from colo_twisted.compare.hooks import Hooks
from colo_twisted.interfaces import Outcome
from colo_twisted.packets.marker import find_marker
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter
from tests.support.wires import Side, flow, pull

REPEAT, TIMEOUT = 3.0, 10.0


class FakeCheckpointer:
    """Ends when the test says so; told ``at_once``, within the call."""

    def __init__(self, said: list[object], pauses_primary: bool) -> None:
        self.pauses_primary = pauses_primary
        self.unasked: Callable[[], None] = lambda: None
        self.halts: Callable[[], None] = lambda: None
        self.wanted: Callable[[str], None] = lambda reason: None
        self.at_once: Outcome | None = None
        self._said = said
        self._under_way: Deferred[Outcome] | None = None

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        self._said.append(f"make {number}")
        if self.at_once is not None:
            return succeed(self.at_once)
        self._under_way = Deferred()
        return self._under_way

    def cancel(self) -> None:
        self._said.append("cancel")
        self.ends(Outcome.FAILED)

    def ends(self, outcome: Outcome) -> None:
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.callback(outcome)


class FakePeer:
    """Answers when the test says so; told ``at_once``, within the call."""

    def __init__(self, said: list[object]) -> None:
        self.connected = True
        self.most_offsets = 2
        self.watchers: list[Callable[[bool], None]] = []
        self.at_once = False
        self.nonces: list[bytes] = []
        self.offsets: list[Mapping[bytes, Offsets]] = []
        self._said = said
        self._pending: list[Deferred[bool]] = []

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        self.nonces.append(nonce)
        return self._ask(f"BEGIN {number}")

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        self.offsets.append(offsets)
        return self._ask(f"DONE {number}")

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask(f"ABORT {number}{' unchanged' if unchanged else ''}")

    def _ask(self, text: str) -> Deferred[bool]:
        self._said.append(text)
        if self.at_once:
            return succeed(True)
        answer: Deferred[bool] = Deferred()
        self._pending.append(answer)
        return answer

    def answers(self, is_there: bool = True) -> None:
        pending, self._pending = self._pending, []
        for answer in pending:
            answer.callback(is_there)

    def goes(self) -> None:
        """Closes: some learn it by their requests first, some as watchers."""
        self.connected = False
        self.answers(False)
        for watcher in self.watchers:
            watcher(False)


class Comparer:
    """Marks count what has come from the primary."""

    def __init__(
        self,
        peer: bool = True,
        checkpointer: bool = True,
        pauses_primary: bool = False,
        min_interval: float = 0.0,
    ) -> None:
        self.said: list[object] = []
        self.reactor = Clock()
        self.came = 0
        self.heeded = 0
        self.peer = FakePeer(self.said)
        self.checkpointer = FakeCheckpointer(self.said, pauses_primary)
        self.offsets: dict[bytes, Offsets] = {}
        self.at_failure: Callable[[], None] = lambda: None
        self.at_mark_all: Callable[[], None] = lambda: None
        hooks = Hooks(
            mark=self._mark,
            mark_all=self._mark_all,
            ignore_secondary=lambda nonce: self.said.append(("ignore", nonce)),
            heed_secondary=self._heed,
            flush=lambda mark: self.said.append(("flush", mark)),
            failed=self._failed,
            offsets=lambda: self.offsets,
        )
        makers: Any = (self.checkpointer if checkpointer else None, self.peer if peer else None)
        self.checkpoints = Checkpoints(
            self.reactor, Reporter("colo-compare comp0"), *makers, min_interval, REPEAT, TIMEOUT, hooks, first_number=1
        )

    def _heed(self) -> None:
        self.heeded += 1

    def _mark(self) -> int:
        self.came += 1
        return self.came

    def _mark_all(self) -> int:
        self.at_mark_all()
        return self._mark()

    def _failed(self, reason: str, invalid: bool) -> None:
        self.said.append(("failed", reason))
        self.at_failure()

    def diverges(self) -> int:
        return self.checkpoints.request("a divergence")

    def after(self, seconds: float) -> list[object]:
        """What is newly said within so long."""
        self.said.clear()
        for _ in range(round(seconds * 10)):
            self.reactor.advance(0.1)
        return self.new

    @property
    def new(self) -> list[object]:
        said = list(self.said)
        self.said.clear()
        return said

    @property
    def is_idle(self) -> bool:
        return self.checkpoints.phase is Phase.IDLE and self.reactor.getDelayedCalls() == []

    @property
    def counted(self) -> dict[str, int]:
        return {name: value for name, value in self.checkpoints.counters.rows() if value and name != "last_ms"}


@pytest.fixture
def comparer() -> Comparer:
    return Comparer()


@pytest.fixture
def xen() -> Comparer:
    return Comparer(pauses_primary=True)


def ignore(comparer: Comparer) -> tuple[str, bytes]:
    return ("ignore", comparer.peer.nonces[-1])


# with a colo-peer


def test_begin_then_the_checkpointer_then_done_and_only_then_the_flush(comparer: Comparer) -> None:
    comparer.diverges()
    assert comparer.new == ["BEGIN 1"]
    comparer.peer.answers()
    assert comparer.new == [ignore(comparer), "make 1"]
    comparer.checkpointer.ends(Outcome.DONE)
    assert comparer.new == ["DONE 1"]
    comparer.peer.answers()
    assert comparer.new == [("flush", 1)]
    assert comparer.is_idle
    assert comparer.counted == {"requested": 1, "begun": 1, "done": 1}


def test_what_is_flushed_had_come_before_begin_was_sent(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.came = 100
    comparer.peer.answers()
    comparer.checkpointer.ends(Outcome.DONE)
    comparer.came = 200
    comparer.peer.answers()
    assert comparer.new[-1] == ("flush", 1)


def test_it_all_works_when_everybody_answers_at_once(comparer: Comparer) -> None:
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    for number in (1, 2):
        comparer.diverges()
        assert comparer.new == [
            f"BEGIN {number}",
            ignore(comparer),
            f"make {number}",
            f"DONE {number}",
            ("flush", number),
        ]
    assert comparer.is_idle


def test_each_has_a_number_and_a_nonce_of_its_own(comparer: Comparer) -> None:
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    for _ in range(3):
        comparer.diverges()
    assert len(set(comparer.peer.nonces)) == 3
    assert all(len(nonce) == 16 for nonce in comparer.peer.nonces)


def test_numbers_do_not_come_again_after_a_restart(comparer: Comparer) -> None:
    before = round(time.time() * 1000)
    fakes: Any = (comparer.checkpointer, None)
    Checkpoints(comparer.reactor, Reporter("c"), *fakes, 0.0, REPEAT, TIMEOUT, comparer.checkpoints._hooks).request("")
    assert before - 1 <= int(str(comparer.new[0]).split()[1]) <= time.time() * 1000


def test_done_carries_the_offsets_of_the_primarys_own_rewriter(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.peer.answers()
    comparer.offsets = {b"k": Offsets(1, 2)}
    comparer.checkpointer.ends(Outcome.DONE)
    assert comparer.peer.offsets == [{b"k": Offsets(1, 2)}]


def test_how_long_it_took_is_said_and_counted(comparer: Comparer) -> None:
    with capturedLogs() as events:
        comparer.diverges()
        comparer.peer.answers()
        comparer.reactor.advance(1.25)
        comparer.checkpointer.ends(Outcome.DONE)
        comparer.peer.answers()
    assert [formatEvent(event) for event in events] == [
        "colo-compare comp0: checkpoint 1 begins: a divergence",
        "colo-compare comp0: checkpoint 1 is done, in 1.250 s",
    ]
    assert comparer.checkpoints.counters.last_ms == 1250


# one at a time, and not too often


@pytest.mark.parametrize(("answers", "number"), [(0, 1), (1, 1), (2, 2)])
def test_where_the_primary_stands_still_the_one_under_way_may_be_enough(
    xen: Comparer, answers: int, number: int
) -> None:
    assert xen.diverges() == 1
    steps: list[Callable[[], None]] = [xen.peer.answers, lambda: xen.checkpointer.ends(Outcome.DONE)]
    for step in steps[:answers]:
        step()
    assert xen.diverges() == number
    for step in steps[answers:]:
        step()
    xen.peer.answers()
    assert ("BEGIN 2" in xen.new) is (number == 2)


def test_one_that_nobody_asked_for_does_not_settle_what_came_after_it(xen: Comparer) -> None:
    xen.diverges()
    xen.checkpointer.unasked()
    assert xen.diverges() == 2


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_request_while_one_is_under_way_leads_to_another_afterwards(comparer: Comparer, answers: int) -> None:
    comparer.diverges()
    steps: list[Callable[[], None]] = [
        comparer.peer.answers,
        lambda: comparer.checkpointer.ends(Outcome.DONE),
        comparer.peer.answers,
    ]
    for step in steps[:answers]:
        step()
    comparer.said.clear()
    assert (comparer.diverges(), comparer.diverges()) == (2, 2)
    assert comparer.new == []
    for step in steps[answers:]:
        step()
    assert comparer.new[-2:] == [("flush", 1), "BEGIN 2"]
    for step in steps:
        step()
    assert comparer.new[-1] == ("flush", 2)
    assert comparer.is_idle


def test_no_more_often_than_min_interval_and_then_as_soon_as_allowed() -> None:
    comparer = Comparer(min_interval=5.0)
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    comparer.diverges()
    assert "BEGIN 1" in comparer.new
    assert (comparer.diverges(), comparer.diverges()) == (2, 2)
    assert comparer.after(4.9) == []
    assert comparer.after(0.2)[0] == "BEGIN 2"
    assert comparer.after(60) == []
    comparer.diverges()
    assert comparer.new[0] == "BEGIN 3"


def test_a_request_during_one_waits_for_min_interval_too() -> None:
    comparer = Comparer(min_interval=5.0)
    comparer.diverges()
    comparer.diverges()
    comparer.peer.answers()
    comparer.checkpointer.ends(Outcome.DONE)
    comparer.peer.answers()
    assert comparer.new[-1] == ("flush", 1)
    assert comparer.after(4.9) == []
    assert comparer.after(0.2) == ["BEGIN 2"]


def test_a_long_min_interval_holds_nobody_for_longer_than_checkpoint_timeout() -> None:
    comparer = Comparer(min_interval=60.0)
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    comparer.diverges()
    comparer.said.clear()
    comparer.diverges()
    assert comparer.after(9.9) == []
    assert comparer.after(0.2) == [("failed", "none was made within 10 s: checkpoint_min_interval forbids it")]
    assert comparer.after(50)[0] == "BEGIN 2"


def test_a_clock_that_is_put_back_delays_by_no_more_than_min_interval() -> None:
    comparer = Comparer(min_interval=5.0)
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    comparer.reactor.rightNow = 1000.0
    comparer.diverges()
    comparer.reactor.rightNow = 0.0
    comparer.diverges()
    assert comparer.after(5.1)[0] == "BEGIN 2"


# failure


@pytest.mark.parametrize(
    ("outcome", "abort", "counter"),
    [(Outcome.UNCHANGED, "ABORT 1 unchanged", "unchanged"), (Outcome.FAILED, "ABORT 1", "failed")],
)
def test_a_checkpointer_that_fails_leads_to_abort(
    comparer: Comparer, outcome: Outcome, abort: str, counter: str
) -> None:
    comparer.diverges()
    comparer.peer.answers()
    comparer.said.clear()
    comparer.checkpointer.ends(outcome)
    assert comparer.new == [abort, ("failed", f"the checkpointer says: {outcome.value}")]
    assert comparer.is_idle
    assert comparer.counted == {"requested": 1, "begun": 1, counter: 1}
    comparer.diverges()
    assert comparer.new == ["BEGIN 2"]


def test_begin_is_repeated_and_given_up_as_unchanged(comparer: Comparer) -> None:
    comparer.diverges()
    nonce = comparer.peer.nonces[0]
    assert comparer.after(9.5) == ["BEGIN 1"] * 3
    assert set(comparer.peer.nonces) == {nonce}
    assert comparer.after(1) == [
        "ABORT 1 unchanged",
        ("failed", "none was made within 10 s: the secondary has not answered BEGIN"),
    ]
    assert comparer.is_idle
    comparer.peer.answers()
    assert comparer.new == []
    assert comparer.counted == {"requested": 1, "begun": 1, "unchanged": 1, "timed_out": 1, "repeated": 3}


def test_answers_to_repeated_ones_count_once(comparer: Comparer) -> None:
    comparer.diverges()
    assert comparer.after(6.5) == ["BEGIN 1"] * 2
    comparer.peer.answers()
    assert comparer.new == [ignore(comparer), "make 1"]
    assert comparer.after(1) == []


def test_a_checkpointer_that_takes_too_long_is_cancelled_and_a_late_success_ignored(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.peer.answers()
    assert comparer.after(9.9) == []
    assert comparer.after(0.2) == [
        "cancel",
        "ABORT 1",
        ("failed", "none was made within 10 s: the checkpointer has not ended"),
    ]
    assert comparer.is_idle


def test_a_success_that_comes_with_the_cancel_is_ignored(comparer: Comparer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparer.checkpointer, "cancel", lambda: comparer.checkpointer.ends(Outcome.DONE))
    comparer.diverges()
    comparer.peer.answers()
    assert comparer.after(10.1) == [
        "ABORT 1",
        ("failed", "none was made within 10 s: the checkpointer has not ended"),
    ]


def test_done_is_repeated_and_given_up_without_an_abort_as_it_was_made(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.peer.answers()
    comparer.checkpointer.ends(Outcome.DONE)
    assert comparer.after(9.5) == ["DONE 1"] * 3
    assert comparer.after(1) == [("failed", "none was made within 10 s: the secondary has not answered DONE")]
    assert comparer.is_idle


@pytest.mark.parametrize(
    ("answers", "cancelled"), [(0, []), (1, ["cancel"]), (2, [])], ids=["beginning", "making", "ending"]
)
def test_a_secondary_that_goes_ends_it_and_the_command_is_killed(
    comparer: Comparer, answers: int, cancelled: list[object]
) -> None:
    comparer.diverges()
    if answers > 0:
        comparer.peer.answers()
    if answers > 1:
        comparer.checkpointer.ends(Outcome.DONE)
    comparer.said.clear()
    comparer.peer.goes()
    assert comparer.new == [*cancelled, ("failed", "the secondary is gone")]
    assert comparer.is_idle
    assert comparer.checkpoints.counters.failed == 1


def test_a_secondary_that_comes_as_new_ends_it_too(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.peer.answers()
    for watcher in comparer.peer.watchers:
        watcher(False)
        watcher(True)
    assert comparer.new[-2:] == ["cancel", ("failed", "the secondary is gone")]
    comparer.diverges()
    assert comparer.new == ["BEGIN 2"]


def test_a_peer_that_comes_and_goes_otherwise_is_nothing(comparer: Comparer) -> None:
    comparer.peer.goes()
    comparer.peer.watchers[0](True)
    assert comparer.new == []


def test_without_its_peer_there_is_none(comparer: Comparer) -> None:
    comparer.peer.connected = False
    comparer.diverges()
    assert comparer.new == [("failed", "the colo-peer is not connected")]
    assert comparer.is_idle


def test_more_offsets_than_can_be_carried_stop_none(comparer: Comparer) -> None:
    """Before the secondary's guest is touched: it follows what it followed."""
    comparer.offsets = {bytes([key]): Offsets(key, 0) for key in range(3)}
    comparer.diverges()
    ((outcome, why),) = comparer.new
    assert outcome == "failed"
    assert "rewrites more than 2 connections" in str(why)
    del comparer.offsets[b"\0"]
    comparer.diverges()
    assert comparer.new == ["BEGIN 2"]


def test_a_request_during_one_that_fails_leads_to_another(comparer: Comparer) -> None:
    comparer.diverges()
    comparer.peer.answers()
    comparer.diverges()
    comparer.checkpointer.ends(Outcome.FAILED)
    assert comparer.new[-1] == "BEGIN 2"


def test_a_request_made_by_the_failure_itself_is_one_more(comparer: Comparer) -> None:
    comparer.at_failure = comparer.diverges
    comparer.diverges()
    comparer.peer.answers()
    comparer.diverges()
    comparer.checkpointer.ends(Outcome.FAILED)
    assert comparer.new[-1] == "BEGIN 2"
    comparer.at_failure = lambda: None
    comparer.peer.answers()
    comparer.checkpointer.ends(Outcome.DONE)
    comparer.peer.answers()
    assert comparer.new[-2:] == [("flush", 2), "BEGIN 3"]


@pytest.mark.parametrize(
    ("answers", "said"), [(0, ["ABORT 1 unchanged"]), (1, ["cancel", "ABORT 1"]), (2, [])], ids=str
)
def test_what_stops_gives_up_the_one_under_way(comparer: Comparer, answers: int, said: list[object]) -> None:
    comparer.diverges()
    comparer.diverges()
    if answers > 0:
        comparer.peer.answers()
    if answers > 1:
        comparer.checkpointer.ends(Outcome.DONE)
    comparer.said.clear()
    comparer.checkpoints.stop()
    assert comparer.new == said
    assert comparer.is_idle
    comparer.checkpoints.stop()
    assert comparer.new == []


def test_what_stops_asks_for_no_later_one() -> None:
    comparer = Comparer(min_interval=5.0)
    comparer.peer.at_once = True
    comparer.checkpointer.at_once = Outcome.DONE
    comparer.diverges()
    comparer.diverges()
    comparer.checkpoints.stop()
    assert comparer.is_idle


def test_what_has_stopped_begins_none_whoever_asks(xen: Comparer) -> None:
    xen.checkpoints.stop()
    xen.checkpointer.unasked()
    xen.diverges()
    assert xen.new == []
    assert xen.peer.watchers == []
    assert xen.counted == {}


@pytest.mark.parametrize(
    ("answers", "said", "counter"),
    [(0, ["ABORT 1 unchanged"], "unchanged"), (1, ["cancel", "ABORT 1"], "failed"), (2, [], "failed")],
    ids=str,
)
def test_one_that_is_given_up_leaves_room_for_the_next(
    comparer: Comparer, answers: int, said: list[object], counter: str
) -> None:
    comparer.diverges()
    comparer.diverges()
    if answers > 0:
        comparer.peer.answers()
    if answers > 1:
        comparer.checkpointer.ends(Outcome.DONE)
    comparer.said.clear()
    comparer.checkpoints.give_up()
    assert comparer.new == said
    assert comparer.is_idle
    assert comparer.counted == {"requested": 2, "begun": 1, counter: 1}
    comparer.diverges()
    assert comparer.new == ["BEGIN 2"]


# other intervals and time-outs


def test_begin_is_repeated_in_another_interval(comparer: Comparer) -> None:
    comparer.diverges()
    assert comparer.after(1) == []
    comparer.checkpoints.change(0.0, 2.0, TIMEOUT)
    assert comparer.after(0.9) == []
    assert comparer.after(0.2) == ["BEGIN 1"]
    assert comparer.after(2.0) == ["BEGIN 1"]


@pytest.mark.parametrize("timeout", [2.0, 20.0])
def test_another_time_out_counts_from_the_request(comparer: Comparer, timeout: float) -> None:
    comparer.diverges()
    comparer.peer.answers()
    comparer.after(1)
    comparer.checkpoints.change(0.0, REPEAT, timeout)
    assert comparer.after(timeout - 1.1) == []
    assert comparer.after(0.2)[-1] == ("failed", f"none was made within {timeout:g} s: the checkpointer has not ended")


@pytest.mark.parametrize(("interval", "waits"), [(0.0, 0.0), (2.0, 1.0), (30.0, 29.0)])
def test_another_least_interval_counts_from_the_last_ones_beginning(interval: float, waits: float) -> None:
    comparer = Comparer(peer=False, min_interval=10.0)
    comparer.checkpointer.at_once = Outcome.DONE
    comparer.diverges()
    comparer.after(1)
    comparer.diverges()
    comparer.checkpoints.change(interval, REPEAT, 100.0)
    comparer.after(max(0.0, waits - 0.1))
    assert "make 2" not in comparer.said
    comparer.after(0.2)
    assert comparer.checkpoints.counters.begun == 2


def test_the_first_one_need_not_wait_however_long_the_interval_becomes() -> None:
    comparer = Comparer(peer=False)
    comparer.checkpoints.change(1000.0, REPEAT, TIMEOUT)
    comparer.diverges()
    assert comparer.new == ["make 1"]


def test_without_a_checkpointer_compare_timeout_is_what_changes() -> None:
    comparer = Comparer(checkpointer=False)
    comparer.diverges()
    comparer.checkpoints.change(0.0, 1.0, TIMEOUT)
    assert comparer.after(0.9) == []
    assert comparer.after(0.2) == [("failed", "there is no checkpointer")]


def test_a_change_alone_begins_nothing(comparer: Comparer) -> None:
    comparer.checkpoints.change(1.0, 1.0, 1.0)
    assert comparer.is_idle


# without a colo-peer, without a checkpointer


def test_without_a_colo_peer_the_checkpointer_alone_decides_and_no_marker_is_awaited() -> None:
    comparer = Comparer(peer=False)
    comparer.diverges()
    assert comparer.new == ["make 1"]
    comparer.came = 100
    comparer.checkpointer.ends(Outcome.DONE)
    assert comparer.new == [("flush", 1)]
    assert comparer.is_idle


@pytest.mark.parametrize("outcome", [Outcome.UNCHANGED, Outcome.FAILED])
def test_without_a_colo_peer_a_failure_is_one_of_the_checkpointer(outcome: Outcome) -> None:
    comparer = Comparer(peer=False)
    comparer.checkpointer.at_once = outcome
    comparer.diverges()
    assert comparer.new == ["make 1", ("failed", f"the checkpointer says: {outcome.value}")]
    assert comparer.is_idle


def test_without_a_colo_peer_it_is_bounded_in_time_too() -> None:
    comparer = Comparer(peer=False)
    comparer.diverges()
    assert comparer.after(10.1) == [
        "cancel",
        ("failed", "none was made within 10 s: the checkpointer has not ended"),
    ]


def test_without_a_checkpointer_start_up_says_so_once_and_flows_go_after_compare_timeout() -> None:
    comparer = Comparer(checkpointer=False)
    with capturedLogs() as events:
        comparer.checkpoints.start()
        comparer.diverges()
        assert comparer.after(2.9) == []
        comparer.diverges()
        assert comparer.after(0.2) == [("failed", "there is no checkpointer")]
        assert comparer.is_idle
        comparer.diverges()
        assert comparer.after(3.1) == [("failed", "there is no checkpointer")]
    assert [formatEvent(event) for event in events] == [
        "colo-compare comp0: there is no checkpointer: what diverges is let go, unprotected, after compare_timeout"
    ]


def test_with_a_checkpointer_start_up_says_nothing(comparer: Comparer) -> None:
    with capturedLogs() as events:
        comparer.checkpoints.start()
    assert events == []


# Xen: its primary stands still when it is done


def test_xens_flush_is_of_all_that_had_come_when_it_was_done(xen: Comparer) -> None:
    xen.diverges()
    xen.peer.answers()
    xen.came = 100
    xen.checkpointer.ends(Outcome.DONE)
    xen.came = 200
    xen.peer.answers()
    assert xen.new == ["BEGIN 1", ignore(xen), "make 1", "DONE 1", ("flush", 101)]


def test_what_was_asked_for_before_xen_was_done_needs_no_other(xen: Comparer) -> None:
    xen.diverges()
    xen.peer.answers()
    xen.diverges()
    xen.checkpointer.ends(Outcome.DONE)
    xen.peer.answers()
    assert xen.is_idle
    xen.diverges()
    xen.peer.answers()
    xen.checkpointer.ends(Outcome.DONE)
    xen.diverges()
    xen.peer.answers()
    assert xen.new[-1] == "BEGIN 3"


def test_xen_without_a_colo_peer() -> None:
    xen = Comparer(peer=False, pauses_primary=True)
    xen.diverges()
    xen.came = 100
    xen.checkpointer.ends(Outcome.DONE)
    assert xen.new == ["make 1", ("flush", 101)]


def test_one_of_xens_that_nobody_asked_for_is_begun_and_done_right_then(xen: Comparer) -> None:
    xen.came = 100
    xen.checkpointer.unasked()
    xen.came = 200
    assert xen.new == ["BEGIN 1"]
    xen.peer.answers()
    assert xen.new == [ignore(xen), "DONE 1"]
    xen.peer.answers()
    assert xen.new == [("flush", 101)]
    assert xen.is_idle
    assert xen.counted == {"begun": 1, "done": 1, "unasked": 1}


def test_an_unasked_one_without_a_colo_peer_is_a_flush() -> None:
    xen = Comparer(peer=False, pauses_primary=True)
    xen.checkpointer.unasked()
    assert xen.new == [("flush", 1)]
    assert xen.is_idle


def test_an_unasked_one_while_begin_waits_saves_the_asking(xen: Comparer) -> None:
    xen.diverges()
    xen.came = 100
    xen.checkpointer.unasked()
    xen.came = 200
    xen.peer.answers()
    xen.peer.answers()
    assert xen.new == ["BEGIN 1", ignore(xen), "DONE 1", ("flush", 101)]
    assert xen.is_idle


def test_an_unasked_one_while_done_waits_follows_it(xen: Comparer) -> None:
    xen.diverges()
    xen.peer.answers()
    xen.checkpointer.ends(Outcome.DONE)
    xen.came = 100
    xen.checkpointer.unasked()
    xen.came = 200
    xen.said.clear()
    xen.peer.answers()
    assert xen.new == [("flush", 2), "BEGIN 2"]
    xen.peer.answers()
    xen.peer.answers()
    assert xen.new == [ignore(xen), "DONE 2", ("flush", 101)]
    assert xen.is_idle


def test_an_unasked_one_serves_a_request_that_min_interval_delays() -> None:
    xen = Comparer(pauses_primary=True, min_interval=5.0)
    xen.peer.at_once = True
    xen.checkpointer.at_once = Outcome.DONE
    xen.diverges()
    xen.diverges()
    xen.checkpointer.unasked()
    assert xen.new[-1] == ("flush", 3)
    assert xen.is_idle


def test_an_unasked_one_is_bounded_in_time_too(xen: Comparer) -> None:
    xen.checkpointer.unasked()
    assert xen.after(10.1)[-2:] == [
        "ABORT 1 unchanged",
        ("failed", "none was made within 10 s: the secondary has not answered BEGIN"),
    ]
    assert xen.is_idle


def test_an_unasked_one_without_its_peer_settles_nothing(xen: Comparer) -> None:
    xen.peer.connected = False
    xen.checkpointer.unasked()
    assert xen.new == [("failed", "the colo-peer is not connected")]
    assert xen.is_idle


# with two real colo-peers


def both_sides() -> tuple[Comparer, Side, Side]:
    comparer = Comparer()
    primary, secondary = Side("primary"), Side("secondary")
    primary.joined(secondary)
    hooks = comparer.checkpoints._hooks
    checkpointer: Any = comparer.checkpointer
    comparer.checkpoints = Checkpoints(
        comparer.reactor, Reporter("comp0"), checkpointer, primary.peer, 0.0, REPEAT, TIMEOUT, hooks, first_number=5
    )
    return comparer, primary, secondary


def test_the_marker_that_the_secondary_sends_is_the_one_that_is_awaited() -> None:
    comparer, primary, secondary = both_sides()
    comparer.diverges()
    flow(primary.end, secondary.end)
    assert secondary.told == [("begin",)]
    comparer.checkpointer.ends(Outcome.DONE)
    flow(primary.end, secondary.end)
    _, offsets, marker = secondary.told[-1]
    assert offsets == {}
    assert comparer.new == [("ignore", find_marker(marker)), "make 5", ("flush", 1)]


def test_both_sides_know_how_a_failure_ended() -> None:
    comparer, primary, secondary = both_sides()
    comparer.checkpointer.at_once = Outcome.FAILED
    comparer.diverges()
    flow(primary.end, secondary.end)
    assert secondary.told == [("begin",), ("abort", False)]
    assert secondary.peer.invalid == "checkpoint 5 failed"
    assert comparer.is_idle


def test_a_secondary_that_dies_meanwhile_kills_the_command_and_is_invalid_itself() -> None:
    comparer, primary, secondary = both_sides()
    comparer.diverges()
    flow(primary.end, secondary.end)
    pull(primary.end)
    assert comparer.new[1:] == ["make 5", "cancel", ("failed", "the secondary is gone")]
    assert secondary.told == [("begin",), ("abort", False)]
    assert comparer.is_idle
