"""The client's end of a QMP socket: negotiation, deadlines, order, and what is no QMP."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from colo_twisted.qemu.monitor import MOST_BYTES, Monitor, MonitorCounters, NoAnswer, QEMUError
from colo_twisted.reporting import Reporter
from tests.support.fake_qemu import GREETING, FakeAddress, FakeQEMU

TIMEOUT = 5.0
STOP: dict[str, Any] = {"event": "STOP", "timestamp": {"seconds": 1, "microseconds": 2}}
RESUME: dict[str, Any] = {"event": "RESUME"}


class Client:
    """A monitor, the QEMU that it connects to, and all that it has said."""

    def __init__(self, start: bool = True) -> None:
        self.reactor = Clock()
        self.qemu = FakeQEMU(self.reactor)
        self.counters = MonitorCounters()
        report = Reporter("colo-qemu q0", self.reactor.seconds)
        address: Any = FakeAddress(self.qemu)
        self.monitor = Monitor(self.reactor, address, TIMEOUT, self.counters, report)
        self.said: list[object] = []
        self.monitor.changed = self.said.append
        self.monitor.told = self.told
        if start:
            self.monitor.start()
            self.qemu.settle()

    def told(self, event: str, data: Mapping[str, Any]) -> None:
        self.said.append((event, dict(data)) if data else event)

    def ask(self, command: str, **arguments: Any) -> None:
        """What is returned, or the failure's text, is said too."""
        self.keep(self.monitor.execute(command, **arguments))

    def keep(self, answer: Deferred[Any]) -> None:
        answer.addCallbacks(self.said.append, lambda failure: self.said.append(self._failed(failure)))

    def _failed(self, failure: Failure) -> str:
        failure.trap(QEMUError, NoAnswer)
        return f"{failure.type.__name__}: {failure.getErrorMessage()}" if failure.type else ""

    def wait(self, seconds: float) -> None:
        """In tenths of a second, a turn of the reactor after each."""
        for _ in range(round(seconds * 10)):
            self.reactor.advance(0.1)
            self.qemu.settle()

    @property
    def new(self) -> list[object]:
        said = list(self.said)
        self.said.clear()
        return said

    @property
    def counted(self) -> dict[str, int]:
        return {name: value for name, value in self.counters.rows() if value}


@pytest.fixture
def client() -> Client:
    """It is connected, and that was said."""
    client = Client()
    assert client.new == [True]
    client.qemu.commands()
    return client


def lines(events: Sequence[Any]) -> list[str]:
    return [str(formatEvent(event)).removeprefix("colo-qemu q0: ") for event in events]


# negotiation


def test_a_greeting_is_answered_and_then_commands_are_taken() -> None:
    client = Client(start=False)
    with capturedLogs() as events:
        client.monitor.start()
        assert client.monitor.execute("query-status").addErrback(lambda failure: failure.trap(NoAnswer))
        assert not client.monitor.connected
        client.qemu.settle()
    assert client.monitor.connected
    assert client.new == [True]
    assert client.qemu.commands() == ["qmp_capabilities"]
    assert lines(events) == ["QEMU's QMP socket is connected"]
    assert client.reactor.getDelayedCalls() == []


def test_an_event_before_the_greeting_is_no_greeting_and_is_not_told() -> None:
    client = Client(start=False)
    client.qemu.first = [STOP, RESUME]
    client.monitor.start()
    client.qemu.settle()
    assert client.new == [True]
    assert client.counters.events == 2


def test_events_between_greeting_and_negotiation_are_not_told() -> None:
    client = Client(start=False)
    client.qemu.on["qmp_capabilities"] = lambda: client.qemu.puts(STOP)
    client.monitor.start()
    client.qemu.settle()
    assert client.new == [True]


def test_who_does_not_greet_is_left_after_the_timeout_and_that_says_what_may_be_the_matter() -> None:
    client = Client(start=False)
    client.qemu.greets = False
    with capturedLogs() as events:
        client.monitor.start()
        client.wait(TIMEOUT - 0.1)
        assert client.qemu.connects == 1
        client.wait(0.3)
    assert client.qemu.connects == 2
    assert lines(events) == [
        "QEMU has not greeted for 5 s: connecting anew (a QMP socket serves one client at a time:"
        " does another hold it?)"
    ]
    assert client.new == []
    assert client.counted["unanswered"] == 1
    client.qemu.greets = True
    client.wait(TIMEOUT + 0.3)
    assert client.new == [True]


