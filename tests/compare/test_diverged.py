"""Flows that have diverged: each policy, and a policy that changes."""

from __future__ import annotations

import pytest

from colo_twisted.compare.counters import CompareCounters
from colo_twisted.compare.diverged import Diverged
from colo_twisted.packets.comparing.divergence import Divergence

TIMEOUT = 3.0
A, B = (bytes([10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 0x9C, port]) for port in (1, 2))


class World:
    """What was done, in order."""

    def __init__(self, policy: str, makes: bool = False) -> None:
        self.done: list[tuple[str, object]] = []
        self.counters = CompareCounters()
        self.makes = makes
        self.diverged = Diverged(
            policy,
            TIMEOUT,
            self.counters,
            self._ask,
            lambda why: self.done.append(("isolate", why)),
            lambda key, now: self.done.append(("release", key)),
        )

    def _ask(self, why: str) -> bool:
        self.done.append(("ask", why))
        return self.makes

    def diverge(self, key: bytes, now: float, kind: str = "payload") -> None:
        self.diverged.deal_with(Divergence(kind, key, 1, 0, None, None, now), now)

    @property
    def what(self) -> list[str]:
        what = [name for name, _ in self.done]
        self.done.clear()
        return what


def test_a_checkpoint_is_asked_for_and_the_flow_held() -> None:
    world = World("checkpoint", makes=True)
    world.diverge(A, 10.0)
    assert world.what == ["ask"]
    assert world.diverged.next_deadline is None
    world.diverged.release_all(11.0)
    assert world.done == [("release", A)]
    assert world.counters.released_flows == 1


def test_where_nobody_makes_any_it_goes_after_the_time_out_in_all() -> None:
    world = World("checkpoint")
    world.diverge(A, 10.0)
    world.diverge(B, 11.0, "unmatched")
    assert world.diverged.next_deadline == 11.0
    world.diverged.release_due(11.0)
    assert world.done[-1] == ("release", B)
    world.diverged.release_due(12.9)
    world.diverged.release_due(13.0)
    assert world.done[-1] == ("release", A)
    assert world.counters.released_flows == 2


def test_what_is_settled_is_not_let_go() -> None:
    world = World("checkpoint")
    world.diverge(A, 10.0)
    world.diverged.settle()
    assert world.diverged.next_deadline is None
    world.diverged.release_all(100.0)
    assert world.what == ["ask"]


def test_a_release_is_at_once() -> None:
    world = World("release")
    world.diverge(A, 10.0)
    assert world.done == [("release", A)]


def test_an_isolation_holds_nothing_for_later() -> None:
    world = World("isolate")
    world.diverge(A, 10.0)
    world.diverged.release_all(11.0)
    assert world.what == ["isolate"]
    assert world.counters.isolations == 1


@pytest.mark.parametrize("timeout", [1.0, 9.0])
def test_another_time_out_counts_from_when_it_diverged(timeout: float) -> None:
    world = World("checkpoint")
    world.diverge(A, 10.0)
    world.diverged.change("checkpoint", timeout, 10.5)
    assert world.diverged.next_deadline == 10.0 + timeout
    assert world.what == ["ask"]


@pytest.mark.parametrize(("policy", "what"), [("release", ["release", "release"]), ("isolate", ["isolate"])])
def test_another_policy_is_for_what_is_held_too(policy: str, what: list[str]) -> None:
    world = World("checkpoint")
    world.diverge(A, 10.0)
    world.diverge(B, 10.0)
    assert world.what == ["ask", "ask"]
    world.diverged.change(policy, TIMEOUT, 11.0)
    assert world.what == what
    assert world.diverged.next_deadline is None
