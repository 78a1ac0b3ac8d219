"""One connection's two streams: openings, ends, cuts, reuse of the ports; sentence by sentence."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.support.comparison import CLIENT_ISN, ISN, OTHER_ISN, OTHER_SYN_ACK, SYN_ACK, TIMEOUT, Bench, opened
from tests.support.segments import ACK, FIN, PSH, RST, SYN, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1
DATA = Segment(MINE, HERS, window=500, payload=b"0123456789")
LAST = Segment(MINE, HERS, FIN | ACK, 500)
ABORT = Segment(MINE, HERS, RST | ACK, 0)
commits = pytest.mark.parametrize("ack_commit", [True, False])


def cuts(segment: Segment, *at: int) -> list[Segment]:
    """The segment cut at these places."""
    return [
        segment.but(seq=segment.seq + start, payload=segment.payload[start:end])
        for start, end in itertools.pairwise((0, *at, len(segment.payload)))
    ]


# payload


@commits
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_secondary_may_cut_and_reorder(ack_commit: bool, order: tuple[int, ...]) -> None:
    bench = opened(ack_commit=ack_commit)
    parts = cuts(DATA, 3, 4)
    released = bench.primary(DATA)
    for index in order:
        released += bench.secondary(parts[index])
    payload = b"".join(one.payload for one in released)  # type: ignore[union-attr]
    assert payload == DATA.payload
    assert ack_commit or released == [DATA]
    bench.assert_empty()


@commits
def test_the_primary_may_cut(ack_commit: bool) -> None:
    bench = opened(ack_commit=ack_commit)
    parts = cuts(DATA, 3, 4)
    assert bench.secondary(DATA) == []
    assert [bench.primary(part) for part in parts] == [[part] for part in parts]
    bench.assert_empty()


def test_what_the_secondary_sends_again_overlaps_and_counts_once() -> None:
    bench = opened()
    bench.secondary(*cuts(DATA, 2, 4, 6))
    bench.secondary(*cuts(DATA, 3), DATA, *cuts(DATA, 5, 7))
    bench.secondary(DATA.but(seq=MINE + 8, payload=b"89abc"))
    assert bench.primary(DATA) == [DATA]
    rest = DATA.but(seq=MINE + 10, payload=b"abc")
    assert bench.primary(rest) == [rest]
    bench.assert_empty()


def test_order_of_release_is_the_primarys() -> None:
    bench = opened()
    first, second = cuts(DATA, 5)
    assert bench.primary(second, first) == []
    assert bench.secondary(first) == []
    assert bench.secondary(second) == [second, first]


def test_the_primarys_repetition_needs_nothing_of_the_secondary() -> None:
    bench = opened()
    bench.both(DATA)
    longer = DATA.but(payload=DATA.payload + b"more")
    assert bench.primary(DATA) == [DATA]
    bench.secondary(DATA.but(seq=MINE + 10, payload=b"more"))
    assert bench.primary(longer) == [longer]
    bench.assert_empty()


def test_a_keep_alive_goes_at_once() -> None:
    bench = opened()
    bench.both(DATA)
    for probe in (Segment(MINE + 9, HERS, window=500), Segment(MINE + 9, HERS, window=500, payload=b"\0")):
        assert bench.primary(probe) == [probe]


@commits
def test_a_difference_is_told_once_and_held(ack_commit: bool) -> None:
    bench = opened(ack_commit=ack_commit)
    bench.secondary(*cuts(DATA.but(payload=b"01234x6789"), 2))
    assert bench.primary(DATA) == []
    (told,) = bench.divergences
    assert (told.kind, told.seq, told.offset) == ("payload", MINE, 5)
    assert (told.packet, told.key) == (bench.packet(DATA), bench.flow.key)
    assert told.other == bench.packet(DATA.but(seq=MINE + 2, payload=b"234x6789"))
    assert bench.primary(DATA) == []
    assert bench.secondary(DATA) == []
    bench.wait(60)
    assert bench.divergences == []
    assert bench.flow.primary_count == 2


def test_a_gap_waits_for_the_primarys_own_repetition() -> None:
    """Lost on the way here: what comes behind it may leave, and the gap when it is sent again."""
    bench = opened()
    first, _, last = cuts(DATA, 3, 6)
    bench.secondary(DATA)
    assert bench.primary(first, last) == [first, last]
    again = DATA.but(seq=MINE + 2, payload=DATA.payload[2:8])
    assert bench.primary(again) == [again]
    bench.assert_empty()


# timeouts


@pytest.mark.parametrize("side", ["primary", "secondary"])
@pytest.mark.parametrize("segment", [DATA, LAST, ABORT], ids=["data", "fin", "rst"])
def test_one_without_a_counterpart_is_a_divergence(side: str, segment: Segment) -> None:
    bench = opened()
    getattr(bench, side)(segment)
    bench.wait(TIMEOUT - 0.1)
    assert bench.divergences == []
    bench.wait(0.3)
    (told,) = bench.divergences
    assert told.kind == "unmatched"
    if side == "primary":
        assert (told.seq, told.packet, told.other) == (MINE, bench.packet(segment), None)


@pytest.mark.parametrize("side", ["primary", "secondary"])
def test_so_is_an_opening_without_one(side: str) -> None:
    bench = Bench()
    getattr(bench, side)(SYN_ACK)
    bench.wait()
    (told,) = bench.divergences
    assert (told.kind, told.seq) == ("unmatched", ISN if side == "primary" else 0)


# openings


@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
@pytest.mark.parametrize("primary_first", [True, False])
@commits
def test_syns_are_matched_by_flags_and_options_never_by_seq(ack_commit: bool, flags: int, primary_first: bool) -> None:
    bench = Bench(ack_commit)
    syn = SYN_ACK.but(flags=flags, ack=HERS if flags & ACK else 0)
    mine, theirs = (bench.primary, syn), (bench.secondary, syn.but(seq=OTHER_ISN))
    released = [send(segment) for send, segment in ((mine, theirs) if primary_first else (theirs, mine))]
    assert released == [[], [syn]]
    bench.assert_empty()


@commits
def test_a_syn_that_is_sent_again_goes_again(ack_commit: bool) -> None:
    bench = Bench(ack_commit)
    assert bench.primary(SYN_ACK, SYN_ACK) == []
    assert bench.secondary(OTHER_SYN_ACK) == [SYN_ACK, SYN_ACK]
    assert bench.secondary(OTHER_SYN_ACK, SYN_ACK) == []  # its rewriter has learnt the offset between the two
    assert bench.primary(SYN_ACK) == [SYN_ACK]
    bench.wait(60)
    assert bench.divergences == []


@pytest.mark.parametrize("difference", [{"mss": 1400}, {"scale": 3}, {"scale": None}, {"sack_permitted": False}])
@commits
def test_syn_options_must_agree(ack_commit: bool, difference: dict[str, object]) -> None:
    bench = Bench(ack_commit)
    bench.primary(SYN_ACK)
    assert bench.secondary(OTHER_SYN_ACK.but(**difference)) == []
    (told,) = bench.divergences
    assert (told.kind, told.packet) == ("syn", bench.packet(SYN_ACK))


def test_timestamps_presence_must_agree_but_not_their_values() -> None:
    bench = Bench()
    bench.primary(SYN_ACK)
    assert bench.secondary(OTHER_SYN_ACK.but(timestamps=None)) == []
    assert bench.kinds == ["syn"]


def test_connections_whose_scales_differ_go_on_unaltered() -> None:
    bench = Bench()
    bench.primary(SYN_ACK)
    bench.secondary(OTHER_SYN_ACK.but(scale=3))
    bench.comparer.flows.release(bench.flow.key, bench.now)
    assert bench.finish() == [SYN_ACK]
    assert bench.primary(DATA) == [DATA]


@pytest.mark.parametrize("primary_first", [True, False])
def test_payload_in_a_syn_is_compared(primary_first: bool) -> None:
    """TCP Fast Open (RFC 7413)."""
    bench = Bench()
    syn = Segment(ISN, 0, SYN, 64240, b"fast", mss=1460)
    sends: list[Callable[[], object]] = [lambda: bench.primary(syn), lambda: bench.secondary(syn.but(seq=OTHER_ISN))]
    for send in sends if primary_first else reversed(sends):
        send()
    assert bench.tally["released"] == 1
    bench.assert_empty()


def test_a_connection_met_in_mid_stream_is_compared_from_there() -> None:
    bench = Bench()
    bench.secondary(DATA.but(seq=MINE - 5, payload=b"old.." + DATA.payload))
    assert bench.primary(DATA) == [DATA]
    bench.assert_empty()


# ends


@pytest.mark.parametrize("primary_joins", [True, False])
@pytest.mark.parametrize("secondary_joins", [True, False])
@pytest.mark.parametrize("primary_first", [True, False])
@commits
def test_fin_comes_with_data_or_behind_it(
    ack_commit: bool, primary_joins: bool, secondary_joins: bool, primary_first: bool
) -> None:
    bench = opened(ack_commit=ack_commit)
    joint = [DATA.but(flags=FIN | PSH | ACK)]
    apart = [DATA, LAST.but(seq=MINE + 10)]
    mine = joint if primary_joins else apart
    theirs = joint if secondary_joins else apart
    released = bench.primary(*mine) if primary_first else bench.secondary(*theirs)
    assert released == []
    assert (bench.secondary(*theirs) if primary_first else bench.primary(*mine)) == mine
    assert bench.primary(mine[-1]) == [mine[-1]]
    bench.assert_empty()
    bench.wait(60)
    assert bench.divergences == []


@pytest.mark.parametrize("primary_first", [True, False])
@pytest.mark.parametrize("shorter", ["primary", "secondary"])
def test_streams_of_different_lengths_diverge(primary_first: bool, shorter: str) -> None:
    bench = opened()
    long, short = DATA, DATA.but(payload=DATA.payload[:4], flags=FIN | ACK)
    mine, theirs = (short, long) if shorter == "primary" else (long, short)
    released = bench.primary(mine) if primary_first else bench.secondary(theirs)
    released += bench.secondary(theirs) if primary_first else bench.primary(mine)
    assert all(not one.flags & FIN for one in released)  # type: ignore[union-attr]
    assert b"".join(one.payload for one in released) in (b"", b"0123")  # type: ignore[union-attr]
    assert bench.kinds == ["fin"]


@pytest.mark.parametrize("primary_first", [True, False])
@pytest.mark.parametrize("theirs", [ABORT, ABORT.but(flags=RST, seq=OTHER_ISN, ack=0), LAST])
def test_an_rst_has_its_counterpart(primary_first: bool, theirs: Segment) -> None:
    """An RST without ACK has the secondary's own numbers; one guest may have closed in time."""
    bench = opened()
    released = bench.primary(ABORT) if primary_first else bench.secondary(theirs)
    released += bench.secondary(theirs) if primary_first else bench.primary(ABORT)
    assert [one.flags for one in released] == [RST | ACK]  # type: ignore[union-attr]
    bench.wait(59)
    assert bench.divergences == []
    bench.wait(3)
    assert bench.comparer.flows.all() == []


