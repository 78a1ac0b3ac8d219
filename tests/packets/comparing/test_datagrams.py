"""UDP and others: equal payloads, and a little disorder."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from colo_twisted.packets.comparing.datagrams import PATIENCE, WINDOW
from tests.support.comparison import TIMEOUT, Bench, datagram


@given(st.permutations(range(5)), st.lists(st.booleans(), min_size=10, max_size=10))
def test_what_changed_places_by_a_few_is_equal(order: list[int], primary_next: list[bool]) -> None:
    """Whatever the interleaving: all leaves, in the primary's order, each one after its counterpart."""
    bench = Bench()
    mine = [datagram(b"%d" % number) for number in range(5)]
    theirs = [datagram(b"%d" % number, ip_id=9) for number in order]
    came: list[int] = []
    for is_primary in (*primary_next, *[True, False] * 5):
        if is_primary and mine:
            bench.primary(mine.pop(0))
        elif not is_primary and theirs:
            bench.secondary(theirs.pop(0))
            came.append(order[len(came)])
        released = [int(frame.packet[42:]) for frame in bench.frames]
        assert released == list(range(len(released)))
        assert set(released) <= set(came)
    assert len(bench.frames) == 5
    bench.wait(60)
    assert bench.divergences == []
    bench.assert_empty()


@pytest.mark.parametrize("primary_first", [True, False])
def test_another_payload_is_told_after_a_moment(primary_first: bool) -> None:
    bench = Bench()
    sends = [(bench.primary, datagram(b"0123")), (bench.secondary, datagram(b"01x3"))]
    for send, packet in sends if primary_first else reversed(sends):
        assert send(packet) == []
    bench.wait(PATIENCE - 0.01)
    assert bench.divergences == []
    bench.wait(0.2)
    (told,) = bench.divergences
    assert (told.kind, told.seq, told.offset) == ("payload", 0, 2)
    assert (told.packet, told.other) == (datagram(b"0123"), datagram(b"01x3"))


@pytest.mark.parametrize(("other", "offset"), [(b"01234", 4), (b"012", 3), (b"", 0)])
def test_so_is_another_length(other: bytes, offset: int) -> None:
    bench = Bench()
    bench.primary(datagram(b"0123"))
    bench.secondary(datagram(other))
    bench.wait(0.3)
    assert [(told.kind, told.offset) for told in bench.divergences] == [("payload", offset)]


def test_one_that_is_not_among_the_next_few_is_told_at_once() -> None:
    bench = Bench()
    bench.primary(datagram(b"mine"))
    for number in range(WINDOW - 1):
        bench.secondary(datagram(b"%d" % number))
    assert bench.divergences == []
    bench.secondary(datagram(b"7"))
    assert bench.kinds == ["payload"]


def test_any_number_may_wait_for_a_slow_side() -> None:
    for slow_primary in (True, False):
        bench = Bench()
        packets = [datagram(b"%d" % number) for number in range(50)]
        first, then = (bench.secondary, bench.primary) if slow_primary else (bench.primary, bench.secondary)
        assert first(*packets) == []
        bench.wait(TIMEOUT - 0.1)
        assert then(*packets) == packets
        bench.assert_empty()


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_one_without_a_counterpart_is_told_after_compare_timeout(side: str) -> None:
    bench = Bench()
    getattr(bench, side)(datagram(b"one"))
    bench.wait(TIMEOUT - 0.1)
    assert bench.divergences == []
    bench.wait(0.3)
    assert bench.kinds == ["unmatched"]


def test_equal_ones_count_as_often_as_they_come() -> None:
    bench = Bench()
    assert bench.primary(datagram(b"one"), datagram(b"one")) == []
    assert bench.secondary(datagram(b"one")) == [datagram(b"one")]
    assert bench.secondary(datagram(b"one")) == [datagram(b"one")]


def test_flows_do_not_wait_for_each_other() -> None:
    bench = Bench()
    packets = [datagram(b"one", port) for port in (1, 2, 3)]
    bench.primary(*packets)
    for packet in reversed(packets):
        assert bench.secondary(packet) == [packet]


def test_an_echos_identifier_is_its_flow() -> None:
    bench = Bench()
    ether = Ether(src="52:54:00:00:00:02", dst="52:54:00:00:00:01")
    one, other = (
        bytes(ether / IP(src="10.0.0.2", dst="10.0.0.1") / ICMP(type=0, id=id, seq=1) / Raw(b"ping")) for id in (7, 8)
    )
    bench.primary(one, other)
    assert bench.secondary(other) == [other]
    assert bench.secondary(one) == [one]


def test_they_are_forgotten_after_three_minutes() -> None:
    bench = Bench()
    for packet in itertools.repeat(datagram(b"one"), 3):
        bench.both(packet)
        bench.wait(179)
        assert len(bench.comparer.flows.all()) == 1
    bench.wait(3)
    assert bench.comparer.flows.all() == []
