"""
The same streams into QEMU's colo-compare and ours: the same packets come out, in the same order.

What stands here is what both agree on, with ours at ack_commit=off; QEMU's answers were there first.
Ours holds some packets for longer (a FIN until the other guest's FIN, not just until anything of
the other's): then the end of the exchange is what is compared.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from scapy.layers.inet import IP

from tests.support.compare import Comparison, Flow, arp
from tests.support.processes import Colo
from tests.support.qemu import QEMU

PRIMARY_ISN, SECONDARY_ISN = 1000, 3_000_000_000
FIRST, ACK = PRIMARY_ISN + 1, 501  # the guest's first sequence number, as the client counts; the client's bytes
CLIENT_ISN = ACK - 1
NEAR_WRAP = 2**32 - 7
SYN_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 2)), ("NOP", None), ("WScale", 7)]

secondary_first_too = pytest.mark.parametrize("first", ["primary", "secondary"], ids="{}-first".format)


@pytest.fixture(scope="module", params=[QEMU, Colo], ids=["QEMU", "us"])
def compare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """One program for all tests here: each takes connections of its own."""
    with Comparison(request.param, tmp_path_factory.mktemp("compare")) as comparison:
        yield comparison


@pytest.fixture(params=["from-SYN", "mid-stream"])
def opened(request: pytest.FixtureRequest, compare: Comparison) -> tuple[Flow, Flow]:
    """A connection, met at its beginning or later; FIRST is next."""
    primary, secondary = compare.flows()
    if request.param == "from-SYN":
        open_one(compare, primary, secondary)
    return primary, secondary


def open_one(compare: Comparison, primary: Flow, secondary: Flow) -> None:
    syn_ack = primary.segment("SA", PRIMARY_ISN, ACK, options=SYN_OPTIONS)
    assert compare.from_primary(syn_ack) == []
    assert compare.from_secondary(secondary.segment("SA", SECONDARY_ISN, ACK, options=SYN_OPTIONS)) == [syn_ack]


def cut(flow: Flow, data: bytes, sizes: list[int], seq: int = FIRST, ack: int = ACK) -> list[bytes]:
    """Segments of these sizes, the last one with all that is left."""
    segments, start = [], 0
    for size in [*sizes, len(data)]:
        if part := data[start : start + size]:
            segments.append(flow.segment("PA", seq + start, ack, part))
        start += len(part)
    return segments


# TCP: openings


@secondary_first_too
@pytest.mark.parametrize(("flags", "ack"), [("SA", ACK), ("S", 0)], ids=["SYN-ACK", "SYN"])
def test_a_syn_goes_out_when_both_guests_sent_one_whatever_their_numbers(
    compare: Comparison, flags: str, ack: int, first: str
) -> None:
    primary, secondary = compare.flows()
    ours = primary.segment(flags, PRIMARY_ISN, ack, options=SYN_OPTIONS)
    theirs = secondary.segment(flags, SECONDARY_ISN, ack, options=SYN_OPTIONS)
    if first == "primary":
        assert compare.from_primary(ours) == []
        assert compare.from_secondary(theirs) == [ours]
    else:
        assert compare.from_secondary(theirs) == []
        assert compare.from_primary(ours) == [ours]


# TCP: data


@secondary_first_too
@pytest.mark.parametrize("seq", [FIRST, NEAR_WRAP], ids=["", "near-wrap"])
def test_equal_data_goes_out_once_it_is_there_from_both(
    compare: Comparison, opened: tuple[Flow, Flow], seq: int, first: str
) -> None:
    primary, secondary = opened if seq == FIRST else compare.flows()
    ours = cut(primary, b"of both the same", [5, 6], seq)
    theirs = cut(secondary, b"of both the same", [5, 6], seq)
    if first == "primary":
        assert compare.from_primary(*ours) == []
        assert compare.from_secondary(*theirs) == ours
    else:
        assert compare.from_secondary(*theirs) == []
        assert compare.from_primary(*ours) == ours


@secondary_first_too
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [([], [3]), ([4], []), ([2, 3, 4], [3, 3, 3]), ([1, 1, 1, 1, 1], [9]), ([9], [1, 1, 1, 1, 1])],
    ids=str,
)
def test_equal_data_goes_out_however_it_was_cut(
    compare: Comparison, opened: tuple[Flow, Flow], ours: list[int], theirs: list[int], first: str
) -> None:
    data = b"the same bytes"
    from_primary, from_secondary = cut(opened[0], data, ours), cut(opened[1], data, theirs)
    if first == "primary":
        assert compare.from_primary(*from_primary) == []
        assert compare.from_secondary(*from_secondary) == from_primary
    else:
        assert compare.from_secondary(*from_secondary) == []
        assert compare.from_primary(*from_primary) == from_primary


def test_a_segment_stays_until_the_secondary_has_given_its_last_byte(
    compare: Comparison, opened: tuple[Flow, Flow]
) -> None:
    primary, secondary = opened
    ours = cut(primary, b"12345678", [6])
    assert compare.from_primary(*ours) == []
    assert compare.from_secondary(secondary.segment("A", FIRST, ACK, b"12345")) == []
    assert compare.from_secondary(secondary.segment("A", FIRST + 5, ACK, b"67")) == ours[:1]
    assert compare.from_secondary(secondary.segment("PA", FIRST + 7, ACK, b"8")) == ours[1:]


def test_a_long_stream_in_cuts_of_each_guests_own_comes_out_whole_and_in_order(
    compare: Comparison, opened: tuple[Flow, Flow]
) -> None:
    chance = random.Random(3)
    data = chance.randbytes(100_000)
    ours, theirs = (cut(flow, data, [chance.randint(1, 1460) for _ in range(60)]) for flow in opened)
    released = []
    for start in range(0, max(len(ours), len(theirs)), 20):
        compare.primary.send(ours[start : start + 20])
        released += compare.from_secondary(*theirs[start : start + 20])
    assert released + compare.settle() == ours


# TCP: retransmissions


def test_what_both_repeat_goes_out_again(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    """Ours doesn't wait for the secondary to repeat what it once gave."""
    primary, secondary = opened
    first, again = (primary.segment("PA", FIRST, ACK, b"twice") for _ in range(2))
    assert compare.from_primary(first) == []
    assert compare.from_secondary(secondary.segment("PA", FIRST, ACK, b"twice")) == [first]
    compare.primary.send([again])
    assert compare.from_secondary(secondary.segment("PA", FIRST, ACK, b"twice")) == [again]


