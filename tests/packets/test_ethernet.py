"""The types of packets that are recognized."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from colo_twisted.packets.ethernet import HEADER_SIZE, KNOWN_TYPES, TYPE_AT, has_known_type
from tests.support.strategies import ethernet


@pytest.mark.parametrize("payload", [IP(), IPv6(), ARP(pdst="10.0.0.1"), Dot1Q() / IP()], ids=lambda layer: layer.name)
def test_what_scapy_builds_is_known(payload: object) -> None:
    assert has_known_type(bytes(Ether(src="52:54:00:00:00:01", dst="52:54:00:00:00:02") / payload))


@pytest.mark.parametrize("known", sorted(KNOWN_TYPES))
def test_each_known_type_is_seen_in_a_header_alone(known: bytes) -> None:
    packet = ethernet(int.from_bytes(known, "big"))
    assert len(packet) == HEADER_SIZE
    assert packet[TYPE_AT:] == known
    assert has_known_type(packet)


@pytest.mark.parametrize("size", range(HEADER_SIZE))
def test_a_packet_that_is_too_short_has_none(size: int) -> None:
    assert not has_known_type(ethernet(0x0800)[:size])


@pytest.mark.parametrize("other", [0x0000, 0x0026, 0x05DC, 0x0008, 0x9000, 0xFFFF])
def test_lengths_and_other_types_are_not_known(other: int) -> None:
    assert not has_known_type(ethernet(other, bytes(46)))