@pytest.mark.parametrize("primary_first", [True, False])
def test_an_rst_in_place_of_what_the_secondary_has_sent_waits(primary_first: bool) -> None:
    """The guest's service was killed before it had read all: its kernel resets, the other one answers and closes."""
    bench = opened()
    theirs = (DATA, LAST.but(seq=MINE + len(DATA.payload)))
    sides = (bench.primary, (ABORT,)), (bench.secondary, theirs)
    for send, segments in sides if primary_first else sides[::-1]:
        assert send(*segments) == []
    bench.wait(TIMEOUT + 0.2)
    assert bench.kinds == ["unmatched"]


def test_an_rst_behind_all_that_the_secondary_has_sent_passes_for_its_fin() -> None:
    bench = opened()
    bench.secondary(DATA, LAST.but(seq=MINE + len(DATA.payload)))
    abort = ABORT.but(seq=MINE + len(DATA.payload))
    assert bench.primary(DATA, abort) == [DATA, abort]


def test_a_fin_passes_where_the_secondary_has_reset() -> None:
    bench = opened()
    bench.secondary(ABORT)
    assert bench.primary(LAST) == [LAST]
    fin = Segment(MINE + 1, LAST.ack + 1, window=500)
    assert bench.primary(fin) == [fin]  # the client's: nobody is there who would acknowledge it
    bench.wait(60)
    assert bench.divergences == []