def test_what_both_repeat_while_it_is_held_goes_out_twice(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    primary, secondary = opened
    ours = [primary.segment("PA", FIRST, ACK, b"twice") for _ in range(2)]
    assert compare.from_primary(*ours) == []
    theirs = [secondary.segment("PA", FIRST, ACK, b"twice") for _ in range(2)]
    assert compare.from_secondary(*theirs) == ours


@pytest.mark.parametrize("repeated", [b"said", b"sa", b"id"], ids=["the-same", "its-head", "its-tail"])
def test_what_the_secondary_repeats_changes_nothing(
    compare: Comparison, opened: tuple[Flow, Flow], repeated: bytes
) -> None:
    primary, secondary = opened
    said, more = cut(primary, b"said, and more", [4])
    assert compare.from_primary(said) == []
    assert compare.from_secondary(secondary.segment("PA", FIRST, ACK, b"said")) == [said]
    at = FIRST + b"said".index(repeated)
    assert compare.from_secondary(secondary.segment("PA", at, ACK, repeated)) == []
    assert compare.from_primary(more) == []
    assert compare.from_secondary(secondary.segment("PA", FIRST + 4, ACK, b", and more")) == [more]


def test_the_secondarys_segments_may_come_in_another_order(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    ours, theirs = (cut(flow, b"one two three", [4, 4]) for flow in opened)
    assert compare.from_primary(*ours) == []
    assert compare.from_secondary(theirs[1]) == []
    assert compare.from_secondary(theirs[0]) == ours[:2]
    assert compare.from_secondary(theirs[2]) == ours[2:]


# TCP: segments without data


def test_an_acknowledgment_of_both_goes_out_once(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    """QEMU's waits for any packet of the secondary's, ours with ack_commit=off for none."""
    primary, secondary = opened
    ack = primary.segment("A", FIRST, ACK + 100)
    compare.primary.send([ack])
    assert compare.from_secondary(secondary.segment("A", FIRST, ACK + 100)) == [ack]
    assert compare.from_secondary(secondary.segment("A", FIRST, ACK + 200)) == []


@pytest.mark.parametrize("flags", ["FA", "R", "RA"])
def test_the_end_of_a_connection_goes_out_when_both_ended_it(
    compare: Comparison, opened: tuple[Flow, Flow], flags: str
) -> None:
    primary, secondary = opened
    ack = 0 if flags == "R" else ACK
    end = primary.segment(flags, FIRST, ack)
    assert compare.from_primary(end) == []
    assert compare.from_secondary(secondary.segment(flags, FIRST, ack)) == [end]


def test_a_fin_may_come_with_the_data_or_behind_it(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    primary, secondary = opened
    with_it = primary.segment("FPA", FIRST, ACK, b"bye")
    behind = [secondary.segment("PA", FIRST, ACK, b"bye"), secondary.segment("FA", FIRST + 3, ACK)]
    assert compare.from_primary(with_it) == []
    assert compare.from_secondary(*behind) == [with_it]


def test_a_fin_behind_the_data_may_have_come_with_it(compare: Comparison, opened: tuple[Flow, Flow]) -> None:
    """QEMU holds the FIN until the secondary says anything more, as its last acknowledgment."""
    primary, secondary = opened
    ours = [primary.segment("PA", FIRST, ACK, b"bye"), primary.segment("FA", FIRST + 3, ACK)]
    assert compare.from_primary(*ours) == []
    theirs = [secondary.segment("FPA", FIRST, ACK, b"bye"), secondary.segment("A", FIRST + 4, ACK + 1)]
    assert compare.from_secondary(*theirs) == ours


# other protocols


def datagrams(flow: Flow, kind: str) -> list[bytes]:
    """Three; those of other protocols equal down to the IP header, which QEMU compares too."""
    contents = [b"%d %d" % (flow.port, number) for number in range(3)]
    if kind == "UDP":
        return [flow.datagram(content) for content in contents]
    if kind == "ICMP":
        return [flow.echo_reply(number, content) for number, content in enumerate(contents)]
    same = Flow(flow.port)
    return [same.of_protocol(132, content) for content in contents]


@secondary_first_too
@pytest.mark.parametrize("kind", ["UDP", "ICMP", "SCTP"])
def test_equal_datagrams_go_out_in_order(compare: Comparison, kind: str, first: str) -> None:
    """One by one where the primary is first: QEMU would let several held ones go last to first."""
    ours, theirs = (datagrams(flow, kind) for flow in compare.flows())
    if first == "primary":
        for packet, its_like in zip(ours, theirs):
            assert compare.from_primary(packet) == []
            assert compare.from_secondary(its_like) == [packet]
    else:
        assert compare.from_secondary(*theirs) == []
        assert compare.from_primary(*ours) == ours


def test_what_is_not_ip_passes_from_the_primary_and_is_dropped_from_the_secondary(compare: Comparison) -> None:
    packets = [arp(30_000 + number) for number in range(3)]
    assert compare.from_primary(*packets) == packets
    assert compare.from_secondary(*packets) == []


# several at a time


def test_connections_do_not_wait_for_each_other_and_each_keeps_its_order(compare: Comparison) -> None:
    flows = [compare.flows() for _ in range(5)]
    data = b"what each connection says"
    ours = [cut(primary, data, [7, 7, 7]) for primary, _ in flows]
    theirs = [cut(secondary, data, [5] * 5) for _, secondary in flows]
    turns = [segment for turn in zip(*ours) for segment in turn]
    assert compare.from_primary(*turns) == []
    for index in (3, 0, 4, 2):
        assert compare.from_secondary(*theirs[index]) == ours[index]
    turns = [segment for turn in zip(*theirs) for segment in turn]
    assert compare.from_secondary(*turns) == ours[1]


def test_both_guests_at_once_on_many_connections(compare: Comparison) -> None:
    chance = random.Random(4)
    data = chance.randbytes(3000)
    flows = [compare.flows() for _ in range(20)]
    ours = [cut(primary, data, [chance.randint(1, 400) for _ in range(20)]) for primary, _ in flows]
    theirs = [cut(secondary, data, [chance.randint(1, 400) for _ in range(20)]) for _, secondary in flows]
    compare.primary.send(shuffled_together(ours, chance))
    released = compare.from_secondary(*shuffled_together(theirs, chance))
    by_port: dict[int, list[bytes]] = {primary.port: [] for primary, _ in flows}
    for packet in released:
        by_port[client_port(packet)].append(packet)
    assert list(by_port.values()) == ours


def shuffled_together(queues: list[list[bytes]], chance: random.Random) -> list[bytes]:
    """All packets of the queues, those of each in its order."""
    turns = [index for index, queue in enumerate(queues) for _ in queue]
    chance.shuffle(turns)
    each = [iter(queue) for queue in queues]
    return [next(each[index]) for index in turns]


def client_port(packet: bytes) -> int:
    port = IP(packet[14:]).dport
    assert isinstance(port, int)
    return port
