"""Copies and sums, in C or plain, against slices and RFC 1071 word by word."""

from __future__ import annotations

import struct

from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.inlined import in_use

octets = in_use("colo_twisted.packets.octets")


def by_the_book(data: bytes) -> int:
    """RFC 1071, one word at a time, carrying at once."""
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] * 256 + (data[at + 1] if at + 1 < len(data) else 0)
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


@given(st.binary(max_size=300), st.data())
@example(b"\xff" * 200_000, None)
@example(b"\xff" * 200_001, None)
@example(b"\0" * 9, None)
@example(b"\0\0\xff\xff", None)
def test_the_sum_is_rfc_1071s(data: bytes, draw: st.DataObject | None) -> None:
    start = draw.draw(st.integers(0, len(data))) if draw else 0
    end = draw.draw(st.integers(start, len(data))) if draw else len(data)
    for buffer in (data, bytearray(data)):
        assert octets.sum16(buffer, start, end) == by_the_book(data[start:end])


@given(st.binary(max_size=9), st.integers(0, 0xFFFF), st.binary(max_size=9))
def test_numbers_in_the_hosts_order(before: bytes, value: int, behind: bytes) -> None:
    assert octets.native_u16(before + struct.pack("=H", value) + behind, len(before)) == value


@given(st.binary(max_size=40), st.data())
def test_a_beginning_is_a_copy(data: bytes, draw: st.DataObject) -> None:
    buffer = bytearray(data)
    end = draw.draw(st.integers(0, len(data)))
    taken = octets.beginning(buffer, end)
    assert type(taken) is bytes
    buffer.extend(b"more")  # nothing holds on to it
    assert taken == data[:end]


@given(st.binary(max_size=40), st.binary(min_size=40, max_size=60), st.data())
def test_a_copy_changes_nothing_round_it(data: bytes, there: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    at = draw.draw(st.integers(0, len(there) - (end - start)))
    for source in (data, bytearray(data)):
        buffer = bytearray(there)
        octets.copy(buffer, at, source, start, end)
        assert buffer == there[:at] + data[start:end] + there[at + end - start :]