def test_a_late_greeting_takes_nothing_of_the_time_that_the_answer_to_it_may_take() -> None:
    client = Client(start=False)
    client.qemu.greets = False
    client.monitor.start()
    client.wait(TIMEOUT - 0.1)
    client.qemu.hangs = True
    client.qemu.puts(GREETING)
    client.wait(TIMEOUT - 0.2)
    assert client.qemu.connects == 1
    client.qemu.puts({"return": {}})
    client.qemu.settle()
    assert client.new == [True]


def test_a_qemu_that_refuses_the_negotiation_is_tried_again() -> None:
    client = Client(start=False)
    client.qemu.refuses["qmp_capabilities"] = "no, thank you"
    with capturedLogs() as events:
        client.monitor.start()
        client.qemu.settle()
    assert lines(events) == ["what unix:a-test says is no QMP of QEMU's: no, thank you"]
    assert client.new == []
    client.qemu.refuses.clear()
    client.wait(1)
    assert client.new == [True]


# not there


def test_what_is_not_there_is_tried_with_growing_delays_and_said_once() -> None:
    client = Client(start=False)
    client.qemu.listens = False
    with capturedLogs() as events:
        client.monitor.start()
        client.wait(10)
    gaps = [later - earlier for earlier, later in itertools.pairwise(client.qemu.tried)]
    assert gaps[0] <= 0.2
    assert 0.4 <= max(gaps) <= 1.1
    assert len(gaps) < 30
    assert lines(events) == ["cannot connect to unix:a-test: Connection refused; trying again, at most 1 s apart"]
    client.qemu.listens = True
    client.wait(1.5)
    assert client.new == [True]


def test_what_goes_is_connected_to_again_and_each_change_is_told(client: Client) -> None:
    client.qemu.hangs = True
    client.ask("query-status")
    client.qemu.ends()
    with capturedLogs() as events:
        client.qemu.settle()
    assert client.new == ["NoAnswer: QEMU has not answered query-status", False]
    assert lines(events) == ["QEMU's QMP socket is closed"]
    client.ask("query-status")
    assert client.new == ["NoAnswer: QEMU's QMP socket is not connected"]
    client.qemu.hangs = False
    client.wait(1)
    assert client.new == [True]
    assert client.qemu.connects == 2
    assert (client.counters.connects, client.counters.disconnects) == (2, 1)


def test_what_was_half_said_before_the_loss_is_nothing_after_it(client: Client) -> None:
    client.qemu.puts_bytes(b'{"event": "ST')
    client.qemu.settle()
    client.qemu.ends()
    client.qemu.settle()
    client.wait(1)
    client.qemu.puts(RESUME)
    client.qemu.settle()
    assert client.new == [False, True, "RESUME"]


# commands


def test_answers_go_to_those_who_asked_in_their_order(client: Client) -> None:
    client.qemu.answers |= {"one": 1, "three": [3]}
    client.qemu.refuses["two"] = "there is no two"
    for command in ("one", "two", "three"):
        client.ask(command)
    client.qemu.puts(STOP)
    assert client.new == []
    client.qemu.settle()
    assert client.new == [1, "QEMUError: there is no two", [3], "STOP"]
    assert client.counted == {"connects": 1, "commands": 4, "refused_commands": 1, "events": 1}
    assert client.reactor.getDelayedCalls() == []


def test_an_underscore_in_an_arguments_name_is_a_hyphen(client: Client) -> None:
    client.ask("migrate-set-parameters", **{"x-checkpoint-delay": 7})
    client.ask("query-status")
    assert client.qemu.asked == [("migrate-set-parameters", {"x-checkpoint-delay": 7}), ("query-status", {})]


@pytest.mark.parametrize("error", [{"desc": "it is so"}, "it is so"])
def test_an_error_of_any_form_is_one(client: Client, error: object) -> None:
    client.qemu.hangs = True
    client.ask("query-status")
    client.qemu.puts({"error": error})
    client.qemu.settle()
    assert client.new == ["QEMUError: it is so"]


