"""Fields, against struct."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tests.support.inlined import in_use

fields = in_use("colo_twisted.packets.fields")
put_u16, put_u32, u16, u32 = fields.put_u16, fields.put_u32, fields.u16, fields.u32


@given(st.binary(max_size=9), st.integers(0, 0xFFFFFFFF), st.binary(max_size=9))
def test_read(before: bytes, value: int, behind: bytes) -> None:
    for buffer in (bytes, bytearray):
        data = buffer(before + struct.pack(">I", value) + behind)
        assert u32(data, len(before)) == value
        assert u16(data, len(before)) == value >> 16
        assert u16(data, len(before) + 2) == value & 0xFFFF


@given(st.binary(min_size=8, max_size=20), st.integers(0, 0xFFFFFFFF), st.integers(0, 4))
def test_written(data: bytes, value: int, at: int) -> None:
    for put, size, number in ((put_u32, 4, value), (put_u16, 2, value & 0xFFFF)):
        buffer = bytearray(data)
        put(buffer, at, number)
        assert bytes(buffer) == data[:at] + number.to_bytes(size, "big") + data[at + size :]


@given(st.binary(max_size=40), st.data())
def test_pieces_and_their_likeness(data: bytes, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(data)))
    end = draw.draw(st.integers(start, len(data)))
    assert fields.piece(data, start, end) == data[start:end]
    other = draw.draw(st.just(data) | st.binary(min_size=len(data), max_size=len(data)))
    there = draw.draw(st.integers(0, len(data) - (end - start)))
    assert fields.same(data, start, other, there, end - start) == (
        data[start:end] == other[there : there + end - start]
    )
