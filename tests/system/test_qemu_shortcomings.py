"""
Where QEMU 7.2's colo-compare falls short, and ours, with the properties that it has by default, does not.

Each test sends both programs the same. What is asserted for QEMU documents the shortcoming; it is
no promise of ours, and a newer QEMU may do better.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from tests.support.compare import (
    CHECKPOINT_DONE,
    DO_CHECKPOINT,
    FIRST_PORT,
    XEN_INIT,
    XEN_INIT_ANSWER,
    Comparison,
    Flow,
)
from tests.support.processes import Colo
from tests.support.qemu import QEMU
from tests.support.sides import Program

ISN, FIRST, ACK = 1000, 1001, 501
WINDOW = 65000
QEMUS_TABLE = 16384  # connections
MANY = 20_000
_ports = struct.Struct(">HHHH")  # with the length and the checksum of UDP
UDP_AT = 34

on_both = pytest.mark.parametrize("program", [QEMU, Colo], ids=["QEMU-7.2-falls-short", "us"])


@pytest.fixture(scope="module", params=[QEMU, Colo], ids=["QEMU-7.2-falls-short", "us"])
def compare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparison]:
    """One program for all tests here: each takes connections of its own."""
    with Comparison(request.param, tmp_path_factory.mktemp("compare"), ours="") as comparison:
        yield comparison


def falls_short(compare: Comparison) -> bool:
    return compare.program is QEMU


def opened(compare: Comparison, ack: int = ACK) -> tuple[Flow, Flow]:
    """A connection whose SYN-ACK has gone out; FIRST is next, and the client's bytes up to ack are acknowledged."""
    primary, secondary = compare.flows()
    syn_ack = primary.segment("SA", ISN, ack, window=WINDOW)
    assert compare.from_primary(syn_ack) == []
    assert compare.from_secondary(secondary.segment("SA", 7 * ISN, ack, window=WINDOW)) == [syn_ack]
    return primary, secondary


def acks(packets: list[bytes]) -> list[int]:
    return [Ether(packet)[TCP].ack for packet in packets]


# what is compared


@pytest.mark.parametrize(
    ("version", "vlans"), [(6, []), (4, [5]), (4, [5, 6]), (6, [5])], ids=["IPv6", "VLAN", "QinQ", "IPv6-VLAN"]
)
def test_ipv6_and_vlans_are_compared(compare: Comparison, version: int, vlans: list[int]) -> None:
    primary, secondary = compare.flows(version, vlans)
    for ours, theirs in (
        (primary.segment("PA", FIRST, ACK, b"TCP"), secondary.segment("PA", FIRST, ACK, b"TCP")),
        (primary.datagram(b"UDP"), secondary.datagram(b"UDP")),
    ):
        if falls_short(compare):
            assert compare.from_primary(ours) == [ours]
        else:
            assert compare.from_primary(ours) == []
            assert compare.from_secondary(theirs) == [ours]


@pytest.mark.parametrize("vlans", [[], [5]], ids=["", "VLAN"])
@pytest.mark.parametrize("size", [304, 0], ids=["cut-elsewhere", "not-cut"])
def test_fragments_are_compared_as_the_datagram_that_they_make(
    compare: Comparison, size: int, vlans: list[int]
) -> None:
    """QEMU takes each fragment for a packet of its own (and with a VLAN tag looks at none)."""
    primary, secondary = compare.flows(vlans=vlans)
    ours = primary.fragments(bytes(1000), 600)
    theirs = secondary.fragments(bytes(1000), size) if size else [secondary.datagram(bytes(1000))]
    if falls_short(compare):
        assert compare.from_primary(*ours) == (ours if vlans else [])
        assert compare.from_secondary(*theirs) == []
    else:
        assert compare.from_primary(*ours) == []
        assert compare.from_secondary(*theirs[:-1]) == []
        assert compare.from_secondary(theirs[-1]) == ours


def test_different_fragments_are_held(compare: Comparison) -> None:
    primary, secondary = compare.flows()
    assert compare.from_primary(*primary.fragments(b"a" * 1000, 600)) == []
    assert compare.from_secondary(*secondary.fragments(b"a" * 999 + b"b", 600)) == []