def test_an_upload_after_the_primarys_fin_is_not_acknowledged_for_a_secondary_that_was_reset() -> None:
    bench = opened()
    bench.secondary(ABORT)
    bench.primary(LAST)
    assert bench.primary(Segment(MINE + 1, LAST.ack + 5000, window=500)) == []
    bench.wait(TIMEOUT + 0.2)
    assert bench.kinds == ["ack"]


# reuse of the ports

NEXT = SYN_ACK.but(seq=ISN + 777_777, ack=HERS + 50_000, timestamps=(500, 50))
OTHER_NEXT = NEXT.but(seq=OTHER_ISN + 5, timestamps=(7_000_500, 50))


@pytest.mark.parametrize("flags", [SYN, SYN | ACK])
@pytest.mark.parametrize("primary_first", [True, False])
@pytest.mark.parametrize("ended", [True, False])
@commits
def test_ports_are_used_again_in_any_order_of_arrival(
    ack_commit: bool, flags: int, primary_first: bool, ended: bool
) -> None:
    bench = opened(ack_commit=ack_commit)
    bench.both(DATA)
    if ended:
        bench.both(LAST.but(seq=MINE + 10))
    mine, theirs = (one.but(flags=flags, ack=one.ack if flags & ACK else 0) for one in (NEXT, OTHER_NEXT))
    released = bench.primary(mine) if primary_first else bench.secondary(theirs, theirs)
    assert released == []
    assert (bench.secondary(theirs, theirs) if primary_first else bench.primary(mine)) == [mine]
    answer = Segment(mine.seq + 1, NEXT.ack + 100, window=500, payload=b"next", timestamps=(501, 51))
    bench.primary(answer)
    assert bench.secondary(answer.but(window=400)) == [answer.but(window=400) if ack_commit else answer]
    bench.assert_empty()
    bench.wait(60)
    assert bench.divergences == []


