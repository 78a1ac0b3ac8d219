"""Which addresses are learnt from a guest's packets, by scapy's, and from the keys of its connections."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrHopByHop,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.addresses import MOST, Addresses, local_addresses
from colo_twisted.packets.announce import Address, address_announcements, announcement, tags_for
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.build import compiled
from colo_twisted.packets.headers import Headers
from tests.support.fakes import batch_of
from tests.support.strategies import Frame, batch_of_frames

OWN, OTHER = "52:54:00:00:00:02", "52:54:00:00:00:01"
LINK_LOCAL, GLOBAL, CLIENT6 = "fe80::2", "fd00::2", "fd00::1"
ANYBODY = "00:00:00:00:00:00"


def ether(source: str = OWN) -> Packet:
    return Ether(src=source, dst=OTHER)


def arp(ip: str = "10.0.0.2", source: str = OWN, **fields: object) -> Packet:
    return ARP(**{"hwsrc": source, "psrc": ip, "hwdst": ANYBODY, "pdst": "10.0.0.1", **fields})


def nd(message: Packet, source: str = LINK_LOCAL, target: str = CLIENT6, hops: int = 255) -> Packet:
    return IPv6(src=source, dst=target, hlim=hops) / message


def address(ip: str, tags: bytes = b"", router: bool = False, hardware: str = OWN, source: str = OWN) -> Address:
    said, sender = (bytes.fromhex(text.replace(":", "")) for text in (hardware, source))
    return Address(ipaddress.ip_address(ip).packed, said, sender, tags, router)


def learnt(*packets: Packet) -> list[Address]:
    addresses = Addresses()
    for packet in packets:
        addresses.from_guest(batch_of(bytes(packet)))
    return addresses.all()


# ARP


@pytest.mark.parametrize("op", ["who-has", "is-at"])
def test_arps_sender_is_learnt_whatever_it_wants(op: str) -> None:
    assert learnt(ether() / arp(op=op)) == [address("10.0.0.2")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ip": "0.0.0.0"},  # a probe
        {"ip": "127.0.0.1"},
        {"ip": "224.0.0.1"},
        {"ip": "255.255.255.255"},
        {"hwtype": 6},
        {"ptype": 0x86DD},
        {"source": "01:00:5e:00:00:01"},
        {"source": ANYBODY},
    ],
    ids=str,
)
def test_arp_that_says_no_address_of_a_host_teaches_nothing(wrong: dict[str, object]) -> None:
    assert learnt(ether() / arp(**wrong)) == []  # type: ignore[arg-type]


def test_a_sender_that_hides_its_address_from_switches_is_announced_in_its_manner() -> None:
    assert learnt(ether(OTHER) / arp()) == [address("10.0.0.2", source=OTHER)]
    assert learnt(ether("01:00:5e:00:00:01") / arp()) == []


# neighbour and router discovery

HAS_SOURCE, HAS_TARGET = ICMPv6NDOptSrcLLAddr(lladdr=OWN), ICMPv6NDOptDstLLAddr(lladdr=OWN)


@pytest.mark.parametrize(
    ("packet", "known"),
    [
        (nd(ICMPv6ND_NS(tgt=CLIENT6) / HAS_SOURCE, GLOBAL), [address(GLOBAL)]),
        (nd(ICMPv6ND_NS(tgt=CLIENT6), GLOBAL), [address(GLOBAL)]),
        (nd(ICMPv6ND_NA(tgt=GLOBAL, R=0, S=1, O=0), GLOBAL), [address(GLOBAL)]),
        (nd(ICMPv6ND_NA(tgt=GLOBAL, R=0, S=1, O=1) / HAS_TARGET), [address(GLOBAL), address(LINK_LOCAL)]),
        (nd(ICMPv6ND_NA(tgt=GLOBAL, R=1, S=1, O=1) / HAS_TARGET, GLOBAL), [address(GLOBAL, router=True)]),
        (nd(ICMPv6ND_RS() / HAS_SOURCE), [address(LINK_LOCAL)]),
        (nd(ICMPv6ND_RA() / ICMPv6NDOptPrefixInfo() / HAS_SOURCE), [address(LINK_LOCAL, router=True)]),
        (nd(ICMPv6ND_NS(tgt=CLIENT6) / ICMPv6NDOptSrcLLAddr(lladdr=OTHER)), [address(LINK_LOCAL, hardware=OTHER)]),
        # an anycast address or another's; duplicate address detection; passed on by a router; a code that is none
        (nd(ICMPv6ND_NA(tgt=GLOBAL, R=0, S=1, O=0) / HAS_TARGET), [address(LINK_LOCAL)]),
        (nd(ICMPv6ND_NS(tgt=GLOBAL), "::"), []),
        (nd(ICMPv6ND_NS(tgt=CLIENT6), GLOBAL, hops=64), []),
        (nd(ICMPv6ND_NS(tgt=CLIENT6, code=1), GLOBAL), []),
        (nd(ICMPv6ND_NA(tgt="ff02::5", O=1), "::1"), []),
        # neither discovery nor a claim
        (nd(ICMPv6EchoRequest(), GLOBAL), []),
        (IPv6(src=LINK_LOCAL, hlim=1) / IPv6ExtHdrHopByHop() / ICMPv6MLReport2(), []),
        (IPv6(src=GLOBAL) / TCP(), []),
        (IPv6(src=GLOBAL) / UDP(), []),
        (IP(src="10.0.0.2") / TCP(), []),
    ],
)
def test_discovery(packet: Packet, known: list[Address]) -> None:
    assert learnt(ether() / packet) == known


def test_an_option_without_length_ends_the_options() -> None:
    wrong = Raw(bytes(8)) / ICMPv6NDOptSrcLLAddr(lladdr=OTHER)
    assert learnt(ether() / nd(ICMPv6ND_NS(tgt=CLIENT6) / wrong)) == [address(LINK_LOCAL)]


def test_a_router_stays_one_until_it_says_otherwise_and_is_one_with_all_its_addresses() -> None:
    """A host takes a router off its list by one advertisement that doesn't call it so (RFC 4861 section 7.2.5)."""
    said = ether() / nd(ICMPv6ND_NA(tgt=LINK_LOCAL, R=1, O=1))
    asked = ether() / nd(ICMPv6ND_NS(tgt=CLIENT6))
    other = ether() / nd(ICMPv6ND_NS(tgt=CLIENT6), GLOBAL)
    denied = ether() / nd(ICMPv6ND_NA(tgt=LINK_LOCAL, R=0, O=1))
    in_vlan = ether() / Dot1Q(vlan=7) / nd(ICMPv6ND_NS(tgt=CLIENT6))
    both = [address(GLOBAL, router=True), address(LINK_LOCAL, router=True)]
    assert learnt(said, asked, other) == both
    assert learnt(said, in_vlan) == [address(LINK_LOCAL, tags_for((7,))), both[1]]
    assert learnt(said, other, denied) == [address(LINK_LOCAL), address(GLOBAL)]


