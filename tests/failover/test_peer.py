"""Two colo-peers on a wire: who is there, what is asked is answered or known to be lost, strangers change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from colo_twisted.failover import asking as asking_module
from colo_twisted.failover import talk as talk_module
from colo_twisted.failover.messages import Message, Reader, Type, encode
from colo_twisted.interfaces import IColoPeer
from colo_twisted.options import OptionError, StartError
from colo_twisted.packets.sequence import Offsets
from tests.support.fakes import batch_of
from tests.support.house import House
from tests.support.wires import TYPES, Side, flow, plug, pull, results

NONCE = bytes(range(16))


@pytest.fixture
def primary() -> Side:
    return Side("primary")


@pytest.fixture
def secondary() -> Side:
    return Side("secondary")


def lines(events: list[dict[str, object]]) -> list[str]:
    return [formatEvent(event) for event in events]  # type: ignore[arg-type]


def written(side: Side) -> list[Message]:
    """All messages that a side has sent."""
    reader = Reader()
    return [message for packet in side.end.packets if (message := reader.read(packet)) is not None]


def as_secondary(primary: Side, *messages: Message, incarnation: int = 99) -> None:
    """Messages come in as if a secondary had sent them."""
    for message in messages:
        fields = {**message.__dict__, "incarnation": incarnation}
        primary.end.deliver(batch_of(*encode(Message(**fields))))


WORD = {"timeout_ms": 500, "interval_ms": 100, "fit": True, "nonce": bytes(16)}
HELLO = Message(Type.HELLO, role="secondary", **WORD)  # type: ignore[arg-type]


# hello


def test_they_know_each_other_once_both_have_said_hello(primary: Side, secondary: Side) -> None:
    changes: list[bool] = []
    primary.peer.watchers.append(changes.append)
    assert verifyObject(IColoPeer, primary.peer)
    assert (primary.peer.role, secondary.peer.role) == ("primary", "secondary")
    plug(primary.end, secondary.end)
    assert not primary.peer.connected
    flow(primary.end, secondary.end)
    assert primary.peer.connected
    assert secondary.peer.connected
    assert changes == [True]
    assert primary.peer.hello is not None
    assert (primary.peer.hello.incarnation, primary.peer.hello.role) == (secondary.peer.incarnation, "secondary")
    pull(primary.end)
    assert not primary.peer.connected
    assert not secondary.peer.connected
    assert changes == [True, False]


def test_each_process_has_an_incarnation_of_its_own_and_says_it_in_each_message(primary: Side, secondary: Side) -> None:
    assert primary.peer.incarnation != secondary.peer.incarnation
    primary.joined(secondary)
    primary.peer.begin(1, NONCE)
    assert {message.incarnation for message in written(primary)} == {primary.peer.incarnation}
    assert [message.type for message in written(primary)] == [Type.HELLO, Type.HELLO, Type.BEGIN]


@pytest.mark.parametrize("lost", ["primary", "secondary"])
def test_a_hello_that_came_before_its_hearer_was_made_is_said_again(lost: str, primary: Side, secondary: Side) -> None:
    """The hearer's chardev stood before: what that brought until then is lost."""
    plug(primary.end, secondary.end)
    (primary if lost == "primary" else secondary).end.on_its_way.clear()
    flow(primary.end, secondary.end)
    assert primary.peer.connected
    assert secondary.peer.connected


def test_each_connection_begins_with_hello(primary: Side, secondary: Side) -> None:
    for _ in range(3):
        primary.joined(secondary)
        pull(primary.end)
    assert [message.type for message in written(primary)] == [Type.HELLO] * 6
    assert primary.peer.counters.hellos == 3


def test_a_chardev_that_is_connected_already_is_greeted_at_once() -> None:
    house = House("-chardev fake,id=c0 -object colo-peer,id=p0,chardev=c0,role=primary")
    assert len(house.chardev("c0").packets) == 1


