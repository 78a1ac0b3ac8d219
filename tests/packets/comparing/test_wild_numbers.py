"""Sequence numbers that no connection could have: half the space away from where it stands."""

from __future__ import annotations

import pytest

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.limits import Limits
from tests.support.segments import ACK, SYN, Address, Segment

GUEST = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
CLIENT = Address.of("52:54:00:00:00:01", "10.0.0.1", 40000)
FAR = 1 << 31


def batch(seq: int, payload: bytes = b"", flags: int = ACK) -> Batch:
    return Batch.from_packets([Segment(seq % (1 << 32), 500, flags, payload=payload).packet(GUEST, CLIENT)])


@pytest.mark.parametrize("distance", [FAR - 1, FAR, FAR + 1])
@pytest.mark.parametrize("commits", [True, False])
def test_a_segment_from_the_other_end_of_the_space_does_no_harm(distance: int, commits: bool) -> None:
    """Compiled, a negative count of bytes would be read before the packet's beginning."""
    comparer = Comparer(Limits(), commits)
    for receive in (comparer.receive_primary, comparer.receive_secondary):
        receive(batch(100, flags=SYN | ACK), 0.0)
    comparer.receive_primary(batch(101 + distance, b"x"), 0.0)
    comparer.receive_secondary(batch(101, b"answer"), 0.0)
    comparer.receive_secondary(batch(101 + distance, b"y"), 0.0)
    comparer.receive_primary(batch(101, b"answer"), 0.0)
    comparer.expire(10.0)


def test_a_connection_met_by_a_keep_alive_needs_no_memory_for_what_follows() -> None:
    comparer = Comparer(Limits(), names=True)
    comparer.receive_primary(batch(99), 0.0)
    for flow in comparer.flows.unnamed:
        comparer.flows.let_go(flow, 0.0)
    for number in range(1000):
        comparer.receive_primary(batch(100 + 10 * number, b"0123456789"), 0.0)
    (flow,) = comparer.flows.all()
    assert flow.ahead is None  # type: ignore[attr-defined]


def test_a_connection_met_by_a_keep_alive_and_followed_is_compared_and_forgotten_as_it_goes() -> None:
    comparer = Comparer(Limits(), names=False)
    for receive in (comparer.receive_primary, comparer.receive_secondary):
        receive(batch(99), 0.0)
    for number in range(1000):
        for receive in (comparer.receive_primary, comparer.receive_secondary):
            receive(batch(100 + 10 * number, b"0123456789"), 0.0)
    (flow,) = comparer.flows.all()
    assert (flow.secondary_count, flow.primary_count) == (0, 0)
    assert not comparer.divergences


def test_runs_that_left_before_a_gap_are_one() -> None:
    comparer = Comparer(Limits())
    for receive in (comparer.receive_primary, comparer.receive_secondary):
        receive(batch(100, flags=SYN | ACK), 0.0)
    for number in range(1, 100):
        for receive in (comparer.receive_secondary, comparer.receive_primary):
            receive(batch(101 + 10 * number, b"0123456789"), 0.0)
    (flow,) = comparer.flows.all()
    assert len(flow.ahead) == 1  # type: ignore[attr-defined]
