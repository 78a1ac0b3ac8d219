"""The server: commands that work, fail and break, many clients at once, and what they are told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import fail, succeed
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.chardev.null import NullChardev
from colo_twisted.chardev.socket import SocketChardev, SocketProperties
from colo_twisted.control import client as client_module
from colo_twisted.control import monitor as monitor_module
from colo_twisted.control.errors import QMPError
from colo_twisted.control.monitor import CONTROL, Monitor, MonitorCounters, shown
from colo_twisted.control.properties import MonitorProperties
from colo_twisted.events import CheckpointRequested, Shutdown
from colo_twisted.options.declare import Properties
from colo_twisted.options.errors import NotThere, StartError
from tests.support.fakes import FakeMachine
from tests.support.qmp_clients import BUFFER, VERSION, Caller, a_monitor

AT_C0 = MonitorProperties(chardev="c0", mode="control")


def error(desc: str, kind: str = "GenericError") -> dict[str, Any]:
    return {"error": {"class": kind, "desc": desc}}


def test_a_command_is_given_its_arguments_and_its_answer_comes_back() -> None:
    caller = Caller(a_monitor(now=lambda **arguments: [arguments], later=lambda **arguments: succeed([arguments])))
    for command in ("now", "later"):
        assert caller.ask(command, arguments={"a": 1}, id=7) == {"return": [{"a": 1}], "id": 7}


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("raised", "answer"),
    [
        (QMPError("no", "DeviceNotFound"), error("no", "DeviceNotFound")),
        (NotThere("object", "x"), error("object 'x' not found")),
        (StartError("cannot listen"), error("cannot listen")),
    ],
)
def test_a_command_may_fail(raised: Exception, answer: dict[str, Any], later: bool) -> None:
    def command() -> Any:
        if later:
            return fail(raised)
        raise raised

    monitor = a_monitor(command=command)
    with capturedLogs() as events:
        assert Caller(monitor).ask("command") == answer
    refused = f"monitor c0: a local process: command {{}} refused: {answer['error']['desc']}"
    assert [formatEvent(event) for event in events] == [refused]
    assert monitor.counters == MonitorCounters(requests=1, errors=1, clients=1)


def test_the_log_has_what_may_change_something_and_not_what_only_looks() -> None:
    monitor = a_monitor(**{"object-del": lambda id: None, "query-x": lambda: None})
    caller = Caller(monitor)
    with capturedLogs() as events:
        caller.ask("query-x")
        caller.ask("object-del", arguments={"id": "f2"})
    assert [formatEvent(event) for event in events] == ['monitor c0: a local process: object-del {"id": "f2"}']


def test_the_log_has_every_change_and_some_of_what_is_refused() -> None:
    def refuse() -> None:
        raise QMPError("no")

    caller = Caller(a_monitor(change=lambda **_: None, refuse=refuse))
    with capturedLogs() as events:
        for _ in range(50):
            caller.ask("change")
            caller.ask("refuse")
    lines = [formatEvent(event) for event in events]
    assert lines.count("monitor c0: a local process: change {}") == 50
    assert 1 <= sum("refused: no" in line for line in lines) < 10


def test_long_arguments_are_shown_in_part() -> None:
    assert shown({"a": "x" * 1000}) == '{"a": "' + "x" * 293 + "..."
    assert shown({"a": [1, "b"]}) == '{"a": [1, "b"]}'


def test_one_traceback_of_a_kind_is_logged() -> None:
    caller = Caller(a_monitor(one=nonsense, other=nonsense))
    with capturedLogs() as events:
        for command in ("one", "other") * 3:
            caller.ask(command)
    assert sum("log_failure" in event for event in events) == 2


def test_over_tcp_whoever_speaks_something_else_is_disconnected() -> None:
    """A web page can have a browser send a request to any port of its user's host."""
    monitor = a_monitor()
    page = Caller(monitor, negotiate=False, peer=IPv4Address("TCP", "127.0.0.1", 5555))
    with capturedLogs() as events:
        page.send(b" \r\n")
        assert not page.transport.aborted
        page.send(b'POST / HTTP/1.1\r\n\r\n{"execute": "qmp_capabilities"}{"execute": "echo"}')
    assert page.transport.aborted
    assert [formatEvent(event) for event in events] == [
        "monitor c0: disconnected 127.0.0.1:5555: what it sent is no QMP, which begins with '{'"
    ]
    assert monitor.counters == MonitorCounters(clients=1, disconnected_other=1)
    assert Caller(monitor, peer=IPv4Address("TCP", "127.0.0.1", 5556)).ask("echo") == {"return": {}}
    local = Caller(monitor, negotiate=False)
    local.send(b"@\n")
    assert not local.transport.aborted


@pytest.mark.parametrize("command", ["nonsense", ""])
def test_a_command_that_is_not_there(command: str) -> None:
    assert Caller(a_monitor()).ask(command) == error(f"The command {command} has not been found", "CommandNotFound")


def nonsense() -> Any:
    raise KeyError("a secret")


@pytest.mark.parametrize(
    "does", [nonsense, lambda: fail(KeyError("a secret")), object, lambda: float("nan"), lambda a: a]
)
def test_a_command_that_breaks_is_logged_once_and_the_client_stays(does: Any) -> None:
    monitor = a_monitor(broken=does)
    caller = Caller(monitor)
    with capturedLogs() as events:
        answer = caller.ask("broken", id=3)
    assert answer == {"id": 3, **error("command 'broken' failed unexpectedly; the log has the reason")}
    assert [event["log_level"].name for event in events if "log_failure" in event] == ["critical"]
    assert sum("command 'broken' failed: " in formatEvent(event) for event in events) == 1
    assert monitor.counters == MonitorCounters(requests=1, errors=1, failures=1, clients=1)
    assert caller.ask("echo") == {"return": {}}