def test_a_new_connections_window_has_its_own_scale() -> None:
    bench = opened()
    mine, theirs = (one.but(flags=SYN, ack=0, scale=3) for one in (NEXT, OTHER_NEXT))
    bench.secondary(theirs)
    bench.primary(mine)
    answer = Segment(mine.seq + 1, NEXT.ack, window=500, payload=b"next")
    bench.primary(answer)
    (left,) = bench.secondary(answer.but(window=400))
    assert left == answer.but(window=400)


def test_what_the_old_connection_held_is_dropped_by_name() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.primary(NEXT)
    assert bench.tally["dropped_reused"] == 1
    assert bench.secondary(OTHER_NEXT) == [NEXT]
    bench.assert_empty()


def test_late_segments_of_the_secondarys_old_connection_mean_nothing() -> None:
    bench = opened()
    bench.both(DATA, LAST.but(seq=MINE + 10))
    bench.primary(NEXT)
    late = LAST.but(seq=MINE + 10, ack=NEXT.ack + 5, window=65_535)
    assert bench.secondary(late, DATA) == []
    assert bench.secondary(OTHER_NEXT) == [NEXT]
    answer = Segment(NEXT.seq + 1, NEXT.ack + 5, window=500, payload=b"next")
    bench.primary(answer)
    assert bench.secondary(answer.but(ack=NEXT.ack)) == [answer.but(ack=NEXT.ack)]


