"""The comparer, sentence by sentence: what is compared at all, bounds, time, protection and checkpoints."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6MLReport2, ICMPv6ND_NA, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.flow_table import FOLLOWING
from colo_twisted.packets.flows import Flow
from colo_twisted.packets.marker import marker_packet
from colo_twisted.packets.passthrough import Rule, dhcp_rules
from tests.support.comparison import CLIENT_ISN, ISN, OTHER_ISN, OTHER_SYN_ACK, SYN_ACK, TIMEOUT, Bench, opened
from tests.support.segments import ACK, FIN, RST, SYN, Segment

HERS, MINE = CLIENT_ISN + 1, ISN + 1
DATA = Segment(MINE, HERS, window=500, payload=b"0123456789")
LAST = Segment(MINE + 10, HERS, FIN | ACK, 500)
NONCE = bytes(range(16))
RDP = Rule(6, destination_ports=range(80, 81))


def from_guest(*layers: Packet) -> bytes:
    packet = Ether(src="52:54:00:00:00:02", dst="52:54:00:00:00:01")
    for layer in layers:
        packet /= layer
    return bytes(packet)


V4 = IP(src="10.0.0.2", dst="10.0.0.1")
V6 = IPv6(src="fd00::2", dst="fd00::1")


def datagram(payload: bytes, source: int = 53, target: int = 5000) -> bytes:
    return from_guest(V4, UDP(sport=source, dport=target) / Raw(payload))


# what is not compared

UNCOMPARED = {
    "ARP": from_guest(ARP(op="is-at")),
    "LLDP": from_guest(Raw(b"")).replace(b"\x90\x00", b"\x88\xcc"),
    "IGMP": from_guest(IP(dst="224.0.0.22", proto=2), Raw(b"\x22" + bytes(7))),
    "MLD": from_guest(V6, ICMPv6MLReport2()),
    "neighbour discovery": from_guest(V6, ICMPv6ND_NA()),
    "an ICMP error": from_guest(V4, ICMP(type=3, code=3), IP(), UDP()),
    "an ICMPv6 error": from_guest(V6, ICMPv6TimeExceeded()),
    "tagged ARP": from_guest(Dot1Q(vlan=5), ARP(op="is-at")),
}


@pytest.mark.parametrize("packet", UNCOMPARED.values(), ids=UNCOMPARED)
def test_the_primarys_passes_and_the_secondarys_is_dropped(packet: bytes) -> None:
    bench = Bench()
    assert bench.primary(packet) == [packet]
    assert bench.secondary(packet) == []
    assert (bench.tally["passed"], bench.tally["secondary_only"]) == (1, 1)
    assert bench.comparer.flows.all() == []


@pytest.mark.parametrize("ports", [(67, 68), (68, 67), (546, 547)])
def test_dhcp_passes_by_a_default_rule(ports: tuple[int, int]) -> None:
    network = V4 if ports[0] < 100 else V6
    packet = from_guest(network, UDP(sport=ports[0], dport=ports[1]) / Raw(b"xid"))
    bench = Bench()
    for id, rule in dhcp_rules().items():
        bench.comparer.flows.add_rule(id, rule, bench.now)
    assert bench.primary(packet) == [packet]
    assert bench.secondary(packet) == []
    bench.wait(60)
    assert bench.divergences == []


@pytest.mark.parametrize("packet", [b"\0" * 10, DATA.packet(*[Bench().guest, Bench().client])[:50]])
def test_malformed_ones_are_dropped_by_name(packet: bytes) -> None:
    bench = Bench()
    assert bench.primary(packet) == []
    assert bench.secondary(packet) == []
    assert (bench.tally["dropped_malformed"], bench.tally["secondary_malformed"]) == (1, 1)


# forms


@pytest.mark.parametrize("primary_first", [True, False])
@pytest.mark.parametrize("padded", ["primary", "secondary"])
def test_ethernets_padding_is_no_payload(primary_first: bool, padded: str) -> None:
    bench = opened()
    tiny = DATA.but(payload=b"x")
    packets = {"primary": bench.packet(tiny), "secondary": bench.packet(tiny)}
    packets[padded] = packets[padded].ljust(100, b"\xee")
    sides = ["primary", "secondary"] if primary_first else ["secondary", "primary"]
    for side in sides:
        getattr(bench, side)(packets[side])
    assert bench.frames[-1].packet == packets["primary"]
    bench.assert_empty()


@pytest.mark.parametrize("tags", [[Dot1Q(vlan=5)], [Dot1AD(vlan=7), Dot1Q(vlan=5)], [Dot1Q(vlan=5, prio=3)]])
def test_vlans_are_worlds_of_their_own(tags: list[Packet]) -> None:
    bench = Bench()
    plain = datagram(b"one")
    tagged = from_guest(*tags, V4, UDP(sport=53, dport=5000) / Raw(b"two"))
    assert bench.primary(plain, tagged) == []
    assert bench.secondary(tagged) == [tagged]
    assert bench.secondary(plain) == [plain]


def test_held_packets_do_not_keep_their_batch() -> None:
    bench = opened()
    bench.primary(DATA, *[UNCOMPARED["ARP"]] * 50)
    head = bench.flow.primary_head
    assert head is not None
    assert len(head.data) < 200


# fragments


def fragments(payload: bytes, size: int = 512) -> list[bytes]:
    whole = IP(src="10.0.0.2", dst="10.0.0.1", id=7) / UDP(sport=53, dport=5000) / Raw(payload)
    return [from_guest(part) for part in fragment(whole, fragsize=size)]


@pytest.mark.parametrize("primary_first", [True, False])
def test_fragments_are_compared_whole_and_leave_as_they_came(primary_first: bool) -> None:
    bench = Bench()
    mine = fragments(bytes(range(250)) * 8)
    theirs = fragments(bytes(range(250)) * 8, 1024)
    out = bench.primary(*mine[::-1]) if primary_first else bench.secondary(*theirs)
    assert out == []
    assert (bench.secondary(*theirs) if primary_first else bench.primary(*mine[::-1])) == mine[::-1]
    bench.assert_empty()


def test_one_may_have_cut_and_the_other_not() -> None:
    bench = Bench()
    mine = fragments(b"x" * 2000)
    bench.primary(*mine)
    assert bench.secondary(datagram(b"x" * 2000)) == mine


def test_different_fragments_diverge() -> None:
    bench = Bench()
    bench.primary(*fragments(b"x" * 2000))
    bench.secondary(*fragments(b"x" * 1999 + b"y"))
    bench.wait(1)
    (told,) = bench.divergences
    assert (told.kind, told.offset) == ("payload", 1999)


def test_fragments_that_never_become_whole_are_dropped_by_name() -> None:
    bench = Bench()
    parts = fragments(b"x" * 2000)
    bench.primary(*parts[:-1])
    bench.secondary(*parts[:-1])
    bench.wait(60)
    assert bench.tally["dropped_fragments"] == len(parts) - 1
    assert bench.comparer.next_deadline is None


def test_fragments_that_contradict_each_other_are_dropped_by_name_and_not_kept() -> None:
    bench = Bench()
    first = fragments(b"x" * 2000)[0]
    other = fragments(b"y" * 2000)[0]
    for _ in range(3):
        bench.primary(first, other, first)
        bench.secondary(first, other, first)
    assert bench.tally["dropped_fragments"] == 9
    for reassembler in (bench.comparer._primary_fragments, bench.comparer._secondary_fragments):
        assert reassembler.given_up == []


def test_a_fragmented_segment_leaves_unaltered_when_its_ack_may() -> None:
    bench = opened()
    whole = Ether(bench.packet(DATA.but(ack=HERS + 9, payload=b"x" * 3000)))[IP]
    whole.flags = 0
    parts = [from_guest(part) for part in fragment(whole, fragsize=1000)]
    assert bench.primary(*parts) == []
    assert bench.secondary(DATA.but(payload=b"x" * 3000)) == []
    assert bench.secondary(DATA.but(seq=MINE + 3000, ack=HERS + 9, payload=b"")) == parts


# bounds


def test_a_full_queue_is_a_divergence_and_what_exceeds_it_is_dropped_by_name() -> None:
    bench = opened(max_queue_size=4)
    segments = [DATA.but(seq=MINE + 10 * index) for index in range(6)]
    assert bench.primary(*segments[:4]) == []
    assert bench.divergences == []
    bench.primary(*segments[4:])
    (told,) = bench.divergences
    assert (told.kind, told.seq) == ("queue", MINE)
    assert (bench.tally["dropped_queue_full"], bench.flow.primary_count) == (2, 4)


def test_so_is_the_secondarys() -> None:
    bench = opened(max_queue_size=4)
    bench.secondary(*[DATA.but(seq=MINE + 10 * index) for index in range(5)])
    assert bench.kinds == ["queue"]


def test_without_memory_tcp_is_dropped_by_name_and_heals() -> None:
    bench = opened(max_memory=1000)
    segments = [DATA.but(seq=MINE + 10 * index) for index in range(8)]
    bench.primary(*segments)
    assert bench.tally["held_bytes"] >= 1000
    dropped = bench.tally["dropped_memory"]
    assert 0 < dropped < 8
    bench.secondary(*segments)
    for segment in segments:
        bench.both(segment)
    assert bench.divergences == []
    bench.assert_empty()
    assert {frame.packet for frame in bench.frames[1:]} == {bench.packet(segment) for segment in segments}


def test_what_finds_its_counterpart_needs_no_memory() -> None:
    bench = opened(max_memory=1000)
    segments = [DATA.but(seq=MINE + 10 * index) for index in range(8)]
    bench.secondary(*segments)
    kept = 8 - bench.tally["secondary_dropped_memory"]
    assert kept < 8
    assert bench.primary(*segments)[:kept] == segments[:kept]


@pytest.mark.parametrize("full_of", ["primary", "secondary"])
def test_acks_need_no_memory(full_of: str) -> None:
    bench = Bench(max_memory=1000)
    bench.open(at=1)
    bench.open(at=2)
    getattr(bench, full_of)(*[DATA.but(seq=MINE + 10 * index) for index in range(8)], at=1)
    pure = Segment(MINE, HERS + 100, window=400)
    bench.primary(pure, at=2)
    (told,) = bench.secondary(pure, at=2)
    assert told.ack == pure.ack  # type: ignore[union-attr]


def test_without_memory_a_datagrams_flow_diverges() -> None:
    bench = opened(max_memory=500)
    bench.primary(*[DATA.but(seq=MINE + 10 * index) for index in range(4)])
    bench.primary(datagram(b"one"))
    assert bench.kinds == ["memory"]
    assert bench.tally["dropped_memory"] > 0


def test_a_full_table_drops_by_name_and_spares_what_is_held() -> None:
    bench = Bench(max_connections=2)
    for port in (1, 2):
        bench.primary(DATA, at=port)
    assert bench.primary(DATA, at=3) == []
    assert (bench.tally["dropped_table_full"], bench.tally["connections"]) == (1, 2)
    bench.secondary(DATA, at=1)
    bench.primary(DATA, at=3)
    assert bench.tally["dropped_table_full"] == 1  # the first one was idle


# time


class Looked(Exception):
    pass


def test_timeouts_cost_what_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 idle flows and one that waits, the one is looked at."""
    bench = Bench()
    for port in range(1, 10_001):
        bench.primary(SYN_ACK, at=port)
        bench.secondary(OTHER_SYN_ACK, at=port)
    bench.wait(60)  # what they waited for is over
    bench.primary(DATA, at=77)
    looked: list[Flow] = []
    look_at = bench.comparer._look_at
    monkeypatch.setattr(bench.comparer, "_look_at", lambda flow, now: (looked.append(flow), look_at(flow, now)))
    bench.wait(30)
    assert bench.kinds == ["unmatched"]
    assert len(looked) == 1