# events


def test_events_are_told_to_those_who_have_negotiated() -> None:
    monitor = a_monitor()
    deaf, told = Caller(monitor, negotiate=False), Caller(monitor)
    monitor._machine.events.emit(Shutdown(False, "host-qmp-quit"))
    ((event),) = told.read()
    assert event["event"] == "SHUTDOWN"
    assert event["data"] == {"guest": False, "reason": "host-qmp-quit"}
    assert set(event["timestamp"]) == {"seconds", "microseconds"}
    assert ["QMP" in line for line in deaf.read()] == [True]
    assert monitor.counters == MonitorCounters(clients=2, events=1)


def test_like_events_are_told_once_a_second_with_their_number() -> None:
    monitor = a_monitor()
    caller = Caller(monitor)
    for number in range(100):
        monitor._machine.events.emit(CheckpointRequested("comp0", f"{number}"))
    monitor.reactor.advance(1)
    assert [event["data"] for event in caller.read()] == [
        {"id": "comp0", "reason": "0"},
        {"id": "comp0", "reason": "99", "suppressed": 98},
    ]
    assert monitor.counters == MonitorCounters(clients=1, events=2, events_suppressed=98)


def test_a_stop_tells_what_was_held_back_and_nothing_that_follows() -> None:
    monitor = a_monitor()
    caller = Caller(monitor)
    for number in range(3):
        monitor._machine.events.emit(CheckpointRequested("comp0", f"{number}"))
    monitor.stop()
    monitor._machine.events.emit(Shutdown(False, "late"))
    assert [event["data"]["reason"] for event in caller.read()] == ["0", "2"]
    assert monitor.reactor.getDelayedCalls() == []
    monitor.close()


# many clients


def test_a_hundred_clients_of_which_one_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 1 << 20
    for module in (client_module, monitor_module):
        monkeypatch.setattr(module, "MOST_PENDING", most)
    monitor = a_monitor(page=lambda: "x" * 1000)
    callers = [Caller(monitor) for _ in range(100)]
    stuck, *others = callers
    heard: list[list[Any]] = [[] for _ in others]
    rounds = 0
    with capturedLogs() as events:
        while not stuck.transport.aborted:
            rounds += 1
            for caller in callers:
                caller.request("page", id=rounds)
            monitor._machine.events.emit(CheckpointRequested("comp0", f"{rounds}" + "x" * 50_000))
            monitor.reactor.advance(1)
            for caller, lines in zip(others, heard):
                lines += [line.get("id") or line["data"]["reason"].rstrip("x") for line in caller.read()]
    assert rounds == pytest.approx(most / 50_000 + 2, abs=1.5)
    for lines in heard:
        assert [line for line in lines if isinstance(line, int)] == list(range(1, rounds + 1))
        assert [line for line in lines if isinstance(line, str)] == [f"{number}" for number in range(1, rounds + 1)]
    assert [event["text"] for event in events if "disconnected" in event.get("text", "")] == [
        "disconnected a local process: it reads nothing, and 1 MiB wait for it"
    ]
    assert monitor.counters.disconnected_slow == 1
    assert monitor.counters.clients == 100
    stuck.go()
    assert len(monitor.clients) == 99


def test_one_that_does_not_read_is_not_asked_for_more() -> None:
    monitor = a_monitor(large=lambda: "x" * BUFFER)
    caller = Caller(monitor)
    for _ in range(200):
        caller.request("large")
    assert monitor.counters.requests == 1
    assert len(caller.transport.value()) < 2 * BUFFER
    assert len(caller.read()) == 200


# where it is


def at(chardev: Any) -> Monitor:
    machine = FakeMachine()
    machine.chardevs["c0"] = chardev(machine)
    return Monitor(AT_C0, machine, {}, VERSION)


def socket(**properties: Any) -> Any:
    return lambda machine: SocketChardev(SocketProperties(id="c0", **properties), machine)


def test_it_is_at_a_socket() -> None:
    with pytest.raises(StartError, match=r"^monitor 'c0': chardev 'c0' is no socket \(-chardev socket,id=\.\.\.\)$"):
        at(lambda machine: NullChardev(Properties(id="c0"), machine))


@pytest.mark.parametrize(
    "where",
    [{"host": "0.0.0.0", "port": 1, "server": True}, {"port": 1, "server": True}, {"host": "10.0.0.1", "port": 1}],
)
def test_it_is_not_where_others_can_reach_it(where: dict[str, Any]) -> None:
    with pytest.raises(StartError, match=r"^chardev c0: tcp:.*other hosts, and there is no TLS; use .* insecure=on$"):
        at(socket(**where))


def test_it_may_be_client_or_server() -> None:
    for where in ({"path": "/s"}, {"path": "/s", "server": True}, {"host": "::1", "port": 1}, {"fd": 7}):
        assert at(socket(**where)).id == "c0"


def test_the_type_makes_one_with_all_commands() -> None:
    machine = FakeMachine()
    machine.chardevs["c0"] = socket(path="/s", server=True)(machine)
    monitor = CONTROL.create(AT_C0, machine)
    assert Caller(monitor).ask("query-version")["return"]["qemu"].keys() == {"major", "minor", "micro"}
    greeting = json.loads(monitor.buildProtocol(None).session.greeting())
    assert greeting["QMP"]["version"] == Caller(monitor).ask("query-version")["return"]
    assert "qmp_capabilities" in [command["name"] for command in Caller(monitor).ask("query-commands")["return"]]


def test_the_pretty_form_is_indented() -> None:
    caller = Caller(a_monitor(pretty=True), negotiate=False)
    assert caller.transport.value().startswith(b'{\r\n    "QMP": {\r\n')
