from __future__ import annotations

import json
import re
from typing import Any

import pytest

from colo_twisted.ctl.errors import CannotReach, Lost
from tests.ctl.canned import LOST, REPLICA, CannedServer
from tests.ctl.schema import SCHEMA

NOBODY = CannotReach("no colo_twisted listens at unix:/x")


# top


def test_top_shows_so_many_screens() -> None:
    server = CannedServer()
    shown = server.run("top", "--count", "2")
    assert shown.exit_code == 0
    assert shown.stdout.count("alpha: primary, running") == 2
    assert re.search(r"netdev hn0 +1,234  1\.20 MB +2,345  3\.40 MB", shown.stdout)
    assert "object f9     dropped_no_peer 7/s" in shown.stdout
    assert server.clock.seconds == 4.0
    assert "\x1b" not in shown.stdout


def test_top_as_json_is_a_document_a_line() -> None:
    lines = CannedServer().run("top", "--count", "3", "--interval", "1", "--json").stdout.splitlines()
    documents = [json.loads(line) for line in lines]
    assert len(documents) == 3
    assert documents[0]["rates"]["object comp0"]["released"] == 2000
    assert documents[2]["counters"]["object f9"] == {"dropped_no_peer": 21}
    assert documents[0]["replica"] == REPLICA


# wait


class Becoming:
    """Answers that change when the clock has gone on: (seconds, answer) in order."""

    def __init__(self, server: CannedServer, *steps: tuple[float, Any]) -> None:
        self._server, self._steps = server, steps

    def __call__(self, _: dict[str, Any]) -> Any:
        return [answer for seconds, answer in self._steps if seconds <= self._server.clock.seconds][-1]


def test_wait_ends_at_once_when_all_is_well() -> None:
    for what in ("ready", "synced"):
        server = CannedServer()
        shown = server.run("wait", what, "--timeout", "10")
        assert (shown.exit_code, shown.stdout, shown.stderr) == (0, f"{what} (waited 0 s)\n", "")
        assert server.clock.seconds == 0


def test_wait_for_what_comes_in_time() -> None:
    server = CannedServer()
    joining = {**LOST, "state": "joining", "reason": "waits for the secondary", "problems": []}
    server.answers["query-colo-replica"] = Becoming(server, (0, joining), (5, REPLICA))
    shown = server.run("wait", "synced", "--timeout", "10")
    assert (shown.exit_code, shown.stdout) == (0, "synced (waited 5 s)\n")
    assert shown.stderr == "waiting for synced: state is joining (waits for the secondary)\n"  # once


def test_wait_without_a_time_out() -> None:
    server = CannedServer()
    server.answers["query-status"] = Becoming(server, (0, {"status": "prelaunch"}), (1000, {"status": "running"}))
    assert server.run("wait", "ready").exit_code == 0
    assert server.clock.seconds == 1000


def test_wait_at_the_time_out_says_what_is_missing() -> None:
    server = CannedServer(query_colo_replica=LOST)
    shown = server.run("wait", "ready", "--timeout", "1.1")
    assert (shown.exit_code, shown.stdout) == (4, "")
    assert shown.stderr == "colo-ctl: not ready within 1.1 s: secondary_in is down\n"
    assert server.clock.seconds == 1.1


def test_wait_as_json() -> None:
    assert json.loads(CannedServer().run("wait", "ready", "--json").stdout) == {
        "what": "ready",
        "reached": True,
        "seconds": 0.0,
        "missing": [],
    }
    shown = CannedServer(query_colo_replica=LOST).run("--json", "wait", "ready", "--timeout", "0")
    assert shown.exit_code == 4
    assert json.loads(shown.stdout)["missing"] == ["secondary_in is down"]