def test_nothing_waits_at_the_beginning() -> None:
    assert Bench().comparer.next_deadline is None


@pytest.mark.parametrize("timeout", [0.2, 3.0, 60.0])
def test_compare_timeout_is_the_propertys(timeout: float) -> None:
    bench = opened(compare_timeout=timeout)
    bench.primary(DATA)
    bench.wait(timeout - 0.06)
    assert bench.divergences == []
    bench.wait(0.12)
    assert bench.kinds == ["unmatched"]


# divergences, and flows that are let go


def diverged(names: bool = False) -> Bench:
    bench = opened(names=names)
    bench.primary(DATA)
    bench.secondary(DATA.but(payload=b"other"))
    assert bench.kinds == ["payload"]
    return bench


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
    flows.follow()
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


# checkpoints


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


# others


@pytest.mark.parametrize(
    "packet",
    [
        from_guest(V4, ICMP(type="echo-reply", id=7, seq=1), Raw(b"ping")),
        from_guest(V6, ICMPv6EchoReply(id=7, seq=1, data=b"ping")),
        from_guest(IP(src="10.0.0.2", dst="10.0.0.1", proto=47), Raw(b"GRE")),
        from_guest(V6, UDP(sport=53, dport=5000) / Raw(b"six")),
        datagram(b""),
    ],
)
@pytest.mark.parametrize("primary_first", [True, False])
def test_other_packets_wait_for_equal_ones(packet: bytes, primary_first: bool) -> None:
    bench = Bench()
    sides = (bench.primary, bench.secondary) if primary_first else (bench.secondary, bench.primary)
    assert [send(packet) for send in sides] == [[], [packet]]
    bench.assert_empty()


def test_ip_numbers_and_ttl_are_not_compared() -> None:
    bench = Bench()
    mine = datagram(b"one")
    theirs = from_guest(IP(src="10.0.0.2", dst="10.0.0.1", id=999, ttl=3), UDP(sport=53, dport=5000) / Raw(b"one"))
    bench.secondary(theirs)
    assert bench.primary(mine) == [mine]


def test_an_empty_batch_is_nothing() -> None:
    bench = Bench()
    assert bench.primary() == bench.secondary() == []


def test_a_syn_of_both_directions() -> None:
    """Simultaneous opening: a SYN, then a SYN-ACK of the same number."""
    bench = Bench()
    syn = SYN_ACK.but(flags=SYN, ack=0)
    assert bench.primary(syn, SYN_ACK) == []
    assert bench.secondary(syn.but(seq=OTHER_ISN)) == [syn]
    assert bench.secondary(OTHER_SYN_ACK) == [SYN_ACK]
    bench.wait(60)
    assert bench.divergences == []
