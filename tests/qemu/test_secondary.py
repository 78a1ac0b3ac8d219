"""The secondary's colo-qemu with a real replica and rewriter: what its guest is at each moment, what leaves of it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from colo_twisted.failover.phases import Phase, Turn
from colo_twisted.interfaces import IChangeable, ICopy, IHypervisor, IRetiring
from colo_twisted.qemu.secondary import BEGIN_SECONDS, IMMINENT_SECONDS, KNOW_SECONDS, SETTLE_SECONDS
from tests.support.qemu_secondary import Pair
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import Segment
from tests.support.wires import results

LOSE = "x-colo-lost-heartbeat"
A_LITTLE = 0.1


@pytest.fixture
def pair() -> Pair:
    """Both are there, and the guests are under COLO, for long enough that nothing of before is under way."""
    pair = Pair()
    assert pair.made.connected
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    pair.qemu.commands()
    return pair


def known(pair: Pair) -> tuple[Phase, Turn, bool]:
    return pair.replica.phase, pair.replica.turn, pair.replica.invalid is None


def come_to(pair: Pair, moment: str) -> None:
    """A checkpoint has begun by the primary's word, and comes so far."""
    pair.begin(5)
    pair.says("old")
    if moment != "before STOP":
        pair.stops()
    if moment == "after RESUME":
        pair.runs()
        pair.says("new")


def test_it_is_a_copy_of_the_guest_that_says_what_it_does(pair: Pair) -> None:
    for interface in (ICopy, IHypervisor, IChangeable, IRetiring):
        assert verifyObject(interface, pair.made)
    assert pair.made.tells


# asked for