# tags, vnet headers, and packets between others


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        ([Dot1Q(vlan=7, prio=5, dei=1)], "81000007"),
        ([Dot1AD(vlan=3000, prio=1), Dot1Q(vlan=5)], "88a80bb881000005"),
        ([Dot1Q(vlan=0, prio=5)], "81000000"),
    ],
)
@pytest.mark.parametrize("inner", [arp(), nd(ICMPv6ND_NS(tgt=CLIENT6), GLOBAL)], ids=["ARP", "ND"])
def test_an_address_is_known_with_its_tags_but_not_their_priority(
    tags: list[Packet], known: str, inner: Packet
) -> None:
    packet = ether()
    for tag in tags:
        packet /= tag
    ip = "10.0.0.2" if ARP in inner else GLOBAL
    assert learnt(packet / inner, packet / inner) == [address(ip, bytes.fromhex(known))]


def test_the_same_address_in_two_vlans_is_two() -> None:
    packets = [ether() / arp(), ether() / Dot1Q(vlan=7) / arp()]
    assert learnt(*packets) == [address("10.0.0.2", tags_for((7,))), address("10.0.0.2")]


DATA = ether() / IP(src="10.0.0.2") / TCP() / Raw(bytes(1400))
FILLERS = [Frame(bytes(packet)) for packet in (DATA, ether() / IP(src="10.0.0.2") / TCP())]


