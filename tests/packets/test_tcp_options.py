"""TCP's options: against how they were put together, and scapy."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scapy.layers.inet import TCP

from colo_twisted.packets.tcp_options import (
    NO_SCALE,
    find_option,
    sack_at,
    scale_of,
    syn_options,
    timestamps_at,
)
from tests.support.internet import tcp

END, NOP, MSS, SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8
BEFORE = b"before"  # other data, which must not be looked at


def option(kind: int, body: bytes = b"") -> bytes:
    return bytes((kind, 2 + len(body))) + body


_bodies = st.sampled_from((0, 1, 2, 4, 8, 16)).flatmap(lambda size: st.binary(min_size=size, max_size=size))
_usual = st.one_of(
    st.integers(0, 65535).map(lambda mss: option(MSS, struct.pack(">H", mss))),
    st.integers(0, 255).map(lambda scale: option(SCALE, bytes((scale,)))),
    st.just(option(SACK_PERMITTED)),
    st.binary(min_size=8, max_size=8).map(lambda body: option(TIMESTAMPS, body)),
    st.integers(1, 3).flatmap(lambda n: st.binary(min_size=8 * n, max_size=8 * n)).map(lambda b: option(SACK, b)),
)
_odd = st.builds(option, st.sampled_from((MSS, SCALE, SACK_PERMITTED, SACK, TIMESTAMPS, 30, 254)), _bodies)
_nops = st.just(bytes((NOP,)))


def padded(parts: list[bytes]) -> bytes:
    """As many as fit, filled up to a multiple of 4 bytes."""
    text = b""
    for part in parts:
        if len(text + part) <= 40:
            text += part
    return text + bytes(-len(text) % 4)


any_options = st.lists(_usual | _odd | _nops, max_size=8).map(padded) | st.integers(0, 10).flatmap(
    lambda n: st.binary(min_size=4 * n, max_size=4 * n)
)


def by_the_book(options: bytes) -> list[tuple[int, int, bytes]]:
    """Place, kind and body of each option that lies wholly in the header (RFC 9293 section 3.1)."""
    found = []
    at = 0
    while at < len(options) and options[at] != END:
        if options[at] == NOP:
            at += 1
            continue
        size = options[at + 1] if at + 1 < len(options) else 0
        if size < 2 or at + size > len(options):
            break
        found.append((at, options[at], options[at + 2 : at + size]))
        at += size
    return found


def first(options: bytes, kind: int, *sizes: int) -> tuple[int, bytes]:
    """Place in BEFORE's data and body of the first option of a kind, if it has one of the sizes; else zeroes."""
    for at, known, body in by_the_book(options):
        if known == kind:
            return (len(BEFORE) + 20 + at, body) if not sizes or len(body) in sizes else (0, b"")
    return 0, b""


def seen(options: bytes, what: Any, *more: int) -> Any:
    """What a function sees in a segment with these options, payload and other data about it, or nothing behind it."""
    data = BEFORE + tcp(options=options)
    behind = bytes((MSS, 4, 1, 1, TIMESTAMPS, 10)) * 4
    found = what(data, len(BEFORE), len(data), *more)
    assert what(data + behind, len(BEFORE), len(data), *more) == found
    return found


@given(any_options)
@example(bytes((NOP, NOP, TIMESTAMPS, 10)) + bytes(8))
@example(bytes((NOP, NOP, TIMESTAMPS, 10)) + bytes(4))
@example(bytes((NOP, NOP, TIMESTAMPS, 10)) + bytes(8) + option(SACK, bytes(8)) + bytes(2))
@example(bytes((NOP, NOP, NOP, MSS)))
@example(bytes((NOP, NOP, MSS, 0)))
def test_each_option_is_found_where_it_is(options: bytes) -> None:
    for kind in (MSS, SCALE, SACK_PERMITTED, SACK, TIMESTAMPS, 30, 254):
        assert seen(options, find_option, kind) == first(options, kind)[0]
    timestamps, _ = first(options, TIMESTAMPS, 8)
    assert seen(options, timestamps_at) == (timestamps and timestamps + 2)
    assert seen(options, sack_at) == first(options, SACK, 0, 8, 16, 24, 32)[0]


@given(any_options)
def test_a_syns_offer(options: bytes) -> None:
    offer = seen(options, syn_options)
    _, mss = first(options, MSS, 2)
    at, scale = first(options, SCALE, 1)
    assert offer >> 16 == int.from_bytes(mss, "big")
    assert offer & 0xFF == (min(scale[0], 14) if at else NO_SCALE)
    assert offer >> 8 & 0xFF == 2 * bool(first(options, TIMESTAMPS, 8)[0]) + bool(first(options, SACK_PERMITTED)[0])
    assert scale_of(offer) == (min(scale[0], 14) if at else 0)


@given(st.permutations([("MSS", 1460), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (11, 0)), ("NOP", None)]))
def test_the_order_of_what_scapy_writes_does_not_matter(options: list[tuple[str, Any]]) -> None:
    segment = bytes(TCP(flags="S", options=options))
    offer = syn_options(segment, 0, len(segment))
    assert offer == 1460 << 16 | 3 << 8 | 7
    at = timestamps_at(segment, 0, len(segment))
    assert segment[at : at + 8] == struct.pack(">II", 11, 0)


@pytest.mark.parametrize("left_out", ["MSS", "WScale", "SAckOK", "Timestamp"])
def test_offers_that_differ_are_different_numbers(left_out: str) -> None:
    options: list[Any] = [("MSS", 1460), ("WScale", 7), ("SAckOK", b""), ("Timestamp", (11, 0))]
    segments = [bytes(TCP(options=options)), bytes(TCP(options=[each for each in options if each[0] != left_out]))]
    offers = {syn_options(segment, 0, len(segment)) for segment in segments}
    assert len(offers) == 2


@given(st.lists(st.tuples(*[st.integers(0, 0xFFFFFFFF)] * 2), min_size=1, max_size=3), st.booleans())
def test_sack_blocks_that_scapy_writes(blocks: list[tuple[int, int]], timestamps: bool) -> None:
    edges = [edge for block in blocks for edge in block]
    options: list[Any] = [("NOP", None), ("NOP", None), ("Timestamp", (5, 6))] * timestamps
    segment = bytes(TCP(options=[*options, ("NOP", None), ("NOP", None), ("SAck", tuple(edges))]))
    at = sack_at(segment, 0, len(segment))
    assert segment[at : at + 2] == bytes((SACK, 2 + 8 * len(blocks)))
    assert struct.unpack_from(f">{len(edges)}I", segment, at + 2) == tuple(edges)
    assert bool(timestamps_at(segment, 0, len(segment))) == timestamps
