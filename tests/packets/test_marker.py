"""The marker packet holds a nonce, and nothing else is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.l2 import Ether

from colo_twisted.packets.ethernet import has_known_type
from colo_twisted.packets.marker import NONCE_SIZE, find_marker, marker_packet
from tests.support.strategies import packets

nonces = st.binary(min_size=NONCE_SIZE, max_size=NONCE_SIZE)


@given(nonces, st.binary(max_size=20))
def test_the_nonce_is_found_whatever_padding_follows(nonce: bytes, padding: bytes) -> None:
    assert find_marker(marker_packet(nonce) + padding) == nonce


@given(nonces)
def test_it_is_an_ethernet_packet_of_the_smallest_size_that_no_bridge_forwards(nonce: bytes) -> None:
    marker = Ether(marker_packet(nonce))
    assert (marker.type, marker.dst) == (0x88B5, "01:80:c2:00:00:0e")
    assert len(marker_packet(nonce)) == 60
    assert has_known_type(marker_packet(nonce))


@given(packets())
def test_other_packets_are_none(packet: bytes) -> None:
    assert find_marker(packet) is None


@given(nonces, st.data())
def test_a_marker_cut_short_or_changed_before_its_nonce_is_none(nonce: bytes, data: st.DataObject) -> None:
    marker = marker_packet(nonce)
    before = marker.index(nonce)
    end = before + NONCE_SIZE
    assert find_marker(marker[: data.draw(st.integers(0, end - 1))]) is None
    at = data.draw(st.integers(0, 13))
    assert find_marker(marker[:at] + bytes([marker[at] ^ 1]) + marker[at + 1 :]) is None
