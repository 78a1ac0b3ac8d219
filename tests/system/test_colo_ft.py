"""
The procedures of QEMU's docs/COLO-FT.txt, as they stand there, while clients' traffic goes on.

Each with the document's own chardevs and objects, and once more with ours: pairs, a colo-peer, vnet headers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colo_ft import DOCUMENTED, OURS, Procedures, staged, switched_on
from tests.support.lan import Lan, Node
from tests.support.namespaces import need
from tests.support.processes import wait_until
from tests.support.traffic import LONG
from tests.support.transfers import MB, check_protected, check_right, finish, idle, let_go_on, under_way

BIG = (200 if LONG else 30) * MB


@pytest.fixture(params=[DOCUMENTED, OURS], ids=["documented", "ours"])
def procedures(request: pytest.FixtureRequest) -> Procedures:
    made: Procedures = request.param
    return made


@contextlib.contextmanager
def a_pair(folder: Path, procedures: Procedures) -> Iterator[tuple[Lan, Node, Node]]:
    """Primary and secondary; whatever begins now is protected."""
    need("ip")
    with Lan(folder) as lan:
        primary, secondary = lan.add("a"), lan.add("b")
        primary.start(procedures.primary)
        primary.start_guest()
        join(secondary, primary, procedures)
        primary.wait_synced()
        yield lan, primary, secondary


def join(secondary: Node, primary: Node, procedures: Procedures) -> None:
    """A new secondary starts, with its guest."""
    secondary.start(procedures.secondary.format(primary_ip=primary.address))
    secondary.start_guest()


def check_gate(secondary: Node, procedures: Procedures) -> None:
    """The switch sends what is for all to the secondary's TAP too; its guest has it from the primary alone."""
    if "gate0" in procedures.secondary:
        assert secondary.colo.counters()["object gate0"]["dropped_by_gate"] >= 1


def fail_over(lan: Lan, primary: Node, secondary: Node, procedures: Procedures) -> None:
    """The primary dies in the midst of transfers; these go on with the secondary, and so does an idle connection."""
    with idle(lan, secondary.name) as silent, under_way(lan, primary, BIG) as transfers:
        primary.kill()
        assert transfers.popen.poll() is None
        secondary.monitor.wait_for("COLO_CHARDEV_DISCONNECTED", id="red1")
        check_gate(secondary, procedures)
        secondary.type(*procedures.secondary_failover)
        let_go_on(lan, secondary.name)
        finish(transfers, silent)
    assert secondary.monitor.wait_for("COLO_EXIT") == {"mode": "secondary", "reason": "request"}
    assert secondary.monitor.wait_for("COLO_FAILOVER")["mode"] == "secondary"
    assert secondary.mode() == ("none", "secondary", "request")
    check_right(lan)


def resume(lan: Lan, primary: Node, procedures: Procedures, commands: tuple[str, ...]) -> Node:
    """A third node becomes the secondary, while clients come and go."""
    third = lan.add("c")
    with lan.visiting("in_a_row", 200, MB, 20) as one_by_one:
        join(third, primary, procedures)
        primary.type(*commands)
        primary.wait_synced()
        finish(one_by_one)
    assert primary.mode() == ("primary", "primary", "none")
    assert third.mode() == ("secondary", "secondary", "none")
    return third


def test_filters_that_start_off_are_switched_on_last(tmp_path: Path, procedures: Procedures) -> None:
    need("ip")
    with Lan(tmp_path) as lan:
        primary, secondary = lan.add("a"), lan.add("b")
        primary.start(staged(procedures.primary))
        primary.start_guest()
        secondary.start(staged(procedures.secondary).format(primary_ip=primary.address))
        primary.colo.wait_for_output("colo: running")
        with lan.visiting("in_a_row", 200, MB, 20) as one_by_one, lan.visiting("down_and_up", BIG) as transfers:
            wait_until(lambda: primary.colo.counters()["netdev hn0"].get("frames_in", 0) > 500, "traffic")
            assert primary.replica()["state"] == "joining"
            secondary.type(*switched_on("f1", "f2", "rew0"))
            secondary.start_guest()
            primary.type(*switched_on("m0", "redire0", "redire1"))
            primary.monitor.wait_for("COLO_REPLICA_STATE", id="comp0", state="synced")
            finish(one_by_one, transfers)
        primary.wait_synced()
        check_protected(lan, primary)


def test_primary_failover_and_resume(tmp_path: Path, procedures: Procedures) -> None:
    with a_pair(tmp_path, procedures) as (lan, primary, secondary), idle(lan, "much later") as patient:
        assert primary.mode() == ("primary", "primary", "none")
        with idle(lan, "soon") as silent, under_way(lan, primary, BIG) as transfers:
            secondary.kill()
            assert transfers.popen.poll() is None
            primary.monitor.wait_for("COLO_CHARDEV_DISCONNECTED", id="compare1")
            primary.type(*procedures.primary_failover)
            let_go_on(lan, "soon")
            finish(transfers, silent)
        assert primary.monitor.wait_for("COLO_EXIT") == {"mode": "primary", "reason": "request"}
        assert primary.mode() == ("none", "primary", "request")
        check_right(lan)

        third = resume(lan, primary, procedures, procedures.primary_resume)
        let_go_on(lan, "much later")
        finish(patient)
        check_protected(lan, primary)
        fail_over(lan, primary, third, procedures)


def test_secondary_failover_and_resume(tmp_path: Path, procedures: Procedures) -> None:
    """The survivor becomes the primary of a new secondary, which survives it in turn."""
    with a_pair(tmp_path, procedures) as (lan, primary, secondary), idle(lan, "much later") as patient:
        assert secondary.mode() == ("secondary", "secondary", "none")
        fail_over(lan, primary, secondary, procedures)

        third = resume(lan, secondary, procedures, procedures.secondary_resume)
        (chain,) = secondary.colo.qmp("query-chain")
        assert [row["id"] for row in chain["filters"]] == ["m0", "redire0", "redire1", "rew0"]
        let_go_on(lan, "much later")
        finish(patient)
        check_protected(lan, secondary)
        fail_over(lan, secondary, third, procedures)