def test_a_command_that_is_not_answered_in_time_ends_the_connection(client: Client) -> None:
    client.qemu.hangs = True
    client.ask("query-status")
    client.ask("query-migrate")
    with capturedLogs() as events:
        client.wait(TIMEOUT - 0.1)
        assert client.new == []
        client.wait(0.2)
    assert client.new == [
        "NoAnswer: QEMU has not answered query-status",
        "NoAnswer: QEMU has not answered query-migrate",
        False,
    ]
    assert lines(events) == [
        "QEMU has not answered query-status for 5 s: connecting anew",
        "QEMU's QMP socket is closed",
    ]
    client.qemu.hangs = False
    client.wait(TIMEOUT + 1)  # the connection that came meanwhile was not answered either
    assert client.new == [True]


def test_each_answer_has_the_whole_time(client: Client) -> None:
    client.qemu.hangs = True
    client.ask("one")
    client.ask("two")
    client.wait(TIMEOUT - 0.1)
    client.qemu.puts({"return": 1})
    client.wait(TIMEOUT - 0.2)
    client.qemu.puts({"return": 2})
    client.wait(60)
    assert client.new == [1, 2]


def test_a_time_that_is_changed_counts_for_what_waits_already(client: Client) -> None:
    client.qemu.hangs = True
    client.ask("one")
    client.wait(2)
    client.monitor.change_timeout(2.5)
    client.wait(0.7)
    assert client.new == ["NoAnswer: QEMU has not answered one", False]


def test_who_asks_within_an_answer_is_answered_too(client: Client) -> None:
    client.monitor.execute("query-status").addCallback(lambda _: client.ask("query-colo-status"))
    client.qemu.settle()
    assert client.new == [{"mode": "primary", "last-mode": "none", "reason": "none"}]


# what is no QMP


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "JSON parse error, stray 'S'"),
        (b'{"return": 1}{"return": 2}{"return": 3}', "it says what nobody has asked for"),
        (b'{"QMP": {}} {"QMP": {}}', "it says what nobody has asked for"),
        (b'{"id": 5}{}', "it says what nobody has asked for"),
        (b'[1]{"event": "STOP"}', "a value that is no object"),
        (b"[" * 100, "JSON nesting depth limit exceeded"),
        (b'{"event": "STOP", "data": 5}{"event": "STOP"}', "an event's data that is no object"),
    ],
)
def test_what_is_no_qmp_ends_the_connection_with_one_line(client: Client, data: bytes, why: str) -> None:
    with capturedLogs() as events:
        client.qemu.puts_bytes(data)
        client.qemu.settle()
    assert lines(events) == [
        f"what unix:a-test says is no QMP of QEMU's: {why}",
        "QEMU's QMP socket is closed",
    ]
    assert client.new == [False]
    assert client.counted["protocol_errors"] == 1
    client.wait(1)
    assert client.new == [True]


def test_a_stranger_in_place_of_a_greeting_is_one_line_and_tried_again() -> None:
    client = Client(start=False)
    client.qemu.greets = False
    client.monitor.start()
    with capturedLogs() as events:
        client.qemu.puts_bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.qemu.settle()
    assert len(lines(events)) == 1
    assert client.new == []
    client.wait(1)
    assert client.qemu.connects == 2