def test_wait_for_a_server_that_is_not_there_yet() -> None:
    server = CannedServer()
    server.trouble = NOBODY
    sleep = server.clock.sleep

    def and_then_it_is_there(seconds: float) -> None:
        sleep(seconds)
        server.trouble = None if server.clock.seconds >= 3 else NOBODY

    server.clock.sleep = and_then_it_is_there  # type: ignore[method-assign]
    shown = server.run("wait", "ready", "--timeout", "10")
    assert (shown.exit_code, shown.stdout) == (0, "ready (waited 3 s)\n")
    assert shown.stderr == f"waiting for ready: {NOBODY}\n"


def test_wait_connects_anew_where_the_connection_has_ended() -> None:
    server = CannedServer()
    answers = iter([Lost("it has ended the connection"), None])

    def lost_once(_: dict[str, Any]) -> Any:
        trouble = next(answers)
        if trouble is not None:
            raise trouble
        return REPLICA

    server.answers["query-colo-replica"] = lost_once
    assert server.run("wait", "synced", "--timeout", "10").exit_code == 0
    assert len(server.addresses) == 2


def test_wait_is_in_vain_where_the_socket_is_anothers() -> None:
    server = CannedServer()
    server.trouble = CannotReach("permission denied at unix:/x: the socket is its owner's", forbidden=True)
    shown = server.run("wait", "ready", "--timeout", "10")
    assert (shown.exit_code, server.clock.seconds) == (1, 0)
    assert shown.stderr == "colo-ctl: permission denied at unix:/x: the socket is its owner's\n"


def test_a_server_that_never_comes() -> None:
    server = CannedServer()
    server.trouble = NOBODY
    shown = server.run("wait", "synced", "--timeout", "1")
    assert (shown.exit_code, shown.stderr) == (4, f"colo-ctl: not synced within 1 s: {NOBODY}\n")


# events


EVENTS: list[dict[str, Any]] = [
    {
        "event": "COLO_CHARDEV_CONNECTED",
        "data": {"id": "c0", "peer": "127.0.0.1:4711"},
        "timestamp": {"seconds": 1_750_000_000, "microseconds": 500_000},
    },
    {
        "event": "COLO_DIVERGENCE",
        "data": {"id": "comp0", "description": "two\nlines"},
        "timestamp": {"seconds": 1_750_000_001, "microseconds": 0},
    },
    {"event": "STOP"},
]


def test_events_are_a_line_each_until_ctrl_c() -> None:
    server = CannedServer()
    server.events = list(EVENTS)
    shown = server.run("events")
    assert shown.exit_code == 130
    assert shown.stderr == ""
    lines = [line.split(" ", 1)[1] for line in shown.stdout.splitlines()]
    assert lines == [
        "COLO_CHARDEV_CONNECTED id=c0 peer=127.0.0.1:4711",
        "COLO_DIVERGENCE id=comp0 description=two?lines",
        "STOP",
    ]


def test_some_events_only_and_so_many() -> None:
    server = CannedServer(query_qmp_schema=SCHEMA)
    server.events = EVENTS * 3
    shown = server.run("events", "COLO_DIVERGENCE", "STOP", "--count", "3")
    assert shown.exit_code == 0
    assert [line.split()[1] for line in shown.stdout.splitlines()] == ["COLO_DIVERGENCE", "STOP", "COLO_DIVERGENCE"]


def test_an_event_that_there_is_not_is_refused() -> None:
    server = CannedServer(query_qmp_schema=SCHEMA)
    shown = server.run("events", "STOP", "FOO")
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert shown.stderr == "colo-ctl: there is no event FOO; there are: COLO_DIVERGENCE, COLO_FAILOVER, STOP\n"


def test_events_as_json() -> None:
    server = CannedServer()
    server.events = list(EVENTS)
    lines = server.run("events", "--count", "3", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == EVENTS


@pytest.mark.parametrize(
    "words", [["wait", "x"], ["wait"], ["top", "--interval", "0"], ["wait", "ready", "--timeout", "-1"]]
)
def test_wrong_usage(words: list[str]) -> None:
    assert CannedServer().run(*words).exit_code == 2
