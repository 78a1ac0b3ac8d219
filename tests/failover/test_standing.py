"""Each change is told once, and has its time."""

from __future__ import annotations

import pytest

from colo_twisted.events import ReplicaState
from colo_twisted.failover.standing import Standing
from tests.support.fakes import FakeMachine


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


def test_how_it_stands_at_first_is_no_change(machine: FakeMachine) -> None:
    machine.reactor.advance(5)
    standing = Standing("p0", machine, "joining", "nobody is there")
    assert (standing.state, standing.reason, standing.since) == ("joining", "nobody is there", 5.0)
    standing.become("joining", "nobody is there")
    assert machine.told == []


def test_each_change_is_told_once(machine: FakeMachine) -> None:
    standing = Standing("p0", machine, "joining", "")
    for _ in range(2):
        standing.become("synced", "")
    assert machine.told == [ReplicaState("p0", "synced", "")]


def test_another_reason_is_told_but_the_state_is_as_old_as_before(machine: FakeMachine) -> None:
    standing = Standing("p0", machine, "joining", "")
    machine.reactor.advance(1)
    standing.become("joining", "it is invalid")
    assert (standing.reason, standing.since) == ("it is invalid", 0.0)
    assert machine.told == [ReplicaState("p0", "joining", "it is invalid")]
    machine.reactor.advance(1)
    standing.become("synced", "")
    assert standing.since == 2.0