@given(st.lists(st.sampled_from(FILLERS), max_size=7), st.integers(0, 7), st.sampled_from((None, 0, 10, 12, 20)))
def test_it_is_found_anywhere_in_a_short_batch(fillers: list[Frame], at: int, vnet_length: int | None) -> None:
    frames = [*fillers[:at], Frame(bytes(ether() / arp())), *fillers[at:]]
    if vnet_length is not None:
        frames = [Frame(frame.packet, b"\xa5" * vnet_length) for frame in frames]
    addresses = Addresses()
    addresses.from_guest(batch_of_frames(frames, vnet_length is not None))
    assert addresses.all() == [address("10.0.0.2")]


def test_of_a_long_batch_the_slow_build_looks_at_the_beginning_only() -> None:
    packets = [bytes(ether() / arp("10.0.0.2")), *[FILLERS[1].packet] * 100, bytes(ether() / arp("10.0.0.3"))]
    addresses = Addresses()
    addresses.from_guest(batch_of(*packets))
    found = [address("10.0.0.2")]
    assert addresses.all() == ([address("10.0.0.3"), *found] if compiled() else found)


SEEDS = [
    bytes(ether() / layers)
    for layers in (
        arp(),
        Dot1Q(vlan=7) / arp(),
        nd(ICMPv6ND_NA(tgt=GLOBAL) / HAS_TARGET),
        Dot1AD(vlan=7) / Dot1Q(vlan=5) / nd(ICMPv6ND_NS(tgt=GLOBAL) / HAS_SOURCE),
        nd(ICMPv6ND_RA() / HAS_SOURCE),
    )
]


@given(st.sampled_from(SEEDS), st.integers(0, 130), st.lists(st.tuples(st.integers(12, 120), st.integers(0, 255))))
@example(SEEDS[0], 13, [])
@example(SEEDS[0][:12] + b"\x81\0\0\0" * 40, 300, [])
def test_nonsense_is_harmless(packet: bytes, length: int, changes: list[tuple[int, int]]) -> None:
    data = bytearray(packet)
    for at, value in changes:
        if at < len(data):
            data[at] = value
    batch = batch_of(bytes(data[:length]), SEEDS[0])
    addresses = Addresses()
    addresses.from_guest(batch)
    assert address("10.0.0.2") in addresses.all()
    assert all(len(each.ip) in (4, 16) and len(each.tags) % 4 == 0 for each in addresses.all())
    before = len(addresses)
    addresses.to_guest(batch)
    assert len(addresses) <= before


@given(st.lists(st.binary(max_size=130), max_size=8))
def test_so_is_what_is_no_packet_at_all(packets: list[bytes]) -> None:
    addresses = Addresses()
    addresses.from_guest(batch_of(*packets))
    assert len(addresses.all()) == len(addresses)


# how many, and how long

NUMBERS = st.integers(1, 9)


@given(st.lists(st.tuples(st.sampled_from((4, 6)), NUMBERS)), st.integers(1, 5))
def test_those_not_seen_for_longest_go_first(seen: list[tuple[int, int]], most: int) -> None:
    addresses = Addresses(most)
    models: dict[int, OrderedDict[str, None]] = {4: OrderedDict(), 6: OrderedDict()}
    for version, number in seen:
        ip = f"10.0.0.{number}" if version == 4 else f"fd00::{number}"
        packet = arp(ip) if version == 4 else nd(ICMPv6ND_NS(tgt=CLIENT6), ip)
        addresses.from_guest(batch_of(bytes(ether() / packet)))
        models[version][ip] = None
        models[version].move_to_end(ip)
        if len(models[version]) > most:
            models[version].popitem(last=False)
    assert addresses.all() == [address(ip) for model in models.values() for ip in reversed(model)]


def test_there_are_64_of_each_unless_told_otherwise() -> None:
    every = [ether() / arp(f"10.0.1.{number}") for number in range(80)]
    every += [ether() / nd(ICMPv6ND_NS(tgt=CLIENT6), f"fd00::1:{number}") for number in range(80)]
    assert MOST == 64
    assert len(learnt(*every)) == 128


