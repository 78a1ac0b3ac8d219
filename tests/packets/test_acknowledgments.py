"""Acks that are lowered and made: only these fields change, and checksums stay right."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from colo_twisted.packets.acknowledgments import lowered, pure_ack, restamped
from tests.support.comparison import network_at
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6
from tests.support.segments import MODULUS, Address, Segment, internet_checksum

numbers = st.integers(0, MODULUS - 1)
fields = st.integers(0, 65535)
ends = st.sampled_from([(GUEST, CLIENT), (GUEST6, CLIENT6)])
tags = st.sampled_from(((), (5,), (7, 5)))
segments = st.builds(
    Segment,
    seq=numbers,
    ack=numbers,
    window=fields,
    payload=st.binary(max_size=30),
    timestamps=st.none() | st.tuples(numbers, numbers),
)


def places(packet: bytes) -> tuple[int, int, int]:
    """Where IP's header, TCP's and the payload begin."""
    network = network_at(packet)
    transport = network + (40 if packet[network] >> 4 == 6 else 20)
    return network, transport, transport + (packet[transport + 12] >> 4) * 4


@given(segments, ends, tags, st.lists(st.tuples(st.integers(-3000, 3000), st.integers(1, 900)), max_size=2), fields)
def test_only_ack_window_and_older_blocks_change(
    segment: Segment, ends: tuple[Address, Address], tags: tuple[int, ...], blocks: list[tuple[int, int]], window: int
) -> None:
    sack = tuple(((segment.ack + left) % MODULUS, (segment.ack + left + size) % MODULUS) for left, size in blocks)
    segment = segment.but(sack=sack)
    packet = segment.packet(*ends, tags)
    _, transport, payload = places(packet)
    ack = (segment.ack - 7) % MODULUS
    staying = tuple(block for block, (left, _) in zip(sack, blocks) if left >= 0)
    changed = lowered(packet, transport, payload, ack, window, False)
    assert Segment.of(changed) == segment.but(ack=ack, window=window, sack=staying)
    assert len(changed) == len(packet)
    assert changed[:transport] == packet[:transport]
    assert Segment.of(lowered(packet, transport, payload, segment.ack, window, False)) == segment.but(window=window)


def test_a_partial_checksum_is_left_alone() -> None:
    packet = Segment(1, 2, payload=b"x", sack=((1, 9),)).packet(GUEST, CLIENT)
    _, transport, payload = places(packet)
    changed = lowered(packet, transport, payload, 1, 5, True)
    assert changed[transport + 16 : transport + 18] == packet[transport + 16 : transport + 18]
    assert b"\x05\x0a" not in changed[transport:payload]


@given(segments, ends, tags, numbers, numbers, fields)
def test_one_of_our_own_says_nothing_else(
    model: Segment, ends: tuple[Address, Address], tags: tuple[int, ...], seq: int, ack: int, window: int
) -> None:
    packet = model.packet(*ends, tags)
    network, transport, payload = places(packet)
    made = pure_ack(packet[:payload], network, transport, seq, ack, window, model.timestamps)
    assert Segment.of(made) == Segment(seq, ack, window=window, timestamps=model.timestamps)
    assert made[:network] == packet[:network]
    assert places(made)[2] == len(made)


@pytest.mark.parametrize("network", [IP(tos=0xBB, ttl=77, id=9, flags=0), IPv6(tc=0xBB, hlim=77, fl=5)])
def test_ttl_and_class_are_the_models_but_not_ecn_and_options(network: IP | IPv6) -> None:
    """A pure ACK is not ECN-capable (RFC 3168 section 6.1.4)."""
    version = network.version
    if version == 4:
        network.options = [IPOption_NOP()] * 4
    packet = bytes(Ether() / network / TCP(sport=1, dport=2) / b"payload")
    transport = bytes(packet).index(b"\0\1\0\2")
    made: Any = Ether(pure_ack(packet[: transport + 20], 14, transport, 3, 4, 5, None))
    rebuilt = made.copy()
    del rebuilt[TCP].chksum
    if version == 4:
        del rebuilt[IP].chksum
        assert (made[IP].tos, made[IP].ttl, made[IP].ihl, made[IP].flags) == (0xB8, 77, 5, "DF")
    else:
        assert (made[IPv6].tc, made[IPv6].hlim, made[IPv6].fl, made[IPv6].plen) == (0xB8, 77, 5, 20)
    assert bytes(rebuilt) == bytes(made)


@given(st.integers(1, 3), numbers, st.binary(min_size=40, max_size=40))
def test_another_timestamp_at_any_place(nops: int, tsval: int, header: bytes) -> None:
    """One behind a lone NOP stands at an odd place in what the checksum covers."""
    at = 20 + nops + 2
    frame = bytearray(b"before" + b"\1" + header[1:16] + bytes(2) + header[18:])
    frame[22:24] = internet_checksum(bytes(frame[6:])).to_bytes(2, "big")
    changed = restamped(bytes(frame), 6, 6 + at, tsval, False)
    assert changed[6 + at : 10 + at] == tsval.to_bytes(4, "big")
    assert internet_checksum(changed[6:]) == 0
    left_alone = restamped(bytes(frame), 6, 6 + at, tsval, True)
    assert left_alone == bytes(frame[: 6 + at]) + tsval.to_bytes(4, "big") + bytes(frame[10 + at :])
