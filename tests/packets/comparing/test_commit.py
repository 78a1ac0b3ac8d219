"""What acknowledgments leave, sentence by sentence: both guests' acks and windows, and the debt."""

from __future__ import annotations

import pytest

from colo_twisted.packets.comparing.commit import window_field
from tests.support.comparison import (
    CLIENT_ISN,
    ISN,
    OTHER_SYN_ACK,
    SYN_ACK,
    TIMEOUT,
    UNIT,
    Bench,
    opened,
)
from tests.support.segments import ACK, FIN, MODULUS, RST, SYN, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1  # the first byte of either stream
CLOCK = (200, 20)  # TSval, TSecr
PURE = Segment(MINE, HERS + 1000, window=500, timestamps=CLOCK)
OTHER_CLOCK = (7_000_100, 20)


def other(segment: Segment, **fields: object) -> Segment:
    """The same of the secondary's."""
    return segment.but(timestamps=OTHER_CLOCK, **fields)


def made(ack: int, window: int, **fields: object) -> Segment:
    """What the comparer makes: nothing but an ack."""
    return Segment(MINE, ack, window=window, timestamps=(100, 20)).but(**fields)


# the debt


def test_a_pure_ack_is_owed_until_the_secondary_gets_there() -> None:
    bench = opened()
    assert bench.primary(PURE) == []
    assert bench.flow.primary_count == 0
    assert bench.secondary(other(PURE)) == [made(HERS + 1000, 500)]
    assert bench.secondary(other(PURE)) == []
    assert bench.wait(60) == []
    assert bench.divergences == []


def test_one_that_both_have_sent_goes_as_it_came() -> None:
    bench = opened()
    assert bench.secondary(other(PURE)) == []
    assert bench.primary(PURE) == [PURE]


