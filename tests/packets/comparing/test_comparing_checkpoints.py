"""Checkpoints: what is flushed, and what is compared anew; sentence by sentence."""

from __future__ import annotations

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.marker import marker_packet
from tests.support.comparison import (
    CLIENT_ISN,
    ISN,
    OTHER_ISN,
    OTHER_SYN_ACK,
    SYN_ACK,
    TIMEOUT,
    Bench,
    datagram,
    diverged,
    opened,
)
from tests.support.segments import ACK, FIN, RST, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1
DATA = Segment(MINE, HERS, window=500, payload=b"0123456789")
LAST = Segment(MINE + 10, HERS, FIN | ACK, 500)
NONCE = bytes(range(16))
RDP = Rule(6, destination_ports=range(80, 81))


def marked(bench: Bench, marker_first: bool | None) -> None:
    """A checkpoint from its mark to its end; None: without a marker."""
    mark = bench.comparer.mark()
    if marker_first is not None:
        bench.comparer.ignore_secondary(NONCE)
    if marker_first:
        bench.secondary(marker_packet(NONCE))
    bench.flush(mark)
    if marker_first is False:
        bench.secondary(marker_packet(NONCE))


orders = pytest.mark.parametrize("marker_first", [True, False, None], ids=["marker first", "flush first", "no marker"])


@orders
def test_a_checkpoint_lets_go_what_came_before_its_mark(marker_first: bool | None) -> None:
    bench = diverged()
    other = datagram(b"one")
    bench.primary(other, LAST)
    seen = len(bench.frames)
    marked(bench, marker_first)
    assert [bench._read(frame) for frame in bench.frames[seen:]] == [DATA, other, LAST]
    bench.assert_empty()
    assert bench.tally["checkpoints"] == 1
    more = datagram(b"two")
    assert bench.both(more) == [more]
    bench.wait(60)
    assert bench.divergences == []


@pytest.mark.parametrize("marker_first", [True, False])
def test_what_the_secondary_says_before_its_marker_is_ignored(marker_first: bool) -> None:
    bench = opened()
    bench.comparer.ignore_secondary(NONCE)
    mark = bench.comparer.mark()
    assert bench.secondary(DATA.but(payload=b"wrong")) == []
    assert bench.secondary(marker_packet(b"x" * 16), DATA.but(payload=b"wrong")) == []
    assert bench.tally["secondary_ignored"] == 2
    if marker_first:
        bench.secondary(marker_packet(NONCE))
    bench.flush(mark)
    if not marker_first:
        bench.secondary(DATA.but(payload=b"wrong"), marker_packet(NONCE))
    assert bench.both(DATA) == [DATA]
    assert bench.divergences == []


def test_what_it_says_between_marker_and_flush_counts() -> None:
    bench = opened()
    mark = bench.comparer.mark()
    bench.comparer.ignore_secondary(NONCE)
    bench.secondary(marker_packet(NONCE), DATA)
    bench.flush(mark)
    assert bench.primary(DATA) == [DATA]


def test_the_order_of_both_is_seen_anew_at_each_checkpoint() -> None:
    bench = opened()
    marked(bench, False)
    bench.secondary(DATA.but(payload=b"wrong"))
    marked(bench, None)
    assert bench.both(DATA) == [DATA]


@orders
@pytest.mark.parametrize("ahead", [0, 4, 10])
def test_a_secondary_ahead_or_behind_is_as_the_primary_now(marker_first: bool | None, ahead: int) -> None:
    bench = opened()
    bench.secondary(DATA.but(payload=b"xxxxxxxxxx"[:ahead]) if ahead else DATA.but(payload=b""))
    marked(bench, marker_first)
    assert bench.primary(DATA) == []
    assert bench.secondary(DATA) == [DATA]
    bench.wait(60)
    assert bench.divergences == []