@pytest.mark.parametrize(
    "theirs",
    [
        [("MSS", 536), ("WScale", 7)],
        [("MSS", 1460), ("WScale", 2)],
        [("MSS", 1460)],
        [("MSS", 1460), ("WScale", 7), ("SAckOK", b"")],
        [("MSS", 1460), ("WScale", 7), ("Timestamp", (1, 0))],
    ],
    ids=["MSS", "scale", "no-scale", "SACK", "timestamps"],
)
def test_a_syns_options_are_compared(compare: Comparison, theirs: list[tuple[str, object]]) -> None:
    primary, secondary = compare.flows()
    ours = primary.segment("SA", ISN, ACK, options=[("MSS", 1460), ("WScale", 7)])
    assert compare.from_primary(ours) == []
    released = compare.from_secondary(secondary.segment("SA", 7 * ISN, ACK, options=theirs))
    assert released == ([ours] if falls_short(compare) else [])


@pytest.mark.parametrize("flags", ["FA", "RA"], ids=["FIN", "RST"])
def test_the_end_of_a_connection_is_compared(compare: Comparison, flags: str) -> None:
    primary, secondary = opened(compare)
    end = primary.segment(flags, FIRST, ACK)
    assert compare.from_primary(end) == []
    released = compare.from_secondary(secondary.segment("A", FIRST, ACK))
    if falls_short(compare):
        assert released == [end]
    else:
        assert released == []
        assert compare.from_secondary(secondary.segment(flags, FIRST, ACK)) == [end]


def test_ethernet_padding_is_no_payload(compare: Comparison) -> None:
    primary, secondary = opened(compare)
    padded = primary.segment("PA", FIRST, ACK, b"hi") + bytes(4)
    assert len(padded) == 60
    assert compare.from_primary(padded) == []
    released = compare.from_secondary(secondary.segment("PA", FIRST, ACK, b"hi"))
    assert released == ([] if falls_short(compare) else [padded])


# acknowledgments


def test_no_acknowledgment_goes_beyond_the_secondarys(compare: Comparison) -> None:
    """What the client has had acknowledged it forgets: at a take-over it is lost to a secondary without it."""
    primary, secondary = opened(compare)
    ack = primary.segment("A", FIRST, 6000, window=WINDOW)
    assert compare.from_primary(ack) == []
    released = compare.from_secondary(secondary.segment("A", FIRST, 510, window=WINDOW))
    if falls_short(compare):
        assert released == [ack]
        return
    assert acks(released) == [510]
    assert acks(compare.from_secondary(secondary.segment("A", FIRST, 6000, window=WINDOW))) == [6000]


@pytest.mark.parametrize("seen", [ACK, 2**32 - 256], ids=["", "near-wrap"])
def test_no_data_takes_an_acknowledgment_beyond_the_secondarys(compare: Comparison, seen: int) -> None:
    """QEMU holds the data until the acknowledgments agree, but for numbers near 2^32."""
    primary, secondary = opened(compare, seen)
    ours = [primary.segment("PA", seq, seen + 512, data) for seq, data in ((FIRST, b"one"), (FIRST + 3, b"two"))]
    assert compare.from_primary(*ours) == []
    released = compare.from_secondary(secondary.segment("PA", FIRST, seen, b"onetwo"))
    if falls_short(compare):
        assert released == (ours if seen > 2**31 else [])
        return
    assert acks(released) == [seen, seen]
    assert [bytes(Ether(packet)[TCP].payload) for packet in released] == [b"one", b"two"]
    last = compare.from_secondary(secondary.segment("A", FIRST + 6, seen + 512))
    assert acks(last) == [(seen + 512) % 2**32]


def test_what_the_primary_repeats_does_not_wait_for_the_secondary_to_repeat_it(compare: Comparison) -> None:
    primary, secondary = opened(compare)
    first, again = (primary.segment("PA", FIRST, ACK, b"twice") for _ in range(2))
    assert compare.from_primary(first) == []
    assert compare.from_secondary(secondary.segment("PA", FIRST, ACK, b"twice")) == [first]
    assert compare.from_primary(again) == ([] if falls_short(compare) else [again])


