from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from colo_twisted.ctl.orders import done_lines
from tests.ctl.canned import CHAINS, CHARDEVS, LOST, REPLICA, CannedServer

ALONE = {**REPLICA, "mode": "none", "state": "alone", "reason": "an operator says that the secondary is lost"}
SECONDARY = {"mode": "secondary", "state": "lost", "reason": "", "since": 3.0, "problems": []}
TAKEN_OVER = {"mode": "none", "state": "taken-over", "reason": "", "since": 0.0, "problems": []}
SURVIVORS_CHAIN = {
    **CHAINS[0],
    "filters": [
        {"id": "f1", "type": "filter-redirector", "queue": "tx", "status": "off"},
        {"id": "f2", "type": "filter-redirector", "queue": "rx", "status": "off"},
        {"id": "rew0", "type": "filter-rewriter", "queue": "all", "status": "on"},
    ],
}
SURVIVORS_CHARDEVS = [
    {"label": "red0", "used-by": "filter-redirector 'f1'", "connected": False},
    {"label": "red1", "used-by": "filter-redirector 'f2'", "connected": False},
    {"label": "peer0", "used-by": "colo-peer 'cp0'", "connected": False},
]


def done(outcome: str, id: str = "comp0", number: int = 4) -> dict[str, Any]:
    return {
        "event": "COLO_CHECKPOINT_DONE",
        "data": {"id": id, "number": number, "outcome": outcome, "duration-ms": 1_200},
        "timestamp": {"seconds": 1, "microseconds": 0},
    }


# checkpoint


def test_a_checkpoint_is_asked_for() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    shown = server.run("checkpoint")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("asked for checkpoint 4 (")
    assert server.executed == [("colo-checkpoint", {})]
    assert json.loads(server.run("checkpoint", "--json").stdout) == {"requested": True, "number": 4}


def test_a_checkpoint_of_one_comparer_that_is_waited_for() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    server.events = [
        {"event": "COLO_DIVERGENCE", "data": {}},
        done("failed", "comp1"),
        done("failed", number=3),
        done("done"),
    ]
    shown = server.run("checkpoint", "comp0", "--wait")
    assert shown.stdout == "checkpoint 4 is done, after 1,200 ms\n"
    assert server.executed == [("colo-checkpoint", {"id": "comp0"})]


def test_a_checkpoint_that_was_waited_for_as_json() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    server.events = [done("done")]
    assert json.loads(server.run("checkpoint", "--wait", "--json").stdout)["outcome"] == "done"


def test_a_checkpoint_that_fails() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    server.events = [done("failed")]
    shown = server.run("checkpoint", "--wait")
    assert (shown.exit_code, shown.stderr) == (1, "colo-ctl: the checkpoint was not made: failed (the log says why)\n")


def test_a_checkpoint_that_does_not_end() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    shown = server.run("checkpoint", "--wait", "--timeout", "5")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("colo-ctl: checkpoint 4 has not ended within 5 s")
    assert server.clock.seconds == 5


# failover


def failing_over(before: dict[str, Any], after: dict[str, Any]) -> CannedServer:
    server = CannedServer(query_chain=[SURVIVORS_CHAIN], query_chardev=SURVIVORS_CHARDEVS)

    def fail_over(_: dict[str, Any]) -> dict[str, Any]:
        server.answers["query-colo-replica"] = after
        return {}

    server.answers |= {"query-colo-replica": before, "x-colo-lost-heartbeat": fail_over}
    return server


def test_a_script_says_yes() -> None:
    server = failing_over(SECONDARY, TAKEN_OVER)
    shown = server.run("failover", "--yes")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("The secondary has taken over: the state is taken-over.\n")
    assert server.orders() == [("x-colo-lost-heartbeat", {})]


def test_without_a_terminal_yes_is_needed() -> None:
    server = failing_over(SECONDARY, TAKEN_OVER)
    shown = server.run("failover", input="y\n")
    assert shown.exit_code == 2
    assert "stdin is no terminal to ask at: give --yes" in shown.stderr
    assert server.orders() == []


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stdin is during a test is said to be a terminal."""
    monkeypatch.setattr("colo_twisted.ctl.orders.is_terminal", lambda stream: stream is sys.stdin)


@pytest.mark.usefixtures("terminal")
def test_a_person_is_told_what_will_happen_and_asked() -> None:
    server = failing_over(SECONDARY, TAKEN_OVER)
    shown = server.run("failover", input="y\n")
    assert shown.exit_code == 0
    assert "This secondary takes over" in shown.stderr
    assert "Its state is lost." in shown.stderr
    assert "only if the primary is off for good" in shown.stderr
    assert server.orders() == [("x-colo-lost-heartbeat", {})]


@pytest.mark.usefixtures("terminal")
def test_a_person_may_say_no() -> None:
    server = failing_over(REPLICA, ALONE)
    shown = server.run("failover", input="n\n")
    assert shown.exit_code == 1
    assert "This primary goes on alone" in shown.stderr
    assert server.orders() == []


@pytest.mark.usefixtures("terminal")
def test_where_nothing_is_replicated_a_person_is_told_so() -> None:
    server = failing_over({**TAKEN_OVER, "state": "none"}, TAKEN_OVER)
    assert "There is no replica here." in server.run("failover", input="n\n").stderr


def test_failover_as_json() -> None:
    shown = failing_over(SECONDARY, TAKEN_OVER).run("failover", "--yes", "--json")
    assert json.loads(shown.stdout) == {"mode": "secondary", "replica": TAKEN_OVER}


def test_a_secondary_that_took_over_is_told_what_to_remove() -> None:
    assert done_lines("secondary", TAKEN_OVER, [SURVIVORS_CHAIN], SURVIVORS_CHARDEVS) == [
        "The secondary has taken over: the state is taken-over.",
        "Next, when the primary is to come back or another secondary:",
        "  colo-ctl del object f2 f1",
        "  colo-ctl del chardev red1 red0",
        "rew0 stays: it keeps the connections that were open. What makes this side a primary is added",
        "before it (colo-ctl add object ...,insert=before,position=id=rew0).",
    ]
    assert len(done_lines("secondary", TAKEN_OVER, CHAINS, CHARDEVS)) == 1


def test_a_primary_that_goes_on_alone_is_told_what_comes_next() -> None:
    lines = done_lines("primary", {**ALONE, "problems": LOST["problems"]}, CHAINS, CHARDEVS)
    assert lines[:2] == [
        "The primary goes on alone: the state is alone (an operator says that the secondary is lost).",
        "Next: start a new secondary; when it is there, new connections are protected again.",
    ]
    assert lines[2].startswith("- nobody is connected to chardev 'compare1'")
