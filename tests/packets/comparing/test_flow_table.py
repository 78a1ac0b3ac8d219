"""The table of flows: what begins, is let go, and when nothing happens."""

from __future__ import annotations

import pytest

from colo_twisted.packets.comparing.flow_table import FOLLOWING, HOLDING, OPEN
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.comparing.protection import DIVERGED, FOLLOWED, NAMING, PASSED, UNPROTECTED
from tests.support.comparison import CLIENT_ISN, ISN, SYN_ACK, Bench, opened
from tests.support.segments import Segment

DATA = Segment(ISN + 1, CLIENT_ISN + 1, window=500, payload=b"0123456789")
ALL = Rule()


def test_holding_begins_from_following_only() -> None:
    flows = Bench().comparer.flows
    flows.hold()
    assert flows.gate == HOLDING
    flows.open(0.0)
    flows.hold()
    assert flows.gate == OPEN
    flows.follow(0.0)
    assert flows.gate == FOLLOWING


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize(
    ("gate", "rule", "expected"),
    [
        (FOLLOWING, False, (FOLLOWED, FOLLOWED)),
        (HOLDING, False, (FOLLOWED, FOLLOWED)),
        (OPEN, False, (UNPROTECTED, UNPROTECTED)),
        (FOLLOWING, True, (NAMING, PASSED)),
        (OPEN, True, (PASSED, PASSED)),
    ],
)
def test_how_a_connection_begins(names: bool, gate: int, rule: bool, expected: tuple[int, int]) -> None:
    bench = Bench(names=names)
    if rule:
        bench.comparer.flows.add_rule("all", ALL, bench.now)
    bench.comparer.flows.gate = gate
    bench.primary(SYN_ACK)
    assert bench.flow.protection == expected[0 if names else 1]
    assert bench.flow.rule == ("all" if rule else None)


@pytest.mark.parametrize("protection", [FOLLOWED, UNPROTECTED, PASSED, NAMING])
def test_only_a_diverged_flow_is_released(protection: int) -> None:
    bench = opened()
    bench.flow.protection = protection
    bench.comparer.flows.release(bench.flow.key, bench.now)
    assert bench.flow.protection == protection


@pytest.mark.parametrize("protection", [FOLLOWED, UNPROTECTED, PASSED, DIVERGED])
def test_only_a_named_flow_is_let_go(protection: int) -> None:
    bench = opened()
    bench.flow.protection = protection
    bench.comparer.flows.let_go(bench.flow, bench.now)
    assert bench.flow.protection == protection


def test_a_flow_that_is_not_there_is_not_released() -> None:
    Bench().comparer.flows.release(b"none", 0.0)


def test_opening_forgets_who_is_to_be_named() -> None:
    bench = Bench(names=True)
    bench.primary(DATA)
    flows = bench.comparer.flows
    flows.hold()
    flows.open(bench.now)
    assert flows.unnamed == []
    assert bench.finish() == [DATA]


def test_some_flows_are_a_part_of_all_in_the_order_in_which_they_began() -> None:
    bench = Bench()
    for port in range(1, 6):
        bench.open(at=port)
    flows = bench.comparer.flows
    assert len(flows) == 5
    assert flows.some(1, 2) == flows.all()[1:3]
    assert flows.some(4, 100) == flows.all()[4:]
    assert flows.some(5, 1) == []


def test_those_that_the_secondary_does_not_follow_are_counted() -> None:
    bench = Bench()
    flows = bench.comparer.flows
    for port, protection in enumerate((FOLLOWED, DIVERGED, NAMING, PASSED, UNPROTECTED), start=1):
        bench.open(at=port)
        flows.all()[-1].protection = protection
    assert flows.unprotected == 2
    flows.all()[-1].ended = True
    assert flows.unprotected == 1


def test_a_rule_counts_for_what_it_fits_only() -> None:
    bench = opened()
    flows = bench.comparer.flows
    flows.add_rule("other", Rule(17), bench.now)
    assert bench.flow.protection == FOLLOWED
    flows.add_rule("all", ALL, bench.now)
    flows.add_rule("more", ALL, bench.now)
    assert (bench.flow.protection, bench.flow.rule) == (PASSED, "all")
    flows.remove_rule("more")
    assert bench.flow.protection == PASSED
    flows.remove_rule("all")
    assert (bench.flow.protection, bench.flow.rule) == (UNPROTECTED, None)


def test_a_diverged_flow_that_a_rule_fits_goes() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.wait()
    assert bench.kinds == ["unmatched"]
    bench.comparer.flows.add_rule("all", ALL, bench.now)
    assert bench.finish() == [DATA]
    bench.assert_empty()