def test_asked_for_the_old_guests_words_are_dropped_and_the_new_ones_kept_until_done(pair: Pair) -> None:
    assert pair.begin(5) == [True]
    pair.says("old 1")
    pair.stops()
    pair.says("old 2")
    pair.runs()
    pair.says("new 1")
    assert pair.out == []
    assert pair.done(5) == [True]
    pair.says("new 2")
    assert pair.out == ["MARKER", "new 1", "new 2"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


def test_what_stands_in_the_kernel_at_stop_is_the_old_guests(pair: Pair) -> None:
    pair.begin(5)
    pair.guest.says(b"\x02" * 60)
    pair.stops()
    assert pair.guest.kernel == []
    pair.runs()
    pair.done(5)
    assert pair.out == ["MARKER"]


def test_clients_words_wait_for_the_new_guest(pair: Pair) -> None:
    pair.begin(5)
    pair.hears("1")
    pair.turns()
    pair.hears("2")
    assert pair.given == []
    pair.done(5)
    assert pair.given == ["1", "2"]


def test_done_that_comes_before_resume_was_read_finds_it_in_the_kernel(pair: Pair) -> None:
    pair.begin(5)
    pair.stops()
    pair.qemu.runs()
    answers = results(pair.primary.peer.done(5, {}))
    pair.primary.end.flow()
    pair.end.flow()
    assert answers == [True]
    assert pair.made.counters.checkpoints == 1


def test_done_that_comes_before_resume_was_said_is_answered_then(pair: Pair) -> None:
    pair.begin(5)
    pair.stops()
    answers = pair.done(5)
    assert answers == []
    assert known(pair) == (Phase.BEGUN, Turn.CHANGING, True)
    pair.runs()
    assert answers == [True]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


@pytest.mark.parametrize("moment", ["no pause here", "a pause here too", "a pause here, and on"])
def test_done_of_an_operators_pause_is_never_answered(pair: Pair, moment: str) -> None:
    pair.begin(5)
    if moment != "no pause here":
        pair.qemu.pauses()
        pair.settle()
    if moment == "a pause here, and on":
        pair.runs()
    answers = pair.done(5)
    pair.wait(5)
    assert answers == []
    assert pair.replica.phase is Phase.BEGUN
    assert not pair.flows
    pair.qemu.status = "running"
    pair.turns()
    assert answers == [True]


def test_without_qmp_the_primarys_word_is_taken(pair: Pair) -> None:
    pair.qmp_lost()
    pair.begin(5)
    pair.says("old")
    assert pair.done(5) == [True]
    assert pair.out == ["MARKER"]


@pytest.mark.parametrize("moment", ["before STOP", "after STOP", "after RESUME"])
def test_qmp_that_is_lost_in_the_middle_leaves_it_to_the_primary(pair: Pair, moment: str) -> None:
    pair.begin(5)
    if moment != "before STOP":
        pair.stops()
    if moment == "after RESUME":
        pair.runs()
    pair.qmp_lost()
    assert pair.done(5) == [True]
    assert known(pair)[::2] == (Phase.DONE, True)


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_what_may_have_happened_while_qmp_was_away_is_not_taken_for_nothing(pair: Pair, moment: str) -> None:
    """The guest may have become another meanwhile, whatever is heard now."""
    pair.begin(5)
    if moment == "after STOP":
        pair.stops()
    pair.qmp_lost()
    pair.qemu.status = "running"
    pair.qmp_back()
    assert pair.made.connected
    assert known(pair) == (Phase.BEGUN, Turn.UNKNOWN, True)
    pair.lose_primary()
    assert pair.replica.invalid == "the primary was lost between BEGIN and DONE of checkpoint 5"
    assert not pair.flows


def test_one_that_begins_once_qmp_is_back_is_heard_whole(pair: Pair) -> None:
    pair.begin(5)
    pair.qmp_lost()
    pair.qmp_back()
    pair.turns()
    assert known(pair)[1] is Turn.NEW
    assert pair.done(5) == [True]


def test_stop_and_resume_that_are_heard_at_once_drop_all_that_was_read_by_then(pair: Pair) -> None:
    pair.begin(5)
    pair.says("old")
    pair.qemu.begins()
    pair.qemu.runs()
    pair.guest.says(b"\x02" * 60)
    pair.settle()
    assert pair.made.counters.missed == 1
    pair.says("new")
    assert pair.done(5) == [True]
    assert pair.out == ["MARKER", "new"]


def test_a_second_one_before_done_drops_the_first_new_guests_words_too(pair: Pair) -> None:
    pair.begin(5)
    pair.turns()
    pair.says("new")
    pair.turns()
    pair.says("newer")
    pair.done(5)
    assert pair.out == ["MARKER", "newer"]


def test_two_that_were_made_before_the_first_ones_done_are_both_ended(pair: Pair) -> None:
    """A primary that is busy speaks of the second when this guest has long been that one."""
    pair.begin(5)
    pair.turns()
    pair.turns()
    assert pair.done(5) == [True]
    assert pair.out == ["MARKER"]
    pair.open_connection()
    pair.begin(6)
    assert pair.done(6) == [True]
    assert pair.out == ["MARKER"]
    pair.says_segment(Segment(5001, 101, payload=b"the same guest"))
    assert pair.out == ["3001 the same guest"]
    pair.begin(7)
    assert pair.done(7) == []


def test_what_the_primary_does_not_speak_of_before_long_was_in_the_one_before(pair: Pair) -> None:
    pair.begin(5)
    pair.turns()
    pair.turns()
    pair.done(5)
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    pair.begin(6)
    assert pair.done(6) == []
    pair.turns()
    assert pair.unanswered == []


# aborted


@pytest.mark.parametrize("unchanged", [True, False])
def test_aborted_before_stop_the_guest_is_as_it_was(pair: Pair, unchanged: bool) -> None:
    """Whatever the primary knows of that: this side's QEMU has said nothing."""
    pair.begin(5)
    pair.says("old")
    assert pair.abort(5, unchanged) == [True]
    assert pair.out == ["old"]
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)
    assert pair.abort(5, unchanged) == [True]


@pytest.mark.parametrize("unchanged", [True, False])
@pytest.mark.parametrize("end", ["RESUME", "COLO_EXIT"])
def test_aborted_while_the_guest_is_made_anew_its_qemu_has_the_last_word(pair: Pair, unchanged: bool, end: str) -> None:
    pair.begin(5)
    pair.says("old")
    pair.stops()
    assert pair.abort(5, unchanged) == [True]
    assert known(pair) == (Phase.UNASKED, Turn.CHANGING, True)
    assert not pair.flows
    if end == "RESUME":
        pair.runs()
        pair.says("new")
        assert pair.out == []
        pair.wait(BEGIN_SECONDS + A_LITTLE)
        assert pair.out == ["new"]
    else:
        pair.exits()
        assert pair.out == ["old", "a word"]
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)
    assert pair.flows
    assert pair.abort(5, unchanged) == [True]


