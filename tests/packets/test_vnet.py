"""The virtio-net header: put on, taken off, fitted to a TAP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.vnet import (
    HEADER_SIZES,
    TAP_HEADER_SIZE,
    fit_header,
)
from tests.support.strategies import VNET_LENGTHS, Frame, packets


@given(packets(), st.sampled_from(VNET_LENGTHS).flatmap(lambda size: st.binary(min_size=size, max_size=size)))
def test_a_tap_gets_a_header_of_its_size_and_the_packet(packet: bytes, given_header: bytes) -> None:
    fitted = fit_header(Frame(packet, given_header).on_wire(vnet_hdr=True))
    assert fitted[TAP_HEADER_SIZE:] == packet
    assert len(fitted) == TAP_HEADER_SIZE + len(packet)
    assert fitted[:TAP_HEADER_SIZE] == (given_header + bytes(TAP_HEADER_SIZE))[:TAP_HEADER_SIZE]


def test_header_sizes_are_those_of_the_wire() -> None:
    assert sorted(HEADER_SIZES) == list(VNET_LENGTHS)