@orders
def test_what_came_behind_the_mark_is_compared_anew(marker_first: bool | None) -> None:
    bench = opened()
    bench.primary(DATA)
    mark = bench.comparer.mark()
    after = DATA.but(seq=MINE + 10, payload=b"behind")
    bench.primary(after)
    bench.secondary(DATA.but(seq=MINE + 10, payload=b"beh"))
    if marker_first is not None:
        bench.comparer.ignore_secondary(NONCE)
    if marker_first:
        bench.secondary(marker_packet(NONCE))
    assert bench.flush(mark) == [DATA]
    if marker_first is False:
        bench.secondary(marker_packet(NONCE))
    assert bench.secondary(after.but(seq=MINE + 13, payload=b"ind")) == []  # the first three don't count
    assert bench.secondary(after.but(payload=b"beh")) == [after]
    bench.assert_empty()


def test_it_has_its_whole_time_from_the_checkpoint_on() -> None:
    bench = opened()
    bench.primary(Segment(MINE, HERS, window=500))
    mark = bench.comparer.mark()
    bench.comparer.ignore_secondary(NONCE)
    after = DATA.but(ack=HERS + 50)
    bench.primary(after, Segment(MINE + 10, HERS + 70, window=500))
    bench.wait(TIMEOUT - 0.5)
    bench.secondary(marker_packet(NONCE))
    bench.flush(mark)
    bench.wait(TIMEOUT - 0.5)
    assert bench.divergences == []
    (told,) = bench.secondary(after)
    assert told.payload == DATA.payload  # type: ignore[union-attr]
    (owed,) = bench.secondary(after.but(seq=MINE + 10, ack=HERS + 70, payload=b""))
    assert owed.ack == HERS + 70  # type: ignore[union-attr]
    bench.wait(60)
    assert bench.divergences == []


@orders
@pytest.mark.parametrize("known", [True, False], ids=["it knows it", "it doesn't"])
def test_a_connection_opened_behind_the_mark_is_opened_by_the_secondary_too(
    marker_first: bool | None, known: bool
) -> None:
    bench = Bench()
    mark = bench.comparer.mark()
    if marker_first is not None:
        bench.comparer.ignore_secondary(NONCE)
    assert bench.primary(SYN_ACK) == []
    if marker_first:
        bench.secondary(marker_packet(NONCE))
    assert bench.flush(mark) == []
    if marker_first is False:
        bench.secondary(marker_packet(NONCE))
    assert bench.secondary(SYN_ACK if known else OTHER_SYN_ACK) == [SYN_ACK]
    assert bench.both(DATA) == [DATA]
    bench.wait(60)
    assert bench.divergences == []


def test_an_opening_of_the_secondarys_alone_is_forgotten() -> None:
    bench = Bench()
    bench.secondary(OTHER_SYN_ACK)
    marked(bench, None)
    bench.wait(60)
    assert bench.divergences == []
    assert bench.primary(SYN_ACK) == []
    assert bench.secondary(OTHER_SYN_ACK.but(seq=OTHER_ISN + 1)) == [SYN_ACK]


@pytest.mark.parametrize("ended", [LAST, Segment(MINE + 10, HERS, RST | ACK, 0)])
def test_ends_are_known_behind_a_checkpoint(ended: Segment) -> None:
    bench = opened()
    bench.primary(DATA, ended)
    marked(bench, None)
    assert bench.primary(ended) == [ended]
    bench.wait(60)
    assert bench.divergences == []


def test_acks_begin_with_the_flushed_ones() -> None:
    """The highest ack and edge among the flushed packets: the secondary is there, and stays silent."""
    bench = diverged()
    pure = Segment(MINE + 10, HERS + 700_000, window=500)
    bench.primary(pure)
    mark = bench.comparer.mark()
    behind = Segment(MINE + 10, HERS + 900_000, window=300, payload=b"behind")
    bench.primary(behind)
    assert bench.flush(mark) == [DATA, pure]
    assert bench.primary(pure) == [pure]
    (left,) = bench.secondary(behind.but(ack=pure.ack))
    assert left.ack == pure.ack  # type: ignore[union-attr]
    (owed,) = bench.secondary(behind.but(seq=MINE + 16, payload=b""))
    assert (owed.ack, owed.window) == (behind.ack, 300)  # type: ignore[union-attr]
    bench.wait(60)
    assert bench.divergences == []