def test_a_fin_behind_the_data_does_not_wait_for_more_than_the_secondarys_fin(compare: Comparison) -> None:
    primary, secondary = opened(compare)
    ours = [primary.segment("PA", FIRST, ACK, b"bye"), primary.segment("FA", FIRST + 3, ACK)]
    assert compare.from_primary(*ours) == []
    released = compare.from_secondary(secondary.segment("FPA", FIRST, ACK, b"bye"))
    assert released == (ours[:1] if falls_short(compare) else ours)


def test_held_datagrams_go_out_in_the_primarys_order(compare: Comparison) -> None:
    primary, secondary = compare.flows()
    ours, theirs = ([flow.datagram(b"%d" % number) for number in range(3)] for flow in (primary, secondary))
    assert compare.from_primary(*ours) == []
    assert compare.from_secondary(*theirs) == (ours[::-1] if falls_short(compare) else ours)


# bounds


def one_datagram_each(ip_id: int, count: int) -> list[bytes]:
    """The same datagram on so many connections."""
    template = bytearray(Flow(FIRST_PORT, ip_id).datagram(b"a short answer"))
    source, _, length, _ = _ports.unpack_from(template, UDP_AT)
    packets = []
    for number in range(count):
        _ports.pack_into(template, UDP_AT, source, FIRST_PORT + number, length, 0)
        packets.append(bytes(template))
    return packets


@on_both
def test_nothing_that_is_held_is_lost_with_many_connections(program: Program, tmp_path: Path) -> None:
    """QEMU throws its whole table away at the first connection too many, and all that it held."""
    ours, theirs = one_datagram_each(1, MANY), one_datagram_each(30001, MANY)
    with Comparison(program, tmp_path, ours="") as compare:
        assert compare.from_primary(*ours) == []
        half = MANY // 2
        released = compare.from_secondary(*theirs[:half])
        if program is QEMU:
            assert released == []
            assert compare.from_secondary(*theirs[-100:]) == ours[-100:]
        else:
            assert released == ours[:half]
            assert compare.from_secondary(*theirs[half:]) == ours[half:]


def another(folder: Path, properties: str) -> list[str]:
    """A second colo-compare, that nobody uses."""
    words = []
    for id in ("pri1", "sec1", "out1"):
        words += ["-chardev", f"socket,id={id},path={folder}/{id},server=on,wait=off"]
    chardevs = "primary_in=pri1,secondary_in=sec1,outdev=out1"
    return [*words, "-object", f"colo-compare,id=comp1,{chardevs},iothread=iothread0,{properties}"]


@on_both
def test_each_object_has_a_queue_size_of_its_own(program: Program, tmp_path: Path) -> None:
    """QEMU's is that of the object that was made last; what is beyond it is dropped."""
    small = another(tmp_path, "max_queue_size=4")
    with Comparison(program, tmp_path, "max_queue_size=1000", ours="", more=small) as compare:
        primary, secondary = compare.flows()
        ours, theirs = (
            [flow.segment("PA", FIRST + at, ACK, b"x") for at in range(10)] for flow in (primary, secondary)
        )
        assert compare.from_primary(*ours) == []
        assert compare.from_secondary(*theirs) == (ours[:5] if program is QEMU else ours)


@on_both
def test_a_full_queue_asks_for_a_checkpoint(program: Program, tmp_path: Path) -> None:
    """QEMU drops what comes then, as ours does until the checkpoint, but tells nobody."""
    with Comparison(program, tmp_path, "max_queue_size=4", ours="", notify=True) as compare:
        primary, _ = compare.flows()
        ours = [primary.segment("PA", FIRST + at, ACK, b"x") for at in range(10)]
        assert compare.from_primary(*ours) == []
        compare.notify.send([XEN_INIT])  # whose answer is behind what was asked for
        compare.wait_for_notices(*[] if program is QEMU else [DO_CHECKPOINT], XEN_INIT_ANSWER)
        compare.notify.send([CHECKPOINT_DONE])
        compare.wait_for_packet(ours[0])
        assert compare.settle() == ours[: 5 if program is QEMU else 4]