@pytest.mark.parametrize("inner", [arp, lambda *_: nd(ICMPv6ND_NS(tgt=CLIENT6), GLOBAL)], ids=["ARP", "ND"])
def test_an_address_that_another_speaks_for_is_forgotten(inner: object) -> None:
    """It has moved: announced after a take-over, it would be taken from its new owner."""
    addresses = Addresses()
    mine, others = (bytes(ether(source) / inner("10.0.0.2", source)) for source in (OWN, OTHER))  # type: ignore[operator]
    addresses.to_guest(batch_of(others))
    addresses.from_guest(batch_of(mine))
    addresses.to_guest(batch_of(mine, bytes(ether(OTHER) / Dot1Q(vlan=7) / arp(source=OTHER))))
    assert len(addresses) == 1
    addresses.to_guest(batch_of(others))
    assert addresses.all() == []


def test_a_probe_for_it_takes_nothing() -> None:
    addresses = Addresses()
    addresses.from_guest(batch_of(bytes(ether() / arp())))
    addresses.to_guest(batch_of(bytes(ether(OTHER) / arp("0.0.0.0", OTHER, pdst="10.0.0.2"))))
    assert len(addresses) == 1


def test_all_can_be_forgotten() -> None:
    addresses = Addresses()
    addresses.from_guest(Batch.from_packets(SEEDS))
    addresses.clear()
    assert (addresses.all(), len(addresses)) == ([], 0)


ips = st.one_of(
    st.binary(min_size=4, max_size=4).filter(lambda ip: ip[0] not in (0, 127) and ip[0] < 224),
    st.binary(min_size=16, max_size=16).filter(lambda ip: ip[0] != 0xFF and any(ip[:15])),
)
macs = st.binary(min_size=6, max_size=6).filter(lambda mac: not mac[0] & 1 and any(mac))
tags = st.lists(st.integers(0, 4095), max_size=3).map(tuple).map(tags_for)
known = st.builds(Address, ips, macs, macs, tags, st.just(False))


@given(st.lists(known, max_size=8, unique_by=lambda each: (each.tags, each.ip)))
def test_what_is_announced_is_what_is_learnt_from_it(given_addresses: list[Address]) -> None:
    addresses = Addresses()
    addresses.from_guest(batch_of(*address_announcements(given_addresses)))
    assert set(addresses.all()) == set(given_addresses)


def test_rarp_says_no_ip_address() -> None:
    addresses = Addresses()
    addresses.from_guest(batch_of(announcement(bytes.fromhex("525400000002"))))
    assert addresses.all() == []


# of connections


def key_of(source: str, destination: str, port: int, vlans: tuple[int, ...] = ()) -> bytes:
    packet = ether()
    for vlan in vlans:
        packet /= Dot1Q(vlan=vlan)
    layer = IPv6 if ":" in source else IP
    data = bytes(packet / layer(src=source, dst=destination) / TCP(sport=80, dport=port))
    headers = Headers()
    headers.parse(data, 0, len(data))
    return headers.connection_key(data)


flows = st.tuples(
    st.sampled_from((4, 6)),
    st.integers(2, 5),
    st.integers(100, 103),
    st.integers(40000, 40002),
    st.lists(st.integers(0, 4095), max_size=3).map(tuple),
)


@given(st.lists(flows), st.integers(1, 4))
def test_connections_are_from_their_sources(
    given_flows: list[tuple[int, int, int, int, tuple[int, ...]]], most: int
) -> None:
    keys, expected = [], []
    for version, source, destination, port, vlans in given_flows:
        net = "10.0.0." if version == 4 else "fd00::"
        keys.append(key_of(f"{net}{source}", f"{net}{destination}", port, vlans))
        each = (vlans, ipaddress.ip_address(f"{net}{source}").packed)
        if each not in expected:
            expected.append(each)
    v4, v6 = ([each for each in expected if len(each[1]) == size][:most] for size in (4, 16))
    assert local_addresses(iter(keys), most) == v4 + v6


@pytest.mark.parametrize("vlans", [(), (7,)])
@pytest.mark.parametrize(
    ("near", "far", "own"), [("10.0.1.5", "10.0.2.7", "10.0.1.1"), ("fd01::5", "fd02::7", "fd01::1")]
)
def test_a_guest_that_forwards_has_not_its_neighbours_addresses(
    near: str, far: str, own: str, vlans: tuple[int, ...]
) -> None:
    """Both directions of what it forwards are its own packets; announced, its neighbours would lose theirs."""
    keys = [key_of(near, far, 80), key_of(far, near, 40000, vlans), key_of(own, near, 22, vlans)]
    assert local_addresses(keys) == [(vlans, ipaddress.ip_address(own).packed)]
