"""A client's connection: what is read while it doesn't read, how much is done at a time, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from colo_twisted.control.client import MOST_A_TURN, MOST_PENDING, SECONDS_A_TURN
from colo_twisted.control.errors import QMPError
from colo_twisted.control.session import MOST_HELD
from colo_twisted.events import Shutdown
from tests.support.qmp_clients import BUFFER, Caller, a_monitor

ECHO = b'{"execute":"echo"}'


def test_it_is_greeted_at_once() -> None:
    caller = Caller(a_monitor(), negotiate=False)
    assert caller.read() == [
        {"QMP": {"version": {"qemu": {"major": 0, "minor": 1, "micro": 0}, "package": "p"}, "capabilities": []}}
    ]


def test_it_may_negotiate_before_it_has_read_the_greeting() -> None:
    caller = Caller(a_monitor(), negotiate=False)
    caller.request("qmp_capabilities")
    caller.request("echo", arguments={"a": 1}, id=1)
    greeting, *answers = caller.read()
    assert "QMP" in greeting
    assert answers == [{"return": {}}, {"return": {"a": 1}, "id": 1}]


def test_some_of_many_requests_are_carried_out_in_a_turn_and_no_more_is_read_meanwhile() -> None:
    monitor = a_monitor()
    caller = Caller(monitor)
    caller.send(ECHO * 3 * MOST_A_TURN)
    assert caller.transport.take().count(b"\n") == MOST_A_TURN
    assert not caller.reads
    assert len(monitor.reactor.getDelayedCalls()) == 1
    assert len(caller.read()) == 2 * MOST_A_TURN  # in further turns
    assert caller.reads
    assert monitor.reactor.getDelayedCalls() == []


def test_after_some_milliseconds_the_frames_have_their_turn() -> None:
    monitor = a_monitor(slow=lambda: monitor.reactor.advance(SECONDS_A_TURN))
    caller = Caller(monitor)
    caller.send(b'{"execute":"slow"}' * 6)
    assert 1 <= caller.transport.take().count(b"\n") <= 2
    assert not caller.reads
    caller.read()
    assert caller.reads


def test_errors_are_counted_among_the_steps_of_a_turn() -> None:
    caller = Caller(a_monitor())
    caller.send(b"@\n" * 1000)
    assert caller.transport.take().count(b"\n") == MOST_A_TURN
    assert len(caller.read()) == 1000 - MOST_A_TURN


def test_a_request_that_fails_or_is_none_is_answered_in_its_place() -> None:
    def refuse() -> None:
        raise QMPError("no")

    caller = Caller(a_monitor(refuse=refuse))
    caller.request("refuse", id=1)
    caller.send(b"[]")
    caller.request("echo", id=2)
    said = [answer.get("id", answer.get("error", {}).get("desc")) for answer in caller.read()]
    assert said == [1, "QMP input must be a JSON object", 2]


def test_a_request_whose_answer_takes_its_time_holds_up_the_next() -> None:
    waits: list[Deferred[Any]] = []

    def slow() -> Deferred[Any]:
        waits.append(Deferred())
        return waits[-1]

    caller = Caller(a_monitor(slow=slow))
    caller.request("slow", id=1)
    caller.request("echo", id=2)
    caller.request("slow", id=3)
    assert caller.read() == []
    assert caller.reads
    waits[0].callback([])
    assert caller.read() == [{"return": [], "id": 1}, {"return": {}, "id": 2}]
    waits[1].callback({"x": 1})
    assert caller.read() == [{"return": {"x": 1}, "id": 3}]


def test_nothing_more_is_read_while_much_waits_behind_a_request() -> None:
    wait: Deferred[Any] = Deferred()
    caller = Caller(a_monitor(slow=lambda: wait))
    caller.request("slow")
    caller.send(b" " * (MOST_HELD + 1))
    assert not caller.reads
    wait.callback({})
    assert caller.reads


def test_of_one_that_does_not_read_nothing_is_read() -> None:
    done: list[int] = []

    def large() -> str:
        done.append(1)
        return "x" * (BUFFER + 1)

    caller = Caller(a_monitor(large=large))
    for _ in range(5):
        caller.request("large")
    assert done == [1]
    assert not caller.reads
    caller.transport.take()
    assert done == [1, 1]
    assert not caller.reads
    assert len(caller.read()) == 4
    assert caller.reads
    assert caller.client._pending_bytes == 0


def test_events_wait_for_one_that_does_not_read_and_come_in_order() -> None:
    monitor = a_monitor(large=lambda: "x" * BUFFER)
    caller = Caller(monitor)
    caller.request("large")
    for number in range(3):
        monitor._machine.events.emit(Shutdown(False, f"{number}"))
    monitor.reactor.advance(1)
    assert [line.get("data") for line in caller.read()] == [
        None,
        {"guest": False, "reason": "0"},
        {"guest": False, "reason": "2", "suppressed": 1},
    ]


def test_one_that_is_too_far_behind_is_disconnected() -> None:
    caller = Caller(a_monitor(large=lambda: "x" * BUFFER))
    caller.request("large")
    line = json.dumps("x" * (1 << 20)).encode()
    sent = 0
    while sent + len(line) <= MOST_PENDING:
        caller.client._send(line)
        sent += len(line)
    assert not caller.transport.aborted
    caller.client._send(line)
    assert caller.transport.aborted
    assert len(caller.client._pending) == 0
    caller.client._send(line)
    assert len(caller.client._pending) == 0


# the end


def test_one_that_goes_while_its_request_is_carried_out() -> None:
    wait: Deferred[Any] = Deferred()
    monitor = a_monitor(slow=lambda: wait)
    caller = Caller(monitor)
    caller.request("slow")
    caller.request("echo")
    caller.go()
    assert monitor.clients == []
    wait.callback({})
    assert caller.transport.take() == b""


def test_one_that_goes_while_a_turn_is_awaited() -> None:
    monitor = a_monitor()
    caller = Caller(monitor)
    caller.send(ECHO * 3 * MOST_A_TURN)
    caller.go()
    caller.transport.take()
    monitor.reactor.advance(0)
    assert caller.transport.take() == b""
    assert monitor.reactor.getDelayedCalls() == []


def test_hanging_up_closes_at_once_when_all_is_sent() -> None:
    caller = Caller(a_monitor())
    caller.client.hang_up()
    assert caller.transport.disconnecting
    assert caller.transport.producer is None


def test_hanging_up_waits_for_the_answer_that_is_under_way() -> None:
    wait: Deferred[Any] = Deferred()
    caller = Caller(a_monitor(slow=lambda: wait))
    caller.request("slow")
    caller.request("echo")
    caller.client.hang_up()
    assert not caller.transport.disconnecting
    wait.callback([])
    assert caller.read() == [{"return": []}]
    assert caller.transport.disconnecting


def test_a_command_that_hangs_up_is_answered() -> None:
    caller: Caller

    def bye() -> None:
        caller.client.hang_up()

    caller = Caller(a_monitor(bye=bye))
    caller.request("bye")
    assert caller.read() == [{"return": None}]
    assert caller.transport.disconnecting


def test_hanging_up_waits_until_what_was_written_is_taken() -> None:
    caller = Caller(a_monitor(large=lambda: "x" * BUFFER))
    caller.request("large")
    caller.client.hang_up()
    assert not caller.transport.disconnecting
    caller.transport.take()
    assert caller.transport.disconnecting


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_however_it_is_cut_it_is_answered_the_same(size: int) -> None:
    data = b'{"execute":"echo","arguments":{"a":"\xc3\xa9"},"id":1}{}@\n' * 20
    caller = Caller(a_monitor())
    answers = []
    for at in range(0, len(data), size):
        caller.send(data[at : at + size])
        answers += caller.read()
    assert len(answers) == 60
    assert answers[:3] == answers[-3:]
    assert answers[0] == {"return": {"a": "\u00e9"}, "id": 1}