def test_an_answer_larger_than_any_of_qemus_is_none(client: Client) -> None:
    client.qemu.hangs = True
    client.ask("query-status")
    with capturedLogs() as events:
        client.qemu.puts_bytes(b'{"return": "')
        for _ in range(MOST_BYTES // (1 << 20) + 1):
            client.qemu.puts_bytes(b"x" * (1 << 20))
        client.qemu.settle()
    assert client.new == ["NoAnswer: QEMU has not answered query-status", False]
    assert "is no QMP of QEMU's" in lines(events)[0]


def test_what_it_says_behind_a_mistake_is_not_told(client: Client) -> None:
    client.qemu.puts(STOP)
    client.qemu.puts_bytes(b"]")
    client.qemu.puts(RESUME)
    client.qemu.settle()
    assert client.new == ["STOP", False]


# reading on before the reactor's next turn


def test_what_is_read_while_something_is_told_is_told_behind_it(client: Client) -> None:
    def told(event: str, _: object) -> None:
        client.said.append(f"{event} begins")
        if event == "STOP":
            assert not client.monitor.has_read("RESUME")
            client.qemu.puts(RESUME)
            client.monitor.drain()
            assert client.monitor.has_read("RESUME")
            assert not client.monitor.has_read("SHUTDOWN")
        client.said.append(f"{event} ends")

    client.monitor.told = told
    client.qemu.puts(STOP)
    client.qemu.settle()
    assert client.new == ["STOP begins", "STOP ends", "RESUME begins", "RESUME ends"]


def test_what_is_read_when_nothing_is_being_told_is_told_at_once(client: Client) -> None:
    client.qemu.puts(STOP)
    client.monitor.drain()
    assert client.new == ["STOP"]


def test_all_that_stands_in_the_kernel_is_read(client: Client) -> None:
    client.qemu.puts(*[{"event": f"E{number}", "data": {"text": "x" * 5000}} for number in range(100)])
    client.monitor.drain()
    assert len(client.new) == 100


def test_an_end_that_is_found_so_is_heard_of_in_the_reactors_turn(client: Client) -> None:
    client.qemu.puts(STOP)
    client.qemu.ends()
    client.monitor.drain()
    assert client.new == ["STOP"]
    client.qemu.settle()
    assert client.new == [False]
    client.monitor.drain()


def test_a_mistake_that_is_found_so_ends_the_connection(client: Client) -> None:
    client.qemu.puts_bytes(b"]")
    client.monitor.drain()
    client.qemu.settle()
    assert client.new == [False]


# the end


@pytest.mark.parametrize("moment", ["not started", "connecting", "greeted", "connected", "asking", "gone"])
def test_stopped_it_asks_and_hears_no_more(moment: str) -> None:
    client = Client(start=False)
    client.qemu.listens = moment != "connecting"
    client.qemu.greets = moment != "greeted"
    if moment != "not started":
        client.monitor.start()
        client.qemu.settle()
    if moment == "asking":
        client.qemu.hangs = True
        client.ask("query-status")
    if moment == "gone":
        client.qemu.ends()
        client.qemu.settle()
    client.said.clear()
    line = client.qemu.line
    client.monitor.stop()
    if line is not None:
        client.qemu.puts(STOP)
        assert line.lost
    client.wait(20)
    assert client.new == (["NoAnswer: QEMU has not answered query-status"] if moment == "asking" else [])
    assert client.qemu.connects == (moment not in ("not started", "connecting"))
    assert client.reactor.getDelayedCalls() == []
    client.monitor.stop()


# however the bytes are cut

messages = st.lists(
    st.sampled_from(
        [
            b'{"timestamp": {"seconds": 1}, "event": "STOP"}\r\n',
            b'{"event": "RESUME"}',
            b'{"data": {"mode": "secondary", "reason": "err\\u00f6r"}, "event": "COLO_EXIT"} ',
            b'\n{"return": {"status": "running", "text": "\xc3\xa9} {"}}',
            b'{"return": {}}\r\n',
            b'{"error": {"class": "GenericError", "desc": "no"}}\n',
            b"]",
            b"[]",
        ]
    ),
    max_size=8,
)


def heard(data: bytes, sizes: list[int], drains: bool) -> list[object]:
    """What comes of it where each read finds so many bytes; ``drains``: reads are made within what is told, too."""
    client = Client()
    client.new.clear()
    client.qemu.hangs = True
    for _ in range(3):
        client.ask("query-status")
    told = client.monitor.told

    def drain_and_tell(event: str, data: Mapping[str, Any]) -> None:
        client.monitor.drain()
        told(event, data)

    client.monitor.told = drain_and_tell if drains else told
    client.qemu.puts_bytes(data)
    client.qemu.reads = iter(sizes)
    client.qemu.settle()
    return [*client.new, json.dumps(client.counted, sort_keys=True)]


@given(messages, st.lists(st.integers(1, 60), max_size=30), st.booleans())
def test_any_cutting_of_the_bytes_gives_the_same(said: list[bytes], sizes: list[int], drains: bool) -> None:
    data = b"".join(said)
    assert heard(data, sizes, drains) == heard(data, [], False)
    assert heard(data, [1] * len(data), drains) == heard(data, [], False)
