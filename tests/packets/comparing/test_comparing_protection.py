"""Flows that are let go, connections that the secondary does not follow, and rules; sentence by sentence."""

from __future__ import annotations

import pytest

from colo_twisted.packets.comparing.flow_table import FOLLOWING
from colo_twisted.packets.comparing.passthrough import Rule
from tests.support.comparison import (
    CLIENT_ISN,
    ISN,
    OTHER_SYN_ACK,
    SYN_ACK,
    Bench,
    datagram,
    diverged,
    opened,
)
from tests.support.segments import ACK, FIN, RST, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1
DATA = Segment(MINE, HERS, window=500, payload=b"0123456789")
LAST = Segment(MINE + 10, HERS, FIN | ACK, 500)
RDP = Rule(6, destination_ports=range(80, 81))


# divergences, and flows that are let go


def test_a_released_flow_goes_on_uncompared() -> None:
    bench = diverged()
    bench.primary(LAST, Segment(MINE + 11, HERS + 500, window=1))
    bench.comparer.flows.release(bench.flow.key, bench.now)
    assert bench.finish() == [DATA, LAST, Segment(MINE + 11, HERS + 500, window=1)]
    assert bench.primary(DATA) == [DATA]
    assert bench.secondary(DATA) == []
    assert bench.tally["unprotected"] == 1
    bench.assert_empty()


def test_with_names_it_waits_until_the_secondary_knows() -> None:
    bench = diverged(names=True)
    bench.comparer.flows.release(bench.flow.key, bench.now)
    assert bench.finish() == []
    assert bench.primary(LAST) == []
    (unnamed,) = bench.comparer.flows.unnamed
    bench.comparer.flows.let_go(unnamed, bench.now)
    assert bench.finish() == [DATA, LAST]


def test_a_debt_is_paid_when_a_flow_is_let_go() -> None:
    bench = opened()
    bench.primary(Segment(MINE, HERS + 900, window=500))
    bench.wait()
    assert bench.kinds == ["ack"]
    bench.comparer.flows.release(bench.flow.key, bench.now)
    (told,) = bench.finish()
    assert (told.ack, told.window) == (HERS + 900, 500)  # type: ignore[union-attr]


# protection


def test_with_names_a_connection_from_before_is_named_and_held() -> None:
    bench = Bench(names=True)
    assert bench.primary(DATA) == []
    (unnamed,) = bench.comparer.flows.unnamed
    bench.comparer.flows.unnamed.clear()
    assert bench.primary(LAST) == []
    bench.comparer.flows.let_go(unnamed, bench.now)
    assert bench.finish() == [DATA, LAST]
    assert bench.divergences == []


def test_so_it_is_when_the_secondarys_refusal_comes_first() -> None:
    """Its guest doesn't know the connection."""
    bench = Bench(names=True)
    bench.secondary(Segment(MINE, 0, RST))
    assert bench.primary(DATA) == []
    assert bench.comparer.flows.unnamed == [bench.flow]
    bench.wait(60)
    assert bench.divergences == []


@pytest.mark.parametrize("segment", [SYN_ACK, Segment(0, HERS, RST | ACK)])
def test_with_names_what_is_opened_or_refused_is_compared(segment: Segment) -> None:
    bench = Bench(names=True)
    bench.primary(segment)
    assert bench.comparer.flows.unnamed == []
    assert bench.secondary(segment) == [segment]


def test_held_in_a_loss_all_goes_when_it_is_known() -> None:
    bench = opened()
    flows = bench.comparer.flows
    flows.hold()
    waiting = datagram(b"one")
    assert bench.primary(DATA, waiting) == []
    assert bench.secondary(DATA) == []
    bench.wait(60)
    assert bench.divergences == []
    flows.open(bench.now)
    assert set(bench.finish()) == {DATA, waiting}
    assert bench.primary(LAST) == [LAST]
    assert bench.primary(SYN_ACK.but(seq=99), at=7) == [SYN_ACK.but(seq=99)]
    bench.assert_empty()


def test_after_a_join_new_connections_are_followed_and_what_is_none() -> None:
    bench = opened()
    flows = bench.comparer.flows
    flows.hold()
    flows.open(bench.now)
    bench.primary(DATA, datagram(b"one"))
    flows.follow(0.0)
    assert flows.gate == FOLLOWING
    assert bench.primary(LAST) == [LAST]
    assert bench.primary(datagram(b"two")) == []
    assert bench.primary(SYN_ACK.but(seq=99)) == []  # the same ports
    assert bench.primary(SYN_ACK, at=7) == []
    bench.open(at=8)


def test_an_open_gate_holds_nothing_that_was_a_rules() -> None:
    bench = Bench()
    flows = bench.comparer.flows
    flows.open(bench.now)
    flows.add_rule("names", Rule(17), bench.now)
    bench.primary(datagram(b"one"))
    flows.remove_rule("names")
    assert bench.primary(datagram(b"two")) == [datagram(b"two")]


# rules


def test_a_rule_lets_known_and_new_flows_go_and_ends_again() -> None:
    bench = opened()
    flows = bench.comparer.flows
    bench.primary(DATA)
    flows.add_rule("rdp", RDP, bench.now)
    assert bench.finish() == [DATA]
    assert bench.primary(LAST, SYN_ACK) == [LAST, SYN_ACK]
    assert bench.primary(SYN_ACK, at=7) == [SYN_ACK]
    assert bench.secondary(DATA, OTHER_SYN_ACK) == []
    flows.remove_rule("rdp")
    assert bench.primary(LAST) == [LAST]  # until it closes
    assert bench.primary(SYN_ACK, at=8) == []
    bench.wait(1)
    assert bench.divergences == []


def test_a_datagrams_flow_is_compared_as_soon_as_the_rule_is_gone() -> None:
    bench = Bench()
    flows = bench.comparer.flows
    flows.add_rule("names", Rule(17), bench.now)
    assert bench.primary(datagram(b"one")) == [datagram(b"one")]
    flows.remove_rule("names")
    assert bench.primary(datagram(b"two")) == []
    assert bench.secondary(datagram(b"two")) == [datagram(b"two")]


def test_with_names_a_rules_connections_are_named_first() -> None:
    bench = opened(names=True)
    bench.comparer.flows.add_rule("rdp", RDP, bench.now)
    assert bench.primary(DATA) == []
    (unnamed,) = bench.comparer.flows.unnamed
    bench.comparer.flows.let_go(unnamed, bench.now)
    assert bench.finish() == [DATA]


def test_a_connection_that_was_named_may_be_gone_when_the_answer_comes() -> None:
    bench = Bench(names=True)
    bench.primary(DATA)
    (unnamed,) = bench.comparer.flows.unnamed
    bench.primary(SYN_ACK.but(seq=99))
    bench.secondary(OTHER_SYN_ACK)
    bench.comparer.flows.let_go(unnamed, bench.now)
    assert bench.finish() == []
    assert len(bench.comparer.flows.all()) == 1
