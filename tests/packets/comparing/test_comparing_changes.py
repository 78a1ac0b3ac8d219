"""A comparer whose bounds change while packets wait, and one that hands on all that it holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from colo_twisted.packets.comparing.flow_table import OPEN
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.comparing.protection import PASSED
from tests.support.comparison import CLIENT_ISN, ISN, SYN_ACK, UNIT, Bench, Sent, datagram, diverged, opened
from tests.support.segments import ACK, FIN, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1
DATA = Segment(MINE, HERS, window=500, payload=b"0123456789")
LAST = Segment(MINE + 10, HERS, FIN | ACK, 500)
SHORT, LONG = Limits(compare_timeout=1.0), Limits(compare_timeout=10.0)


def hand_on(bench: Bench) -> list[Sent]:
    return bench._took(bench.comparer.hand_on(bench.now))


def fragments(payload: bytes) -> list[bytes]:
    whole = IP(src="10.0.0.2", dst="10.0.0.1", id=7) / UDP(sport=53, dport=5000) / Raw(payload)
    return [bytes(Ether(src="52:54:00:00:00:02", dst="52:54:00:00:00:01") / part) for part in fragment(whole, 800)]


# bounds that change


@pytest.mark.parametrize("waits", ["primary", "secondary"])
def test_a_shorter_time_out_holds_for_what_waits_already(waits: str) -> None:
    bench = opened()
    getattr(bench, waits)(DATA)
    bench.wait(0.5)
    bench.comparer.limit(SHORT)
    bench.wait(0.4)
    assert bench.divergences == []
    bench.wait(0.2)
    assert bench.kinds == ["unmatched"]


def test_a_longer_one_too() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.wait(2.5)
    bench.comparer.limit(LONG)
    bench.wait(7.4)
    assert bench.divergences == []
    bench.wait(0.2)
    assert bench.kinds == ["unmatched"]


def test_what_has_waited_longer_already_diverges_at_once() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.primary(datagram(b"one"))
    bench.wait(2)
    bench.comparer.limit(SHORT)
    assert bench.comparer.next_deadline is not None
    bench.wait(0.1)
    assert bench.kinds == ["unmatched", "unmatched"]


def test_a_debt_counts_from_its_beginning() -> None:
    bench = opened()
    bench.primary(Segment(MINE, HERS + 900, window=500))
    bench.wait(0.5)
    bench.comparer.limit(SHORT)
    bench.wait(0.6)
    assert bench.kinds == ["ack"]


def test_the_grain_changes_with_what_is_in_the_wheel() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.comparer.limit(Limits(grain=0.001))
    bench.wait(2.999)
    assert bench.divergences == []
    bench.wait(0.003)
    assert bench.kinds == ["unmatched"]


def test_what_waits_no_longer_is_forgotten_in_its_time() -> None:
    bench = opened()
    bench.primary(datagram(b"one"))
    bench.secondary(datagram(b"one"))
    bench.comparer.limit(SHORT)
    bench.wait(400)
    assert len(bench.comparer.flows) == 1
    assert bench.divergences == []


def test_while_all_is_held_nothing_diverges_in_a_shorter_time_either() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.comparer.flows.hold()
    bench.comparer.limit(SHORT)
    bench.wait(20)
    assert bench.divergences == []


def test_a_flow_that_is_gone_comes_not_back() -> None:
    bench = opened()
    bench.primary(DATA)
    gone = bench.flow
    bench.primary(SYN_ACK.but(seq=99))  # the same ports
    bench.comparer.limit(SHORT)
    assert not gone.slot
    bench.wait(1.5)
    (told,) = bench.divergences
    assert (told.kind, told.seq) == ("unmatched", 99)


def test_the_queues_size_changes() -> None:
    bench = opened(max_queue_size=4)
    segments = [DATA.but(seq=MINE + 10 * index) for index in range(6)]
    bench.primary(*segments[:3])
    bench.comparer.limit(Limits(max_queue_size=5))
    bench.primary(*segments[3:5])
    assert bench.divergences == []
    bench.comparer.limit(Limits(max_queue_size=2))
    bench.primary(segments[5])
    assert bench.kinds == ["queue"]


def test_memory_changes() -> None:
    bench = opened(max_memory=1)
    bench.primary(DATA, DATA.but(seq=MINE + 10))
    assert bench.tally["dropped_memory"] == 1
    bench.comparer.limit(Limits())
    bench.primary(DATA.but(seq=MINE + 10))
    assert bench.tally["dropped_memory"] == 1


# all is handed on


def test_what_is_held_goes_in_the_order_of_its_coming() -> None:
    bench = Bench(names=True)
    for port in (1, 2, 3):
        bench.open(at=port)
    bench.secondary(DATA.but(payload=b"other"), at=2)
    sent = [DATA, datagram(b"one"), DATA, LAST, datagram(b"two"), DATA]
    for one, port in zip(sent, (1, None, 2, 1, None, 3), strict=True):
        bench.primary(one, at=port)
    mid_stream = DATA.but(seq=77)
    bench.primary(mid_stream, at=4)
    assert bench.kinds == ["payload"]
    assert hand_on(bench) == [*sent, mid_stream]
    assert bench.comparer.flows.unnamed == []
    assert bench.comparer.flows.gate == OPEN
    bench.assert_empty()
    assert hand_on(bench) == []
    assert bench.primary(LAST, at=3) == [LAST]


def test_debts_are_paid_behind_what_goes() -> None:
    bench = opened()
    bench.primary(DATA)
    bench.primary(Segment(MINE + 10, HERS + 900, window=500))
    data, told = hand_on(bench)
    assert data == DATA
    assert isinstance(told, Segment)
    assert (told.seq, told.ack, told.window) == (MINE + 10, HERS + 900, 500)


def test_a_window_that_was_kept_narrower_is_told_whole() -> None:
    bench = opened()
    bench.primary(Segment(MINE, HERS, window=600))
    bench.secondary(Segment(MINE, HERS, window=510))
    (told,) = hand_on(bench)
    assert isinstance(told, Segment)
    assert told.window == 600


def test_a_diverged_flow_goes_with_its_debt() -> None:
    bench = diverged()
    bench.primary(Segment(MINE + 10, HERS + 900, window=500))
    out = hand_on(bench)
    assert [one for one in out if isinstance(one, Segment) and one.payload] == [DATA]
    assert isinstance(out[-1], Segment)
    assert (out[-1].ack, out[-1].window) == (HERS + 900, 500)


def test_fragments_that_are_not_whole_go_too() -> None:
    bench = Bench()
    parts = fragments(b"x" * 2000)
    assert bench.primary(*parts[:-1]) == []
    bench.secondary(*parts)
    assert hand_on(bench) == parts[:-1]
    assert hand_on(bench) == []
    bench.wait(60)
    assert bench.tally["dropped_fragments"] == 0


def test_what_waits_for_a_rules_sake_goes_and_stays_the_rules() -> None:
    bench = opened(names=True)
    bench.comparer.flows.add_rule("all", Rule(), bench.now)
    assert bench.primary(DATA) == []
    assert hand_on(bench) == [DATA]
    assert bench.flow.protection == PASSED


PORTS = (1, 2, 3)
SIZES = st.integers(1, 40)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("primary"), st.sampled_from(PORTS), SIZES),
        st.tuples(st.just("secondary"), st.sampled_from(PORTS), SIZES),
        st.tuples(st.just("spoilt"), st.sampled_from(PORTS), SIZES),
        st.tuples(st.just("acks"), st.sampled_from(PORTS), SIZES),
        st.tuples(st.just("datagram"), st.sampled_from(PORTS), SIZES),
        st.tuples(st.just("wait"), st.just(0), SIZES),
        st.tuples(st.just("hold"), st.just(0), st.just(0)),
    ),
    max_size=25,
)


@given(steps, st.booleans(), st.booleans())
def test_nothing_is_lost_or_doubled_and_every_acknowledgment_is_told(
    steps: list[tuple[str, int, int]], names: bool, ack_commit: bool
) -> None:
    world = World(names, ack_commit)
    for kind, port, size in steps:
        getattr(world, kind)(port, size)
    world.out(hand_on(world.bench))
    assert world.bytes_out == world.bytes_in
    assert world.datagrams_out == world.datagrams_in
    assert world.acknowledged == world.ack
    world.bench.assert_empty()


class World:
    """Three connections; what the primary has sent on each, and what a client has got."""

    def __init__(self, names: bool, ack_commit: bool) -> None:
        self.bench = Bench(names=names, ack_commit=ack_commit)
        for port in PORTS:
            self.bench.open(at=port)
        self.said = {(side, port): MINE for side in ("primary", "secondary") for port in PORTS}
        self.ack = dict.fromkeys(PORTS, HERS)
        self.acknowledged = dict(self.ack)
        self.bytes_in: dict[int, int] = dict.fromkeys(PORTS, 0)
        self.bytes_out = dict(self.bytes_in)
        self.datagrams_in: list[Any] = []
        self.datagrams_out: list[Any] = []

    def out(self, sent: list[Sent]) -> None:
        frames = self.bench.frames[len(self.bench.frames) - len(sent) :] if sent else []
        for one, frame in zip(sent, frames, strict=True):
            if isinstance(one, bytes):
                self.datagrams_out.append(one)
                continue
            port = int.from_bytes(frame.packet[36:38], "big")
            self.bytes_out[port] += len(one.payload)
            self.acknowledged[port] = max(self.acknowledged[port], one.ack)

    def _say(self, side: str, port: int, payload: bytes) -> None:
        seq = self.said[side, port]
        self.said[side, port] += len(payload)
        segment = Segment(seq, self.ack[port], window=20 * UNIT, payload=payload)
        self.out(getattr(self.bench, side)(segment, at=port))

    def primary(self, port: int, size: int) -> None:
        self.bytes_in[port] += size
        self._say("primary", port, b"x" * size)

    def secondary(self, port: int, size: int) -> None:
        self._say("secondary", port, b"x" * size)

    def spoilt(self, port: int, size: int) -> None:
        self._say("secondary", port, b"y" * size)

    def acks(self, port: int, size: int) -> None:
        self.ack[port] += size
        self._say("primary", port, b"")

    def datagram(self, port: int, size: int) -> None:
        packet = datagram(b"x" * size, port=5000 + port)
        self.datagrams_in.append(packet)
        self.out(self.bench.primary(packet))

    def wait(self, _: int, tenths: int) -> None:
        self.out(self.bench.wait(tenths / 10))

    def hold(self, _: int, __: int) -> None:
        self.bench.comparer.flows.hold()
