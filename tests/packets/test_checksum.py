"""The Internet checksum, against RFC 1071's words and scapy's numbers."""

from __future__ import annotations

import struct

from hypothesis import assume, example, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw
from scapy.utils import checksum as scapy_checksum

from colo_twisted.packets.checksum import ones_complement_sum, put_long, put_word, updated

IP4, IP6 = IP(src="10.22.1.2", dst="10.22.1.3"), IPv6(src="fd00::2", dst="fd00::3")
CHECKSUM_AT = {TCP: 16, UDP: 6}


def by_the_book(data: bytes) -> int:
    """RFC 1071, one word at a time, carrying at once."""
    total = 0
    for at in range(0, len(data), 2):
        total += data[at] * 256 + (data[at + 1] if at + 1 < len(data) else 0)
        if total > 0xFFFF:
            total -= 0xFFFF
    return total


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xff" * 2)
@example(b"\xff" * 3)
@example(b"\xff" * 200_000)
def test_the_sum_is_rfc_1071s(data: bytes) -> None:
    assert ones_complement_sum(data) == by_the_book(data)


@given(st.binary(min_size=1, max_size=300))
def test_the_complement_of_the_sum_is_scapys_checksum(data: bytes) -> None:
    assert ~ones_complement_sum(data) & 0xFFFF == scapy_checksum(data)


# changes to what a checksum covers

EVERY = st.integers(0, 0xFFFF)


def with_checksum(data: bytes, at: int) -> bytes:
    """The data with a right checksum of all of it at an even place."""
    checksum = ~by_the_book(data[:at] + b"\0\0" + data[at + 2 :]) & 0xFFFF
    return data[:at] + struct.pack(">H", checksum) + data[at + 2 :]


@given(st.integers(1, 0xFFFF), EVERY, EVERY)  # never all zero: a pseudo-header has a protocol
@example(1, 0xFFFF, 0)
@example(0xFFFF, 0, 0xFFFF)
@example(0xFFFF, 0xFFFF, 0)
def test_an_update_is_the_sum_made_anew(rest: int, old: int, new: int) -> None:
    checksum = ~by_the_book(struct.pack(">HH", rest, old)) & 0xFFFF
    verified = by_the_book(struct.pack(">HHH", rest, new, updated(checksum, old, new)))
    assert verified == 0xFFFF  # what a receiver sums up


def test_rfc_1624s_example() -> None:
    assert updated(0xDD2F, 0x5555, 0x3285) == 0x0000


@given(st.binary(min_size=12, max_size=60), st.integers(0, 0xFFFFFFFF), st.integers(2, 200), st.booleans())
@example(b"\0" * 11 + b"\1", 0, 2, False)
@example(b"\0" * 11 + b"\1", 0xFFFFFFFF, 3, True)
@example(b"\xff" * 13, 0, 3, True)
def test_a_field_is_changed_and_the_checksum_stays_right(data: bytes, value: int, place: int, long: bool) -> None:
    size = 4 if long else 2
    at = 2 + place % (len(data) - size - 1)
    at -= 0 if long else at % 2
    assume(any(data[2:]))
    before = with_checksum(data, 0)
    after = bytearray(before)
    if long:
        put_long(after, at, value, 0, at % 2 == 1)
    else:
        put_word(after, at, value & 0xFFFF, 0)
    new = (value & (0xFFFFFFFF if long else 0xFFFF)).to_bytes(size, "big")
    assert after[2:] == before[2:at] + new + before[at + size :]
    assume(any(after[2:]))  # a pseudo-header has a protocol
    assert by_the_book(bytes(after)) == 0xFFFF  # what a receiver sums up


@given(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF))
def test_scapy_agrees_on_a_changed_segment(old: int, new: int) -> None:
    segments = [bytes(IP4 / TCP(seq=seq, ack=7) / Raw(b"data"))[20:] for seq in (old, new)]
    changed = bytearray(segments[0])
    put_long(changed, 4, new, 16)
    assert changed == segments[1]