def test_a_secondary_that_begins_anew_alone_diverges() -> None:
    bench = opened()
    bench.secondary(OTHER_NEXT)
    bench.wait()
    assert bench.kinds == ["unmatched"]


# how long they are remembered


@pytest.mark.parametrize(
    ("segments", "seconds"),
    [([], 3600), ([DATA], 5 * 86400), ([DATA, LAST.but(seq=MINE + 10)], 600), ([ABORT], 60)],
    ids=["opening", "open", "finished", "reset"],
)
def test_lifetimes(segments: list[Segment], seconds: int) -> None:
    bench = opened()
    bench.both(*segments)
    bench.wait(seconds - 1)
    assert len(bench.comparer.flows.all()) == 1
    bench.wait(3)
    assert bench.comparer.flows.all() == []
    assert bench.comparer.next_deadline is None


def test_unprotected_ones_are_forgotten_as_soon() -> None:
    bench = Bench()
    bench.comparer.flows.open(bench.now)
    bench.primary(SYN_ACK, DATA, LAST.but(seq=MINE + 10))
    bench.wait(602)
    assert bench.comparer.flows.all() == []


@commits
def test_what_is_sent_again_waits_for_nothing_that_came_before(ack_commit: bool) -> None:
    """
    Else all three wait for each other: the client has lost the first segment and acknowledges nothing, so the
    secondary, whose congestion window is smaller, sends nothing of what the primary's next segment waits for.
    """
    bench = opened(ack_commit=ack_commit)
    assert bench.both(DATA) == [DATA]
    behind = DATA.but(seq=MINE + 10)
    assert bench.primary(behind) == []
    assert bench.primary(DATA) == [DATA]
    assert bench.primary(DATA.but(seq=MINE + 4, payload=b"456789")) == [DATA.but(seq=MINE + 4, payload=b"456789")]
    assert bench.secondary(behind) == [behind]
    bench.assert_empty()


def test_so_does_the_part_that_is_sent_again_and_it_renews_the_patience() -> None:
    """Its client has lost it, and until that has it one guest's congestion window may be ahead of the other's."""
    bench = opened()
    bench.both(DATA)
    behind = DATA.but(seq=MINE + 10)
    longer = DATA.but(payload=DATA.payload + behind.payload)
    bench.primary(behind)
    assert bench.primary(longer) == [DATA]
    bench.wait(TIMEOUT - 0.2)
    assert bench.primary(longer) == [DATA]
    bench.wait(TIMEOUT - 0.2)
    assert bench.kinds == []
    bench.wait(0.4)
    assert bench.kinds == ["unmatched"]
    bench.flush(bench.comparer.mark())
    bench.assert_empty()


# how long the secondary's ends wait


def test_a_fin_that_came_later_than_its_syn_has_its_own_patience() -> None:
    bench = Bench()
    bench.secondary(OTHER_SYN_ACK)
    bench.wait(TIMEOUT * 0.6)
    bench.secondary(LAST)
    bench.wait(TIMEOUT * 0.3)
    bench.primary(SYN_ACK)
    bench.wait(TIMEOUT * 0.65)  # longer than since the SYN, less than since the FIN
    assert bench.divergences == []
    bench.wait(TIMEOUT * 0.5)
    assert bench.kinds == ["unmatched"]


def test_a_syn_and_a_fin_wait_from_the_first_of_them_on() -> None:
    bench = Bench()
    bench.secondary(OTHER_SYN_ACK)
    bench.wait(TIMEOUT * 0.6)
    bench.secondary(LAST)
    bench.wait(TIMEOUT * 0.5)
    assert bench.kinds == ["unmatched"]