@pytest.mark.parametrize("unchanged", [True, False])
def test_aborted_after_resume_the_guest_is_the_new_one(pair: Pair, unchanged: bool) -> None:
    pair.open_connection()
    pair.begin(5)
    pair.turns()
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    for _ in range(2):
        assert pair.abort(5, unchanged) == [True]
    assert pair.out == ["MARKER", "3001 new"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


@pytest.mark.parametrize(("unchanged", "valid"), [(True, True), (False, False)])
def test_aborted_without_qmp_the_primarys_word_is_taken(pair: Pair, unchanged: bool, valid: bool) -> None:
    pair.begin(5)
    pair.stops()
    pair.qmp_lost()
    assert pair.abort(5, unchanged) == [True]
    assert known(pair)[::2] == (Phase.ABORTED, valid)
    assert pair.flows is valid


def test_a_checkpoint_that_took_too_long_is_ended_by_the_next_ones_done(pair: Pair) -> None:
    """The comparer gave it up, heard of it as unasked, and begins another for it."""
    pair.begin(5)
    pair.stops()
    pair.abort(5, False)
    pair.runs()
    pair.says("new")
    assert pair.begin(6) == [True]
    assert pair.done(6) == [True]
    assert pair.out == ["MARKER", "new"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


@pytest.mark.parametrize("moment", ["before STOP", "after STOP", "after RESUME"])
def test_aborted_by_a_primary_whose_qemu_has_died_it_can_take_over(pair: Pair, moment: str) -> None:
    """COLO_EXIT is heard before ABORT: the guest stays what it is then."""
    come_to(pair, moment)
    pair.exits()
    assert not pair.made.connected
    assert pair.abort(5, False) == [True]
    assert pair.replica.why_not is None
    assert pair.out == (["MARKER", "new"] if moment == "after RESUME" else ["old"])


# by itself


def test_unasked_its_traffic_stands_still_until_the_primary_has_begun_and_done(pair: Pair) -> None:
    pair.stops()
    assert pair.replica.condition(True) == ("checkpointing", "its QEMU makes one by itself")
    pair.says("old")
    pair.runs()
    pair.says("new 1")
    assert pair.begin(5) == [True]
    pair.says("new 2")
    assert pair.out == []
    assert pair.done(5) == [True]
    assert pair.out == ["MARKER", "new 1", "new 2"]


def test_what_is_read_at_stop_is_not_let_through_for_it_may_be_the_new_guests(pair: Pair) -> None:
    pair.open_connection()
    pair.qemu.begins()
    pair.qemu.runs()
    pair.guest.says(Segment(3001, 101, payload=b"new").packet(GUEST, CLIENT))
    pair.settle()
    assert pair.out == []


def test_an_operators_pause_loses_nothing_of_what_was_read_at_stop(pair: Pair) -> None:
    pair.guest.says(b"\x02" * 60)
    pair.qemu.pauses()
    pair.settle()
    assert len(pair.network.packets) == 1
    pair.runs()
    assert known(pair) == (Phase.NONE, Turn.OLD, True)
    assert pair.flows


@pytest.mark.parametrize("moment", ["STOP", "RESUME"])
def test_begin_that_comes_while_it_makes_one_by_itself_is_of_that(pair: Pair, moment: str) -> None:
    pair.stops()
    if moment == "RESUME":
        pair.runs()
        pair.says("new")
    assert pair.begin(5) == [True]
    if moment == "STOP":
        pair.says("old")
        pair.runs()
        pair.says("new")
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    assert pair.out == []
    assert pair.done(5) == [True]
    assert pair.out == ["MARKER", "new"]


def test_without_a_word_of_the_primarys_it_goes_on_with_the_new_guest(pair: Pair) -> None:
    pair.open_connection()
    pair.stops()
    pair.says_segment(Segment(5001, 101, payload=b"old"))
    pair.runs()
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    assert pair.out == ["3001 new"]
    assert known(pair) == (Phase.NONE, Turn.OLD, True)
    assert pair.peer.counters.unasked == 1


def test_a_pause_that_neither_side_can_explain_makes_it_invalid_until_the_next_one(pair: Pair) -> None:
    """An operator's stop and cont, one upon the other, or a checkpoint: nobody knows."""
    pair.qemu.begins()
    pair.qemu.runs()
    pair.settle()
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    assert pair.replica.invalid == "it stood still, and neither its QEMU nor the primary has said what for"
    assert not pair.flows
    pair.begin(5)
    pair.turns()
    pair.done(5)
    assert known(pair)[::2] == (Phase.DONE, True)


def test_an_operators_pause_after_one_that_was_made_undoes_nothing(pair: Pair) -> None:
    pair.turns()
    pair.says("new")
    pair.qemu.pauses()
    pair.settle()
    assert known(pair) == (Phase.UNASKED, Turn.NEW, True)
    pair.runs()
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    assert pair.out == ["new"]
    assert known(pair) == (Phase.NONE, Turn.OLD, True)


@pytest.mark.parametrize("moment", ["after STOP", "after RESUME"])
def test_unasked_and_qmp_lost(pair: Pair, moment: str) -> None:
    pair.stops()
    if moment == "after RESUME":
        pair.runs()
        pair.says("new")
    pair.qmp_lost()
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    if moment == "after RESUME":
        assert pair.out == ["new"]
        assert known(pair)[::2] == (Phase.NONE, True)
        return
    assert pair.replica.invalid == "it was being made anew, and its QEMU can't be asked what it has made of it"
    assert not pair.flows
    pair.begin(5)
    assert pair.done(5) == [True]
    assert pair.flows


def test_one_that_was_missed_is_ended_by_the_primarys_word_though_qmp_is_back(pair: Pair) -> None:
    pair.open_connection()
    pair.qmp_lost()
    pair.turns()
    pair.qmp_back(at_once=True)
    assert pair.made.connected
    pair.begin(5)
    assert pair.done(5) == [True]
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    assert pair.out == ["MARKER", "3001 new"]


@pytest.mark.parametrize(("waits", "valid"), [(A_LITTLE, False), (BEGIN_SECONDS + A_LITTLE, True)])
def test_soon_after_qmp_was_away_a_primary_that_is_lost_in_one_may_have_made_it(
    pair: Pair, waits: float, valid: bool
) -> None:
    pair.qmp_lost()
    pair.qmp_back(at_once=True)
    pair.wait(waits)
    pair.begin(5)
    pair.lose_primary()
    pair.wait(1)
    assert (pair.replica.invalid is None) is valid


def test_invalid_it_stays_so_and_lets_nothing_through_though_its_qemu_makes_one(pair: Pair) -> None:
    pair.primary.peer.invalidate("it diverged")
    pair.settle()
    pair.begin(5)
    pair.abort(5, True)
    assert not pair.flows
    pair.stops()
    pair.hears("for the old one")
    pair.runs()
    pair.says("new")
    pair.wait(BEGIN_SECONDS + A_LITTLE)
    assert (pair.out, pair.given) == ([], [])
    assert not pair.flows
    assert pair.replica.invalid == "the primary says so: it diverged"


def test_what_makes_it_invalid_meanwhile_is_kept_without_the_unasked_one(pair: Pair, tmp_path: Any) -> None:
    path = tmp_path / "state"
    pair = Pair(f",state-file={path}")
    pair.stops()
    pair.primary.peer.invalidate("it diverged")
    pair.settle()
    assert '"unasked"' not in path.read_text()
    assert pair.replica.phase is Phase.UNASKED
    again = Pair(f",state-file={path}")
    assert again.replica.phase is Phase.NONE
    assert again.replica.invalid == "the primary says so: it diverged"


# the primary is lost


def test_lost_outside_of_a_checkpoint_nothing_changes(pair: Pair) -> None:
    pair.lose_primary()
    assert pair.flows
    assert known(pair)[::2] == (Phase.NONE, True)


def test_lost_before_stop_one_that_was_asked_for_may_be_imminent(pair: Pair) -> None:
    pair.begin(5)
    pair.says("old")
    pair.lose_primary()
    assert pair.replica.phase is Phase.ASKING
    assert pair.replica.why_not is not None
    pair.wait(IMMINENT_SECONDS + A_LITTLE)
    assert pair.out == ["old"]
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)
    assert pair.qemu.commands(LOSE) == []


def test_lost_while_an_operator_has_stopped_it_there_is_nothing_to_wait_for(pair: Pair) -> None:
    pair.begin(5)
    pair.qemu.pauses()
    pair.settle()
    pair.lose_primary()
    pair.wait(SETTLE_SECONDS + A_LITTLE)
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)
    assert pair.qemu.commands(LOSE) == []