def test_over_a_pair_too() -> None:
    house = House(
        "-chardev pair,id=a,peer=b -object recorder,id=r0 -object colo-peer,id=p0,chardev=a,role=primary"
        " -object colo-peer,id=p1,chardev=b,role=secondary",
        types=TYPES,
    )
    house.start()
    house.reactor.advance(0)
    assert house.object("p0").connected
    assert house.object("p1").connected
    asked = results(house.object("p0").begin(1, NONCE))
    house.reactor.advance(0)
    assert asked == [True]


def test_a_secondary_without_a_rewriter_says_so_and_answers_no_begin() -> None:
    """No marker would come at the checkpoint's end, and the comparer would wait for it."""
    with capturedLogs() as logs:
        house = House(
            "-chardev pair,id=a,peer=b -object colo-peer,id=p0,chardev=a,role=primary"
            " -object colo-peer,id=p1,chardev=b,role=secondary"
        )
        house.start()
        house.reactor.advance(0)
    asked = results(house.object("p0").begin(1, NONCE))
    house.reactor.advance(0)
    assert asked == []
    assert sum("there is no filter-rewriter here" in formatEvent(event) for event in logs) == 1


def test_two_secondaries_refuse_each_other_in_words_and_nothing_works() -> None:
    one, other = Side("secondary"), Side("secondary")
    with capturedLogs() as events:
        one.joined(other)
    expected = "colo-peer p0: refused: the other process is a secondary too; one of them must be role=primary"
    assert lines(events) == [expected] * 2
    asked = results(one.peer.begin(1, NONCE))
    flow(one.end, other.end)
    assert (one.peer.connected, other.peer.connected) == (False, False)
    assert (asked, one.told, other.told) == ([], [], [])
    assert other.peer.counters.dropped_refused == 1
    pull(one.end)
    assert asked == [False]


def test_two_primaries_are_both_silent_until_an_operator_says_which_is_right() -> None:
    one, other = Side("primary"), Side("primary")
    one.joined(other)
    for side in (one, other):
        assert side.peer.hushed == (
            "shut",
            "the other side has the same right to speak: an operator must say which one goes on (colo-ctl failover)",
        )
    one.peer.go_on("an operator said so")
    flow(one.end, other.end)
    assert (one.peer.may_speak, other.peer.may_speak) == (True, False)
    assert other.peer.overtaken


def test_another_version_is_refused_in_words_and_nothing_works(primary: Side) -> None:
    plug(primary.end, Side("secondary").end)
    hello = bytearray(encode(HELLO)[0])
    hello[4] = 2
    with capturedLogs() as events:
        primary.end.deliver(batch_of(bytes(hello)))
        as_secondary(primary, HELLO)
    assert lines(events) == ["colo-peer p0: refused: the peer speaks version 2 of colo-peer's messages, this is 1"]
    assert not primary.peer.connected
    assert primary.end.disconnects == []
    assert (primary.peer.counters.refused, primary.peer.counters.dropped_refused) == (1, 1)


def test_what_is_no_message_is_disconnected_and_counted(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    with capturedLogs() as events:
        secondary.end.deliver(batch_of(b"GET / HTTP/1.1", *encode(Message(Type.PROTECT_NEW))))
    how = "it does not begin with 'COLO': the peer is no colo-peer"
    assert secondary.end.disconnects == [f"it broke the protocol of colo-peer 'p0': {how}"]
    assert (secondary.peer.counters.protocol_errors, secondary.peer.counters.dropped_refused) == (1, 1)
    assert "colo-peer p0: the primary is lost: it broke the protocol" in lines(events)
    assert secondary.told == []
    assert primary.joined(secondary).peer.connected


# what is asked


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda peer: peer.name_unprotected([b"k1", b"k2"]), ("unprotect", (b"k1", b"k2"))),
        (lambda peer: peer.name_unprotected(None), ("unprotect", None)),
        (lambda peer: peer.protect_new(), ("protect_new",)),
        (lambda peer: peer.begin(5, NONCE), ("begin",)),
    ],
)
def test_what_is_asked_is_done_and_answered(primary: Side, secondary: Side, ask: object, told: object) -> None:
    primary.joined(secondary)
    asked = results(ask(primary.peer))  # type: ignore[operator]
    assert (asked, secondary.told) == ([], [])
    flow(primary.end)
    assert (asked, secondary.told) == ([], [told])
    flow(secondary.end)
    assert asked == [True]
    pull(primary.end)
    assert asked == [True]


