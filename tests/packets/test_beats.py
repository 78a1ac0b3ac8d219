"""Beats among frames: they come out whole, nothing else does, and a stranger's is a frame like any other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.batch import Batch, framed
from colo_twisted.packets.beats import beat_packet, without_beats

SECRET = bytes(range(16))
u64 = st.integers(0, 2**64 - 1)
numbers = st.tuples(u64, u64, u64, st.booleans())
frames = st.binary(min_size=14, max_size=80)


def batch_of(packets: list[bytes], vnet_hdr: bool) -> Batch:
    wire = [framed(packet, vnet_hdr) for packet in packets]
    places = [0]
    for each in wire:
        places.append(places[-1] + len(each))
    return Batch(b"".join(wire), places, vnet_hdr)


@given(st.lists(numbers | frames), st.booleans())
def test_they_are_taken_out_and_all_else_stays(items: list[bytes | tuple[int, int, int, bool]], vnet_hdr: bool) -> None:
    packets = [item if isinstance(item, bytes) else beat_packet(SECRET, *item) for item in items]
    rest, beats = without_beats(batch_of(packets, vnet_hdr), SECRET)
    assert beats == [item for item in items if not isinstance(item, bytes)]
    others = [item for item in items if isinstance(item, bytes)]
    assert (list(rest.packets()) if rest is not None else []) == others
    if rest is not None:
        assert rest.vnet_hdr is vnet_hdr
        assert rest.data == batch_of(others, vnet_hdr).data


def test_a_strangers_is_a_frame_like_any_other() -> None:
    batch = batch_of([beat_packet(bytes(16), 1, 2, 3, True)], False)
    assert without_beats(batch, SECRET) == (batch, [])


def test_the_secret_elsewhere_in_a_frame_is_nothing() -> None:
    packets = [b"x" * 14 + SECRET, (beat_packet(SECRET, 1, 2, 3, False))[:50]]
    rest, beats = without_beats(batch_of(packets, True), SECRET)
    assert beats == []
    assert rest is not None
    assert list(rest.packets()) == packets