def test_one_that_begins_then_is_waited_for(pair: Pair) -> None:
    pair.open_connection()
    pair.begin(5)
    pair.lose_primary()
    pair.stops()
    pair.wait(IMMINENT_SECONDS + A_LITTLE)
    assert pair.replica.phase is Phase.ASKING
    pair.runs()
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    assert pair.out == ["MARKER", "3001 new"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


@pytest.mark.parametrize("moment", ["before STOP", "after STOP"])
def test_lost_with_its_qemu_the_guest_is_as_it_was(pair: Pair, moment: str) -> None:
    pair.begin(5)
    pair.says("old")
    if moment == "after STOP":
        pair.stops()
    pair.lose_primary()
    pair.exits()
    assert pair.out == ["old"]
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)
    assert pair.replica.why_not is None


@pytest.mark.parametrize("moment", ["before STOP", "after STOP", "after RESUME"])
def test_lost_after_its_qemu_what_that_has_said_holds(pair: Pair, moment: str) -> None:
    """A host that dies silently is missed half a second after its QEMU."""
    come_to(pair, moment)
    pair.exits()
    pair.wait(1)
    pair.lose_primary()
    assert pair.out == (["MARKER", "new"] if moment == "after RESUME" else ["old"])
    assert pair.replica.why_not is None