def test_an_ack_from_behind_the_mark_is_not_taken_for_the_secondarys() -> None:
    bench = opened()
    bench.both(DATA)
    mark = bench.comparer.mark()
    pure = Segment(MINE + 10, HERS + 100, window=500)
    assert bench.primary(pure) == []
    assert bench.flush(mark) == []
    (told,) = bench.secondary(pure.but(ack=HERS + 60))
    assert told.ack == HERS + 60  # type: ignore[union-attr]


def test_a_window_is_in_step_at_once() -> None:
    bench = opened()
    full = Segment(MINE, HERS + 700_000, window=500)
    bench.primary(full)
    bench.secondary(full.but(window=300))
    marked(bench, None)
    told = bench._read(bench.frames[-1])
    assert (told.ack, told.window) == (full.ack, full.window)  # type: ignore[union-attr]
    bench.wait(60)
    assert bench.divergences == []


def test_unprotected_flows_are_followed_from_a_checkpoint_on() -> None:
    bench = Bench(names=True)
    bench.primary(DATA)
    bench.comparer.flows.let_go(bench.flow, bench.now)
    assert bench.finish() == [DATA]
    marked(bench, None)
    assert bench.primary(LAST) == []
    assert bench.secondary(LAST) == [LAST]


def test_one_that_waits_to_be_named_is_followed_too() -> None:
    bench = Bench(names=True)
    mark = bench.comparer.mark()
    bench.primary(DATA)
    (unnamed,) = bench.comparer.flows.unnamed
    assert bench.flush(mark) == []
    bench.comparer.flows.let_go(unnamed, bench.now)
    assert bench.primary(LAST) == []
    assert bench.secondary(DATA) == [DATA]
    assert bench.secondary(LAST) == [LAST]


def test_what_a_rule_lets_pass_passes_on() -> None:
    bench = opened()
    bench.comparer.flows.add_rule("rdp", RDP, bench.now)
    marked(bench, None)
    assert bench.primary(DATA) == [DATA]


def test_flushed_packets_of_all_flows_leave_in_the_order_in_which_they_came() -> None:
    bench = Bench()
    for port in (1, 2):
        bench.open(at=port)
    sent = [DATA, DATA.but(seq=MINE + 10), DATA.but(seq=MINE + 20)]
    for index in range(3):
        for port in (2, 1):
            bench.primary(sent[index], at=port)
    bench.flush(bench.comparer.mark())
    ports = [Ether(frame.packet)[TCP].dport for frame in bench.frames[2:]]
    assert ports == [2, 1, 2, 1, 2, 1]


def test_of_a_packet_that_was_half_compared_all_is_compared_anew() -> None:
    bench = opened(ack_commit=False)
    mark = bench.comparer.mark()
    bench.primary(DATA)
    bench.secondary(DATA.but(payload=b"0123"))
    bench.comparer.ignore_secondary(NONCE)
    bench.secondary(marker_packet(NONCE))
    assert bench.flush(mark) == []
    assert bench.secondary(DATA.but(seq=MINE + 4, payload=b"456789")) == []
    assert bench.secondary(DATA.but(payload=b"0123")) == [DATA]


def test_no_ack_is_lowered_below_one_that_left_before_the_marker() -> None:
    bench = opened()
    pure = Segment(MINE, HERS + 1000, window=500)
    bench.both(pure)
    bench.comparer.ignore_secondary(NONCE)
    bench.primary(DATA.but(ack=HERS + 2000))
    (left,) = bench.secondary(marker_packet(NONCE), DATA.but(ack=HERS + 500))
    assert left.ack == HERS + 1000  # type: ignore[union-attr]


def test_bytes_that_the_secondary_had_sent_before_the_checkpoint_are_forgotten_at_once() -> None:
    """The primary's guest goes on before all is done, and says what its copy has not said yet."""
    bench = opened()
    bench.secondary(DATA)
    mark = bench.comparer.mark()
    bench.comparer.ignore_secondary(NONCE)
    assert bench.primary(DATA) == []
    bench.flush(mark)
    assert bench.secondary(marker_packet(NONCE), DATA) == [DATA]