def test_a_long_list_arrives_whole(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    keys = [number.to_bytes(40, "big") for number in range(10_000)]
    primary.peer.name_unprotected(keys)
    flow(primary.end)
    assert secondary.told == [("unprotect", tuple(keys))]


def test_a_list_that_no_message_can_carry_is_all(
    primary: Side, secondary: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking_module, "MOST_ENTRIES", 2)
    primary.joined(secondary)
    primary.peer.name_unprotected([b"1", b"2"])
    primary.peer.name_unprotected([b"1", b"2", b"3"])
    flow(primary.end)
    assert secondary.told == [("unprotect", (b"1", b"2")), ("unprotect", None)]


def test_offsets_arrive(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    primary.peer.begin(5, NONCE)
    asked = results(primary.peer.done(5, {b"k": Offsets(1, 0xFFFFFFFF)}))
    flow(primary.end, secondary.end)
    assert asked == [True]
    assert secondary.told[-1][:2] == ("end", {b"k": Offsets(1, 0xFFFFFFFF)})


def test_requests_are_told_apart_by_type_and_number(primary: Side) -> None:
    plug(primary.end, Side("secondary").end)
    as_secondary(primary, HELLO)
    first, second = results(primary.peer.protect_new()), results(primary.peer.protect_new())
    begun = results(primary.peer.begin(1, NONCE))
    as_secondary(primary, Message(Type.ANSWER, 2, answered=Type.PROTECT_NEW))
    assert (first, second, begun) == ([], [True], [])
    as_secondary(primary, Message(Type.ANSWER, 1, answered=Type.BEGIN))
    assert (first, second, begun) == ([], [True], [True])
    as_secondary(primary, Message(Type.ANSWER, 2, answered=Type.PROTECT_NEW), Message(Type.ANSWER, 1, answered=200))
    assert primary.peer.counters.dropped_unasked_answers == 2


def test_the_same_request_asked_twice_is_answered_for_both(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = [results(primary.peer.begin(5, NONCE)) for _ in range(2)]
    flow(primary.end, secondary.end)
    assert asked == [[True], [True]]
    assert secondary.told == [("begin",)]


def test_silence_is_no_answer(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = results(primary.peer.begin(5, NONCE))
    primary.house.reactor.advance(3600)
    assert asked == []


def test_a_peer_that_closes_answers_no_to_all_that_is_pending(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = [results(primary.peer.begin(5, NONCE)), results(primary.peer.protect_new())]
    pull(primary.end)
    assert asked == [[False], [False]]
    assert results(primary.peer.begin(6, NONCE)) == [False]


def test_an_answer_to_an_earlier_connection_comes_too_late(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = results(primary.peer.protect_new())
    pull(primary.end)
    plug(primary.end, Side("secondary").end)
    as_secondary(primary, HELLO, Message(Type.ANSWER, 1, answered=Type.PROTECT_NEW))
    assert asked == [False]
    assert primary.peer.counters.dropped_unasked_answers == 1


def test_a_new_incarnation_answers_no_to_all_that_is_pending(primary: Side) -> None:
    changes: list[bool] = []
    primary.peer.watchers.append(changes.append)
    plug(primary.end, Side("secondary").end)
    as_secondary(primary, HELLO)
    asked = results(primary.peer.begin(5, NONCE))
    as_secondary(primary, HELLO)
    assert (asked, changes) == ([], [True])
    with capturedLogs() as events:
        as_secondary(primary, HELLO, incarnation=100)
    assert (asked, changes) == ([False], [True, False, True])
    assert lines(events) == [
        "colo-peer p0: the secondary is lost: another process has taken its place",
        "colo-peer p0: the secondary is there",
    ]
    again = results(primary.peer.begin(6, NONCE))
    as_secondary(primary, Message(Type.ANSWER, 6, answered=Type.BEGIN), incarnation=99)
    assert again == []
    assert primary.peer.counters.dropped_other_incarnation == 1


def test_a_peer_that_takes_nothing_costs_no_memory(
    primary: Side, secondary: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_module, "MOST_BACKLOG", 1000)
    primary.joined(secondary)
    primary.end.backlog = 1001
    before = len(primary.end.written)
    asked = results(primary.peer.protect_new())
    assert (asked, len(primary.end.written)) == ([], before)
    assert primary.peer.counters.dropped_backlog >= 1


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("primary", Message(Type.BEGIN, 1, nonce=NONCE)),
        ("primary", Message(Type.INVALID, 1, reason="x")),
        ("secondary", Message(Type.ANSWER, 1, answered=Type.BEGIN)),
    ],
)
def test_what_the_other_role_takes_is_dropped(role: str, message: Message) -> None:
    side = Side(role)
    plug(side.end, Side(role).end)
    other = "secondary" if role == "primary" else "primary"
    as_secondary(side, Message(Type.HELLO, role=other, **WORD), message)
    assert side.told == []
    assert side.peer.counters.dropped_wrong_role == 1


def test_what_comes_before_hello_or_is_of_a_later_program_is_dropped(secondary: Side) -> None:
    plug(secondary.end, Side("primary").end)
    as_secondary(secondary, Message(Type.PROTECT_NEW), Message(Type.HELLO, role="primary", **WORD), Message(77))
    assert secondary.told == []
    assert secondary.peer.connected
    assert secondary.peer.counters.dropped_before_hello == 1
    assert secondary.peer.counters.dropped_unknown == 1


# coming and going


def test_goodbye_is_the_end_before_the_connection_is(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = results(primary.peer.begin(5, NONCE))
    with capturedLogs() as events:
        secondary.house.machine.stopService()
        flow(secondary.end)
    assert "colo-peer p0: the secondary is lost: it said goodbye" in lines(events)
    assert asked == [False]
    assert not primary.peer.connected
    assert results(primary.peer.protect_new()) == [False]  # a close, not silence
    as_secondary(primary, Message(Type.ANSWER, 5, answered=Type.BEGIN))
    assert primary.peer.counters.dropped_before_hello == 1


def test_who_comes_after_a_goodbye_on_the_same_connection_is_heard(primary: Side, secondary: Side) -> None:
    """As when a colo-peer is removed and added anew, and its chardev stays."""
    primary.joined(secondary)
    secondary.peer.retire()
    flow(secondary.end)
    assert not primary.peer.connected
    as_secondary(primary, HELLO)
    assert primary.peer.connected
    assert results(primary.peer.protect_new()) == []


def test_what_stops_says_goodbye_once_and_hears_no_more(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    asked = results(primary.peer.begin(5, NONCE))
    primary.peer.stop()
    primary.peer.stop()
    assert [message.type for message in written(primary)] == [Type.HELLO, Type.HELLO, Type.BEGIN, Type.GOODBYE]
    flow(primary.end, secondary.end)
    as_secondary(primary, Message(Type.ANSWER, 5, answered=Type.BEGIN), incarnation=secondary.peer.incarnation)
    pull(primary.end)
    assert asked == []


def test_what_is_removed_says_goodbye_and_all_that_is_pending_is_answered_no(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    changes: list[bool] = []
    primary.peer.watchers.append(changes.append)
    asked = results(primary.peer.begin(5, NONCE))
    with capturedLogs() as events:
        primary.peer.retire()
        primary.peer.stop()
    assert [message.type for message in written(primary)] == [
        *(Type.HELLO, Type.HELLO, Type.BEGIN),
        *(Type.HEARTBEAT, Type.GOODBYE),  # it goes on alone, and says so first
    ]
    assert (asked, changes, primary.peer.connected) == ([False], [False], False)
    assert "colo-peer p0: the secondary is lost: this colo-peer is removed" in lines(events)
    flow(primary.end)
    assert not secondary.peer.connected


def test_removed_before_anybody_came_it_has_nothing_to_say(primary: Side) -> None:
    primary.peer.retire()
    assert written(primary) == []


def test_a_primary_is_told_that_the_secondary_has_taken_over(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    assert not primary.peer.overtaken
    with capturedLogs() as events:
        secondary.peer.go_on("an operator said so")
        flow(secondary.end)
    assert primary.peer.overtaken
    assert primary.peer.connected
    assert primary.peer.hushed == (
        "shut",
        "the other side has taken over, or gone on alone, and this one must not speak any more",
    )
    assert not primary.peer.may_speak
    assert lines(events) == [
        "colo-peer p0: joining -> taken-over (epoch 1)",
        "colo: taken over: an operator said so; the guest speaks to the network",
        "colo-peer p0: a primary is there though this side has taken over, and only one of the two guests may speak to"
        " the network: stop the one whose state is older",
        "colo-peer p0: joining -> shut (epoch 0)",
        "colo-peer p0: the other side has taken over, or gone on alone, and this one must not speak any more:"
        " nothing of this side's guest leaves",
    ]
    pull(primary.end)
    assert primary.peer.overtaken


def test_a_primary_that_comes_back_later_is_told_so_too(primary: Side, secondary: Side) -> None:
    secondary.peer.go_on("an operator said so")
    primary.joined(secondary)
    assert primary.peer.overtaken


def test_one_that_has_taken_over_does_nothing_that_it_is_asked(primary: Side, secondary: Side) -> None:
    primary.joined(secondary)
    secondary.peer.go_on("an operator said so")
    asked = results(primary.peer.begin(1, NONCE))
    flow(primary.end, secondary.end)
    assert (asked, secondary.told) == ([False], [("fail_over",)])  # nobody will ever answer
    assert secondary.peer.counters.dropped_taken_over == 1


def test_each_change_is_one_line(primary: Side, secondary: Side) -> None:
    with capturedLogs() as events:
        primary.joined(secondary)
        pull(primary.end)
    assert lines(events) == [
        "colo-peer p0: the primary is there",
        "colo-peer p0: the secondary is there",
        "colo-peer p0: the secondary is lost: its connection is closed",
        "colo-peer p0: the primary is lost: its connection is closed",
    ]


# options


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ("chardev=w0", "property 'role' is missing: primary or secondary"),
        ("chardev=w0,role=both", "property 'role' takes primary or secondary; got 'both'"),
        ("chardev=w0,role=primary,checkpoint-state=sh", "property 'checkpoint-state' is for role=secondary"),
        (
            "chardev=w0,role=secondary,checkpoint-state=colo-none",
            "property 'checkpoint-state': there is no program colo-none",
        ),
        (
            "chardev=w0,role=secondary,state-file=/nonexistent/x",
            "property 'state-file': there is no folder /nonexistent",
        ),
        ("chardev=w0,role=secondary,state-file=/tmp", "property 'state-file': /tmp is a folder"),
        ("chardev=c9,role=primary", "property 'chardev': there is no chardev 'c9' (there are: w0)"),
    ],
)
def test_a_wrong_option_is_an_error_in_one_line(options: str, error: str) -> None:
    option = f"-object colo-peer,id=p0,{options}"
    with pytest.raises(OptionError) as caught:
        House(f"-chardev wire,id=w0 {option}", types=TYPES)
    assert str(caught.value) == f"{option}: {error}"


def test_two_can_not_keep_their_state_in_one_file(tmp_path: Path) -> None:
    one, other = (f"-object colo-peer,id=p{n},chardev=w{n},role=primary,state-file={tmp_path}/state" for n in (0, 1))
    with pytest.raises(OptionError) as caught:
        House(f"-chardev wire,id=w0 -chardev wire,id=w1 {one} {other}", types=TYPES)
    assert str(caught.value) == f"{other}: file {tmp_path}/state is taken by {one}"


def test_a_state_file_that_is_none_is_an_error_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("no state")
    with pytest.raises(StartError) as caught:
        Side("secondary", f"state-file={path}")
    assert str(caught.value) == f"colo-peer 'p0': {path} is no state file (one JSON object): move it away"
