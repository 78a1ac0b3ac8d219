"""The comparer, sentence by sentence: what is compared at all, in which forms, bounds and time."""

from __future__ import annotations

import pytest
from scapy.layers.inet import ICMP, IP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6MLReport2, ICMPv6ND_NA, ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.comparing.intake import MOST_RECENT
from colo_twisted.packets.comparing.passthrough import Rule, dhcp_rules
from tests.support.comparison import (
    CLIENT_ISN,
    ISN,
    OTHER_ISN,
    OTHER_SYN_ACK,
    SYN_ACK,
    Bench,
    datagram,
    opened,
)
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, FIN, SYN, Segment

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


@pytest.mark.parametrize("packet", [b"\0" * 10, DATA.packet(GUEST, CLIENT)[:50]])
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


def test_held_packets_stay_in_their_batch_for_a_while_and_do_not_keep_it_for_long() -> None:
    bench = opened()
    bench.primary(DATA, *[UNCOMPARED["ARP"]] * 50)
    head = bench.flow.primary_head
    assert head is not None
    assert head.chunk is not None
    packet = head.data[head.packet : head.end]
    for _ in range(MOST_RECENT // 60_000):
        assert len(head.data) > 2000
        bench.primary(datagram(bytes(60_000)))
    bench.primary(datagram(bytes(60_000)))
    assert len(head.data) < 200
    assert head.chunk is None
    assert head.data[head.packet : head.end] == packet


def test_a_batch_whose_packets_have_all_left_is_forgotten_at_once() -> None:
    bench = opened()
    first, second = DATA, DATA.but(seq=DATA.seq + len(DATA.payload))
    bench.primary(first, second)
    head = bench.flow.primary_head
    assert head is not None
    chunk = head.chunk
    assert chunk is not None
    bench.secondary(first)
    assert (head.chunk, chunk.waiting, len(chunk.held)) == (None, 1, 2)
    bench.secondary(second)
    assert (chunk.waiting, chunk.held) == (0, [])


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


def test_timeouts_cost_what_expires() -> None:
    """Of 10,000 idle flows and one that waits, the one is looked at: whoever is, has its ``watched_until`` set."""
    bench = Bench()
    for port in range(1, 10_001):
        bench.primary(SYN_ACK, at=port)
        bench.secondary(OTHER_SYN_ACK, at=port)
    bench.wait(60)  # what they waited for is over
    for flow in bench.comparer.flows.all():
        if not flow.key.endswith((77).to_bytes(2, "big")):
            flow.watched_until = 1e9
    bench.primary(DATA, at=77)
    bench.wait(30)
    (told,) = bench.divergences
    assert told.key.endswith((77).to_bytes(2, "big"))
    assert [flow.key for flow in bench.comparer.flows.all() if flow.watched_until != 1e9] == [told.key]


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