def test_each_step_of_the_secondarys_is_told_on() -> None:
    bench = opened()
    bench.primary(PURE)
    for step in (300, 600):
        edge = HERS + step + 64000
        (told,) = bench.secondary(other(PURE, ack=HERS + step, window=500))
        assert told == made(HERS + step, min(500, (edge - HERS - step) // UNIT))
    (told,) = bench.secondary(other(PURE))
    assert told == made(HERS + 1000, 500)


def test_seq_is_the_highest_end_released_and_tsval_the_highest_released() -> None:
    bench = opened()
    late, early = (Segment(MINE, HERS, window=500, payload=b"12", timestamps=(stamp, 21)) for stamp in (150, 149))
    bench.secondary(late)
    assert bench.primary(late, early) == [late, early]
    bench.primary(late.but(seq=MINE + 2, payload=b"held", timestamps=(151, 22)))
    assert bench.primary(PURE.but(seq=MINE + 6, timestamps=(152, 23))) == []
    assert bench.secondary(other(PURE)) == [made(HERS + 1000, 500, seq=MINE + 2, timestamps=(150, 23))]


def test_it_goes_behind_a_fin_that_was_released() -> None:
    bench = opened()
    last = Segment(MINE, HERS, FIN | ACK, 500, timestamps=CLOCK)
    assert bench.both(last, PURE.but(seq=MINE + 1)) == [last, PURE.but(seq=MINE + 1)]
    bench.primary(PURE.but(seq=MINE + 1, ack=HERS + 2000))
    told = bench.secondary(other(PURE, seq=MINE + 1, ack=HERS + 2000))
    assert told == [made(HERS + 2000, 500, seq=MINE + 1, timestamps=CLOCK)]


def test_no_sack_is_in_it() -> None:
    bench = opened()
    bench.primary(PURE.but(sack=((HERS + 2000, HERS + 3000),)))
    (told,) = bench.secondary(other(PURE))
    assert told.sack == ()  # type: ignore[union-attr]


def test_a_connection_met_in_mid_stream_has_timestamps_too() -> None:
    """A receiver may drop a segment without, where they were negotiated (RFC 7323 section 3.2)."""
    bench = Bench()
    bench.primary(PURE)
    (told,) = bench.secondary(other(PURE))
    assert told.timestamps == CLOCK  # type: ignore[union-attr]


def test_one_without_timestamps_gets_none() -> None:
    bench = Bench()
    syn = SYN_ACK.but(timestamps=None)
    bench.both(syn, syn)
    bench.primary(PURE.but(timestamps=None))
    assert bench.secondary(PURE.but(timestamps=None)) == [made(HERS + 1000, 500, timestamps=None)]


def test_a_packet_with_the_full_ack_pays_the_debt() -> None:
    bench = opened()
    bench.primary(PURE)
    answer = PURE.but(payload=b"answer")
    bench.primary(answer)
    assert bench.secondary(other(answer)) == [answer]
    assert bench.secondary(other(PURE, seq=MINE + 6)) == []
    bench.wait(60)
    assert bench.divergences == []


def test_the_debt_outlives_the_primarys_fin() -> None:
    bench = opened()
    last = Segment(MINE, HERS + 1, FIN | ACK, 500, timestamps=CLOCK)
    bench.primary(last)
    assert bench.secondary(other(last, ack=HERS)) == [last.but(ack=HERS, window=500)]
    assert bench.secondary(other(last, seq=MINE + 1, flags=ACK)) == [
        made(HERS + 1, 500, seq=MINE + 1, timestamps=CLOCK)
    ]


# time


def test_an_ack_that_is_owed_too_long_is_a_divergence() -> None:
    bench = opened()
    bench.primary(PURE)
    bench.secondary(other(PURE, ack=HERS + 999))
    bench.wait(TIMEOUT - 0.1)
    assert bench.divergences == []
    bench.wait(0.3)
    assert bench.kinds == ["ack"]


def test_a_window_that_keeps_a_client_waiting_is_a_divergence() -> None:
    bench = opened()
    bench.primary(PURE)
    bench.secondary(other(PURE, window=249))
    bench.wait()
    assert bench.kinds == []  # behind the opening's, 64000 bytes: half is enough
    bench.primary(PURE.but(ack=HERS + 64_000))
    bench.secondary(other(PURE, ack=HERS + 64_000, window=249))
    bench.wait()
    assert bench.kinds == ["window"]


@pytest.mark.parametrize(
    ("offered", "let_out", "kinds"),
    [
        (500, 249, ["window"]),
        (500, 251, []),
        (5000, 511, ["window"]),
        (5000, 512, []),  # 64 KiB
        (500, 0, ["window"]),
        (0, 0, []),
    ],
)
def test_half_of_what_is_offered_or_64_kib_is_enough(offered: int, let_out: int, kinds: list[str]) -> None:
    """Two kernels' windows are never quite the same."""
    bench = opened()
    full = PURE.but(ack=HERS + 700_000)
    bench.primary(full.but(window=offered))
    assert bench.secondary(other(full, window=let_out)) == [made(full.ack, min(offered, let_out))]
    bench.wait(10 * TIMEOUT)
    assert bench.kinds == kinds


def test_a_window_kept_narrower_keeps_no_connection_in_the_table() -> None:
    bench = opened()
    last = Segment(MINE, HERS + 700_000, FIN | ACK, 500, timestamps=CLOCK)
    bench.primary(last)
    assert bench.secondary(other(last, window=490)) == [last.but(window=490)]
    bench.wait(3600)
    assert bench.comparer.flows.all() == []
    assert bench.comparer.next_deadline is None


def test_a_window_kept_narrower_is_looked_at_once_only() -> None:
    bench = opened()
    bench.primary(PURE.but(window=600))
    bench.secondary(other(PURE, window=590))
    bench.wait(2 * TIMEOUT)
    before = bench.comparer.next_deadline
    assert before is None or before > bench.now + 60


def test_what_is_paid_in_packets_of_the_primarys_is_paid() -> None:
    """All acks ride on data, the secondary a step behind: nobody waits, for however long."""
    bench = opened()
    for step in range(1, 21):
        answer = Segment(MINE + step - 1, HERS + 50_000 * step, window=300, payload=b"x", timestamps=CLOCK)
        bench.primary(answer)
        late = other(answer, ack=HERS + 50_000 * (step - 1), window=300)
        assert [one.ack for one in bench.secondary(late)] == [late.ack]  # type: ignore[union-attr]
        bench.wait(0.5)
    assert bench.divergences == []


def test_a_debt_that_was_made_good_long_ago_does_not_count() -> None:
    bench = opened()
    bench.primary(PURE.but(window=600))
    bench.secondary(other(PURE, window=590))
    bench.wait(3600)
    more = PURE.but(ack=HERS + 700_000)
    bench.primary(more)
    bench.wait(TIMEOUT - 0.5)
    assert bench.divergences == []
    assert bench.secondary(other(more)) == [made(more.ack, 500)]


def test_a_reset_ends_the_debt() -> None:
    bench = opened()
    bench.primary(PURE)
    abort = Segment(MINE, HERS + 1000, RST | ACK, 0)
    bench.primary(abort)
    assert len(bench.secondary(other(PURE, ack=HERS, flags=FIN | ACK))) == 1
    bench.wait(60)
    assert bench.divergences == []


# acks


def test_an_ack_on_data_is_lowered_to_the_secondarys() -> None:
    bench = opened()
    answer = PURE.but(payload=b"answer")
    bench.primary(answer)
    edge = HERS + 400 + 500 * UNIT
    assert bench.secondary(other(answer, ack=HERS + 400)) == [
        answer.but(ack=HERS + 400, window=(edge - HERS - 400) // UNIT)
    ]
    assert bench.secondary(other(PURE, seq=MINE + 6)) == [made(HERS + 1000, 500, seq=MINE + 6, timestamps=CLOCK)]


def test_sack_blocks_below_the_original_ack_are_blotted_out() -> None:
    bench = opened()
    answer = PURE.but(payload=b"answer", sack=((HERS + 500, HERS + 600), (HERS + 2000, HERS + 3000)))
    bench.primary(answer)
    (left,) = bench.secondary(other(answer, ack=HERS + 400))
    assert left.sack == ((HERS + 2000, HERS + 3000),)  # type: ignore[union-attr]


def test_sack_blocks_stay_where_the_ack_does() -> None:
    bench = opened()
    answer = PURE.but(payload=b"answer", sack=((HERS + 500, HERS + 600),))
    bench.primary(answer)
    assert bench.secondary(other(answer, window=300)) == [answer.but(window=300)]


@pytest.mark.parametrize("sack", [(), ((HERS + 3000, HERS + 4000),)])
def test_a_duplicate_ack_goes_at_once(sack: tuple[tuple[int, int], ...]) -> None:
    bench = opened()
    bench.both(PURE)
    again = PURE.but(sack=sack, timestamps=(201, 20))
    assert bench.primary(again, again) == [again, again]


@pytest.mark.parametrize("waited", [0.0, 3600.0])
def test_a_duplicate_ack_goes_at_once_with_the_narrower_window(waited: float) -> None:
    bench = opened()
    full = PURE.but(ack=HERS + 700_000)
    bench.primary(full)
    bench.secondary(other(full, window=490))
    bench.wait(waited)
    assert bench.primary(full, full.but(seq=MINE - 1)) == [
        full.but(window=490),
        full.but(seq=MINE - 1, window=490),  # a keep-alive
    ]


def test_a_window_update_is_no_duplicate() -> None:
    bench = opened()
    full = PURE.but(ack=HERS + 700_000)
    bench.both(full)
    wider = full.but(window=600)
    assert bench.primary(wider) == []
    assert bench.secondary(other(wider, window=550)) == [made(full.ack, 550)]
    assert bench.secondary(other(wider)) == [made(full.ack, 600)]


def test_nothing_leaves_before_the_secondary_has_said_anything() -> None:
    bench = Bench()
    assert bench.primary(PURE, PURE.but(payload=b"data")) == []
    bench.secondary(other(PURE))
    assert bench.tally["released"] == 1


# windows


def test_the_edge_is_the_smaller_one_rounded_down() -> None:
    bench = opened()
    answer = Segment(MINE, HERS + 700_000, window=500, payload=b"x", timestamps=CLOCK)
    bench.primary(answer)
    ahead = 700_000 + 100  # the secondary's ack is higher, its edge isn't
    (left,) = bench.secondary(other(answer, ack=HERS + ahead, window=490))
    assert left == answer.but(window=(ahead + 490 * UNIT - 700_000) // UNIT)


def test_a_syns_window_is_not_scaled() -> None:
    bench = Bench()
    bench.primary(SYN_ACK.but(window=60_000))
    assert bench.secondary(OTHER_SYN_ACK.but(window=50_000)) == [SYN_ACK.but(window=50_000)]


def test_a_lowered_field_is_at_most_what_it_can_hold() -> None:
    bench = Bench()
    syn = SYN_ACK.but(scale=0)
    bench.both(syn)
    answer = Segment(MINE, HERS + 60_000, window=65_535, payload=b"x", timestamps=CLOCK)
    bench.primary(answer)
    assert bench.secondary(other(answer, ack=HERS)) == [answer.but(ack=HERS, window=65_535)]


def test_without_a_syn_the_largest_scale_is_assumed() -> None:
    """A client sees a smaller edge, never a larger."""
    bench = Bench()
    answer = Segment(MINE, HERS + 20_000, window=500, payload=b"x")
    bench.primary(answer)
    (left,) = bench.secondary(answer.but(ack=HERS, window=400))
    assert left == answer.but(ack=HERS, window=400)
    (told,) = bench.secondary(answer.but(seq=MINE + 1, payload=b"", window=400))
    assert told == Segment(MINE + 1, HERS + 20_000, window=400)


def test_a_guest_that_opens_has_the_scale_that_it_offered() -> None:
    bench = Bench()
    syn = Segment(ISN, 0, SYN, 64240, mss=1460, scale=3)
    assert bench.both(syn) == [syn]
    answer = Segment(MINE, HERS + 100, window=1000, payload=b"x")
    bench.primary(answer)
    assert bench.secondary(answer.but(ack=HERS)) == [answer.but(ack=HERS, window=1000)]
    (told,) = bench.secondary(Segment(MINE + 1, HERS + 100, window=993))
    assert told == Segment(MINE + 1, HERS + 100, window=993)


@pytest.mark.parametrize(
    ("ack", "edge", "scale", "field"),
    [
        (0, 1000, 0, 1000),
        (0, 1023, 7, 7),
        (100, 99, 0, 0),
        (MODULUS - 10, 20, 0, 30),
        (0, 1 << 30, 7, 65_535),
    ],
)
def test_window_fields(ack: int, edge: int, scale: int, field: int) -> None:
    assert window_field(ack, edge, scale) == field


# forms


def test_a_partial_checksum_stays() -> None:
    """What the field has doesn't cover ack and window: the Bench finishes it and checks."""
    bench = Bench(vnet=b"\1" + bytes(9))
    bench.both(SYN_ACK)
    answer = PURE.but(payload=b"answer")
    bench.primary(answer)
    assert bench.secondary(other(answer, ack=HERS + 400)) == [answer.but(ack=HERS + 400, window=500)]
    told = bench.secondary(other(PURE, seq=MINE + 6))
    assert told == [made(HERS + 1000, 500, seq=MINE + 6, timestamps=CLOCK)]
    assert bench.frames[-1].header == b""


def test_a_refusal_has_an_ack_that_nobody_holds_back() -> None:
    bench = Bench()
    refusal = Segment(0, HERS, RST | ACK, 0)
    assert bench.primary(refusal) == []
    assert bench.secondary(refusal) == [refusal]


def test_switched_off_nothing_is_held_for_acks() -> None:
    bench = opened(ack_commit=False)
    answer = PURE.but(ack=HERS + 6000, payload=b"answer")
    assert bench.primary(PURE) == [PURE]
    bench.primary(answer)
    assert bench.secondary(other(answer, ack=HERS, window=1)) == [answer]
    bench.wait(60)
    assert bench.divergences == []
