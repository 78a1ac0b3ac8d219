"""The secondary's bytes: in order, each one once, whatever came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.comparing.byte_queue import ByteQueue
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.tally import Tally
from tests.support.segments import MODULUS

STREAM = bytes(range(200))
runs = st.tuples(st.integers(0, 190), st.integers(1, 60))
origins = st.sampled_from((0, 5000, MODULUS - 100, MODULUS // 2 - 100))


def held_of(origin: int, start: int, size: int) -> Held:
    data = b"header" + STREAM[start : start + size]
    held = Held(data, 0, len(data), 0.0)
    held.payload = 6
    held.length = len(data) - 6
    held.seq = (origin + start) % MODULUS
    held.cost = len(data)
    return held


def contents(queue: ByteQueue) -> list[Held]:
    found = []
    held = queue.secondary_head
    while held is not None:
        found.append(held)
        held = held.following
    return found


@given(origins, st.lists(runs, max_size=12), st.integers(0, 250))
def test_segments_stand_in_order_without_overlaps(origin: int, inserted: list[tuple[int, int]], left: int) -> None:
    queue = ByteQueue(b"key", 0.0)
    queue.placed = True
    queue.matched = origin
    queue.tally = Tally()
    there: set[int] = set()
    for start, size in inserted:
        queue.insert(held_of(origin, start, size))
        there |= set(range(start, min(start + size, len(STREAM))))
        found = contents(queue)
        bytes_there: list[int] = []
        for held in found:
            place = (held.seq - origin) % MODULUS
            assert held.data[held.payload : held.payload + held.length] == STREAM[place : place + held.length]
            assert held.length > 0
            assert held.queued
            bytes_there += range(place, place + held.length)
        assert bytes_there == sorted(there)
        assert queue.secondary_tail is (found[-1] if found else None)
        assert (queue.secondary_count, queue.held_bytes) == (len(found), sum(held.cost for held in found))
        assert (queue.tally.held_packets, queue.tally.held_bytes) == (queue.secondary_count, queue.held_bytes)
    before = contents(queue)
    queue.matched = (origin + left) % MODULUS
    queue.trim()
    staying = [held for held in before if (held.seq - origin) % MODULUS + held.length > left]
    assert contents(queue) == staying
    assert queue.secondary_count == len(staying)


def test_what_has_left_is_not_kept() -> None:
    queue = ByteQueue(b"key", 0.0)
    queue.placed = True
    queue.matched = 50
    queue.insert(held_of(0, 10, 40))
    assert queue.secondary_head is None
    queue.insert(held_of(0, 10, 41))
    assert queue.secondary_count == 1
