"""Kept output has a bound: what it takes, whose goes first, and at what cost."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.followed import Followed
from colo_twisted.packets.rewriting.kept import CONNECTION_COST, SPAN_COST, Kept
from colo_twisted.packets.rewriting.rewriter import Rewriter
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from tests.packets.rewriting.test_kept import handed_out, kept, others, sends
from tests.support.cable import CLIENT_ISN, PRIMARY_ISN, Cable, client, guest
from tests.support.segments import ACK, SYN, Address, Segment


def small(limit: int) -> Cable:
    cable = Cable(most=10)
    cable.rewriter = Rewriter(10, max_kept=limit)
    cable.following, cable.counters = cable.rewriter.following, cable.rewriter.counters
    return cable


COST = 1000 + 54 + 4 + SPAN_COST + CONNECTION_COST


def test_beyond_the_bound_the_oldest_connections_are_dropped_and_counted() -> None:
    cable = small(3 * COST)
    addresses = others(cable, 3)
    for address in (*addresses, addresses[2]):
        cable.client = address
        place = 1000 if kept(cable).held == 3 * COST else 0
        sends(cable, guest(place, payload=b"x" * 1000))
    assert (cable.counters.dropped_max_kept, kept(cable).held) == (1, 3 * COST - CONNECTION_COST)
    assert len(handed_out(cable)) == 3


def test_the_oldest_is_the_one_whose_client_has_been_silent_for_longest() -> None:
    cable = small(3 * COST)
    addresses = others(cable, 3)
    for address in addresses[:2]:
        cable.client = address
        sends(cable, guest(0, payload=b"x" * 1000))
    cable.client = addresses[0]
    sends(cable, guest(1000, payload=b"x" * 1000))
    cable.to_guest(client(0, 1000))
    cable.client = addresses[2]
    sends(cable, guest(0, payload=b"x" * 1000))
    sends(cable, guest(1000, payload=b"x" * 1000))
    cable.rewriter.fail_over(cable.now)
    ports = [
        int.from_bytes(packet[36:38], "big") for batch in cable.rewriter.kept_output() for packet in batch.packets()
    ]
    assert sorted(ports) == [addresses[0].port, addresses[2].port, addresses[2].port]


def test_one_batch_beyond_the_bound_is_not_kept_at_all() -> None:
    cable = small(1000)
    cable.open()
    sends(cable, guest(0, payload=b"x" * 1000))
    assert (kept(cable).held, cable.counters.dropped_max_kept) == (0, 1)


def test_a_bound_of_0_keeps_nothing() -> None:
    cable = small(0)
    cable.open()
    sends(cable, guest(0, payload=b"x"))
    assert (kept(cable).held, cable.counters.dropped_max_kept) == (0, 0)


def test_another_bound_holds_at_once() -> None:
    cable = Cable().open()
    sends(cable, guest(0, payload=b"x" * 1000))
    sends(cable, guest(1000, payload=b"x" * 1000))
    kept(cable).limit(COST)
    assert (kept(cable).held, cable.counters.dropped_max_kept) == (0, 2)


def test_what_makes_room_for_another_connection_keeps_nothing() -> None:
    cable = Cable(most=1)
    isns = (CLIENT_ISN, PRIMARY_ISN)  # of the guest's too: without an offset it may be forgotten
    cable.to_guest(Segment(isns[0], flags=SYN))
    cable.from_guest(Segment(isns[1], isns[0] + 1, SYN | ACK))
    cable.to_guest(client(0, 0))
    sends(cable, Segment(isns[1] + 1, isns[0] + 1, payload=b"x" * 500))
    assert kept(cable).held
    cable.client = Address(cable.client.mac, cable.client.ip, cable.client.port + 1)
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    assert len(cable.following) == 1
    assert kept(cable).held == 0
    assert handed_out(cable) == []


# what it takes


SIZE = 60  # of a frame, in bytes


def holding(most: int, connections: int, each: int = 1) -> tuple[Kept, RewriterCounters, list[Followed]]:
    """Some connections of which as many small spans are kept."""
    counters = RewriterCounters()
    kept = Kept(counters, most)
    known = [Followed(b"%d" % number, 0.0) for number in range(connections)]
    at_once = min(connections, 100)
    batch = Batch(bytes(SIZE * at_once), list(range(0, SIZE * at_once + 1, SIZE)), False)
    for _ in range(each):
        for place in range(0, connections, at_once):
            for number in range(at_once):
                kept.note(known[place + number], SIZE * number, SIZE * (number + 1), 1 << 31)
            kept.finish(batch)
    return kept, counters, known


@pytest.mark.parametrize(("connections", "each"), [(3000, 1), (6000, 1), (1000, 3), (2, 1500)])
def test_no_more_memory_is_taken_than_is_counted(connections: int, each: int) -> None:
    tracemalloc.start()
    try:
        kept, _, known = holding(1 << 40, connections, each)
        gc.collect()
        with_them = tracemalloc.get_traced_memory()[0]
        counted = kept.held
        kept.clear()
        del kept
        gc.collect()
        taken = with_them - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(known) == connections
    assert counted / 2 < taken <= counted


def test_to_drop_all_costs_less_than_to_keep_it() -> None:
    """As it doesn't if each is found only past all that were dropped before it."""
    before = time.process_time()
    kept, counters, known = holding(1 << 40, 100_000)
    between = time.process_time()
    kept.limit(0)
    assert time.process_time() - between < between - before
    assert (kept.held, counters.dropped_max_kept) == (0, len(known))


def test_whose_turn_it_is_among_those_that_have_acknowledged_ended_and_come_again() -> None:
    kept, counters, known = holding(1 << 40, 6)
    first, second, third, *others = known
    cost = kept.held // 6
    first.progressed = True
    kept.limit(5 * cost)
    assert [one.keeps for one in known] == [True, False, True, True, True, True], "the second goes for the first"
    third.client_ack = 1 << 31
    kept.trim(third)
    for one in (second, third):
        kept.note(one, 0, 60, 1 << 31)
    kept.finish(Batch(bytes(300), [0, 60, 300], False))
    kept.limit(3 * cost)
    assert [one.keeps for one in others] == [False, False, False]
    assert first.keeps
    assert second.keeps
    assert third.keeps
    kept.limit(cost)
    assert [one.keeps for one in known] == [False, False, True, False, False, False]
    assert counters.dropped_max_kept == 6
