from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from tests.ctl.canned import REPLICA, CannedServer
from tests.ctl.survivor import ALONE, SECONDARY, SURVIVORS_CHAIN, SURVIVORS_CHARDEVS, SYNCED, TAKEN_OVER


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


def test_a_checkpoint_that_changes_nothing() -> None:
    server = CannedServer(colo_checkpoint={"number": 4})
    server.events = [done("unchanged")]
    said = "colo-ctl: the checkpoint was not made; the secondary is as it was (unchanged)\n"
    assert server.run("checkpoint", "--wait").stderr == said


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
@pytest.mark.parametrize("words", [[], ["--yes"], ["--force"]])
def test_where_nothing_is_replicated_nothing_is_asked_or_done(words: list[str]) -> None:
    server = failing_over({**TAKEN_OVER, "state": "none"}, TAKEN_OVER)
    shown = server.run("failover", *words, input="y\n")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("colo-ctl: there is no replica here: ")
    assert server.orders() == []


@pytest.mark.usefixtures("terminal")
def test_a_person_is_told_that_the_other_side_is_connected() -> None:
    shown = failing_over(SYNCED, TAKEN_OVER).run("failover", input="n\n")
    assert "THE PRIMARY IS CONNECTED (colo-peer cp0)" in shown.stderr
    assert "THE SECONDARY IS CONNECTED (colo-peer cp0)" in failing_over(REPLICA, ALONE).run("failover").stderr


@pytest.mark.parametrize(("before", "other"), [(SYNCED, "primary"), (REPLICA, "secondary")])
def test_a_script_does_not_harm_a_pair_that_works(before: dict[str, Any], other: str) -> None:
    server = failing_over(before, TAKEN_OVER)
    shown = server.run("failover", "--yes")
    assert (shown.exit_code, shown.stdout, len(shown.stderr.splitlines())) == (1, "", 1)
    assert f"refused: the {other} is connected (colo-peer cp0; the state is synced)" in shown.stderr
    assert "--force" in shown.stderr
    assert server.orders() == []


def test_a_secondary_that_hangs_is_connected_and_lost_all_the_same() -> None:
    server = failing_over({**REPLICA, "state": "lost"}, ALONE)
    assert server.run("failover", "--yes").exit_code == 0
    assert server.orders() == [("x-colo-lost-heartbeat", {})]


@pytest.mark.parametrize("words", [["--force"], ["--yes", "--force"]])
def test_it_can_be_forced(words: list[str]) -> None:
    server = failing_over(SYNCED, TAKEN_OVER)
    assert server.run("failover", *words).exit_code == 0
    assert server.orders() == [("x-colo-lost-heartbeat", {})]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("words", [[], ["--yes"]])
def test_once_more_does_nothing_and_asks_nothing(words: list[str]) -> None:
    server = failing_over(TAKEN_OVER, TAKEN_OVER)
    shown = server.run("failover", *words, input="y\n")
    assert (shown.exit_code, shown.stderr) == (0, "")
    first, *others = shown.stdout.splitlines()
    assert first == "This side has already taken over: nothing was done."
    assert "  colo-ctl del object f2 f1 gate0 cp0" in others
    assert server.orders() == []
    alone = failing_over(ALONE, ALONE).run("failover", *words)
    assert alone.stdout == "This side already goes on alone: nothing was done.\n"


def test_failover_as_json() -> None:
    shown = failing_over(SECONDARY, TAKEN_OVER).run("failover", "--yes", "--json")
    assert json.loads(shown.stdout) == {"mode": "secondary", "replica": TAKEN_OVER}