def test_lost_after_resume_the_guest_is_the_new_one(pair: Pair) -> None:
    pair.open_connection()
    pair.begin(5)
    pair.says("old")
    pair.turns()
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    pair.lose_primary()
    assert pair.out == ["MARKER", "3001 new"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


def test_lost_while_resume_stands_in_the_kernel_the_guest_is_the_new_one(pair: Pair) -> None:
    pair.begin(5)
    pair.stops()
    pair.qemu.runs()
    pair.lose_primary()
    assert known(pair) == (Phase.DONE, Turn.OLD, True)


def test_lost_while_another_one_fails_after_the_first_the_guest_is_the_new_one(pair: Pair) -> None:
    pair.open_connection()
    pair.begin(5)
    pair.turns()
    pair.says_segment(Segment(3001, 101, payload=b"new"))
    pair.stops()
    pair.exits()
    pair.lose_primary()
    assert pair.out == ["MARKER", "3001 new"]
    assert known(pair)[::2] == (Phase.DONE, True)


@pytest.mark.parametrize("first", ["asked", "unasked"])
def test_lost_while_the_guest_is_made_anew_its_qemu_is_waited_for_and_then_ends_it(pair: Pair, first: str) -> None:
    if first == "asked":
        pair.begin(5)
    pair.stops()
    pair.says("old")
    pair.lose_primary()
    assert pair.peer.standing.reason.endswith("asking its QEMU")
    pair.wait(SETTLE_SECONDS - A_LITTLE)
    assert pair.qemu.commands(LOSE) == []
    pair.wait(2 * A_LITTLE)
    assert pair.qemu.commands(LOSE) == [LOSE]
    assert pair.out == ["old"]
    assert known(pair) == (Phase.ABORTED, Turn.OLD, True)


@pytest.mark.parametrize("first", ["asked", "unasked"])
def test_lost_while_the_guest_is_made_anew_it_may_become_the_new_one(pair: Pair, first: str) -> None:
    if first == "asked":
        pair.begin(5)
    pair.stops()
    pair.says("old")
    pair.lose_primary()
    pair.runs()
    pair.says("new")
    assert pair.out == ["MARKER", "new"]
    assert known(pair) == (Phase.DONE, Turn.OLD, True)
    pair.wait(KNOW_SECONDS + 1)
    assert pair.qemu.commands(LOSE) == []


@pytest.mark.parametrize("how", ["it hangs", "QMP is lost", "colo-qemu is removed"])
def test_lost_and_qemu_says_nothing_the_guest_is_invalid(pair: Pair, how: str) -> None:
    pair.begin(5)
    pair.stops()
    pair.lose_primary()
    if how == "it hangs":
        pair.qemu.hangs = True
        pair.wait(SETTLE_SECONDS + KNOW_SECONDS + A_LITTLE)
    elif how == "QMP is lost":
        pair.qmp_lost()
    else:
        pair.house.machine.remove("object", "qemu0")
    assert pair.replica.invalid is not None
    assert pair.replica.invalid.startswith("it was being made anew, and ")
    assert not pair.flows


def test_lost_after_an_unasked_one_it_goes_on_with_the_new_guest(pair: Pair) -> None:
    pair.turns()
    pair.says("new")
    pair.lose_primary()
    assert pair.out == ["new"]
    assert known(pair) == (Phase.NONE, Turn.OLD, True)


def test_a_primary_that_is_back_has_not_lost_its_qemu_the_copy(pair: Pair) -> None:
    """The talk's connection broke, and nothing else."""
    pair.begin(5)
    pair.stops()
    pair.lose_primary()
    pair.find_each_other()
    pair.begin(6)
    pair.wait(SETTLE_SECONDS + KNOW_SECONDS + A_LITTLE)
    assert pair.qemu.commands(LOSE) == []
    pair.runs()
    assert pair.done(6) == [True]
    assert known(pair)[::2] == (Phase.DONE, True)


def test_lost_without_qmp_nobody_knows(pair: Pair) -> None:
    pair.qmp_lost()
    pair.begin(5)
    pair.lose_primary()
    assert pair.replica.invalid == "the primary was lost between BEGIN and DONE of checkpoint 5"


# the take-over


def take_over(pair: Pair) -> None:
    pair.house.machine.colo.lose_heartbeat()
    pair.settle()


def test_at_a_take_over_qemu_is_told_first(pair: Pair) -> None:
    states: list[bool] = []
    pair.qemu.on[LOSE] = lambda: states.append(pair.rewriter.rewriter.following.alone)
    pair.lose_primary()
    take_over(pair)
    assert states == [False]
    assert pair.rewriter.rewriter.following.alone
    assert pair.flows
    pair.wait(5)
    assert pair.flows
    assert pair.qemu.commands(LOSE) == [LOSE]


def test_after_a_take_over_its_qemus_pause_is_no_checkpoint(pair: Pair) -> None:
    pair.open_connection()
    pair.lose_primary()
    take_over(pair)
    pair.wait(2)
    pair.says_segment(Segment(5001, 101, payload=b"answer"))
    assert pair.out[-1] == "3001 answer"


@pytest.mark.parametrize("moment", ["after STOP", "after RESUME"])
def test_the_new_guests_kept_output_leaves_at_a_take_over_and_nothing_of_the_old_ones(pair: Pair, moment: str) -> None:
    pair.open_connection()
    pair.begin(5)
    pair.says_segment(Segment(5001, 101, payload=b"old 1"))
    pair.stops()
    pair.says_segment(Segment(5006, 101, payload=b"old 2"))
    if moment == "after STOP":
        pair.lose_primary()
    pair.runs()
    pair.says_segment(Segment(3001, 101, payload=b"new 1"))
    if moment == "after RESUME":
        pair.lose_primary()
    take_over(pair)
    pair.says_segment(Segment(3006, 101, payload=b"new 2"))
    out = [each for each in pair.out if each[:1] in "35"]
    assert out[0] == "3001 new 1"
    assert out[-1] == "3006 new 2"
    assert not any("old" in each for each in out)


def test_a_guest_in_the_middle_can_not_take_over(pair: Pair) -> None:
    pair.stops()
    with pytest.raises(Exception, match="no take-over now: a checkpoint of its QEMU's own is under way"):
        take_over(pair)


# COLO, and what a secondary's QEMU must be before it is followed


def test_while_it_is_not_under_colo_it_joins_and_says_why() -> None:
    pair = Pair()
    pair.exits()
    pair.wait(1)
    assert (pair.peer.standing.state, pair.peer.standing.reason) == (
        "joining",
        "colo-qemu 'qemu0': COLO has ended there (COLO_EXIT: error)",
    )


def test_removed_it_says_no_more_what_becomes_of_the_guest(pair: Pair) -> None:
    pair.begin(5)
    pair.house.machine.remove("object", "qemu0")
    assert pair.done(5) == [True]
    assert pair.clock.getDelayedCalls()
    pair.begin(6)
    pair.lose_primary()
    assert pair.replica.invalid is not None


def test_removed_after_an_unasked_one_the_new_guest_goes_on(pair: Pair) -> None:
    pair.turns()
    pair.says("new")
    pair.house.machine.remove("object", "qemu0")
    assert pair.out == ["new"]


def test_each_change_is_a_line(pair: Pair) -> None:
    with capturedLogs() as events:
        pair.begin(5)
        pair.stops()
        pair.abort(5, False)
        pair.exits()
    assert [formatEvent(event) for event in events] == [
        "colo-peer p0: checkpoint 5 began: the guest's traffic is stopped",
        "colo-peer p0: checkpoint 5 was aborted: waiting for the guest's QEMU, which makes one",
        "colo-qemu qemu0: no checkpoint can be made: COLO has ended there (COLO_EXIT: error)",
    ]
