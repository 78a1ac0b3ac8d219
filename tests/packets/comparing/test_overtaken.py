"""Nothing that leaves is older by its timestamp than what it was overtaken by: a client's PAWS check would drop it."""

from __future__ import annotations

import pytest

from tests.packets.comparing.test_commit import HERS, MINE, PURE, made, other
from tests.support.comparison import SYN_ACK, Bench, opened
from tests.support.segments import Segment

FORMS = [None, b"", b"\1" + bytes(9)]  # the vnet header: none, empty, a partial checksum


def stamped(place: int, payload: bytes, tsval: int) -> Segment:
    return Segment(MINE + place, HERS, window=500, payload=payload, timestamps=(tsval, 20))


@pytest.mark.parametrize("vnet", FORMS)
def test_what_a_retransmission_overtakes_gets_its_timestamp(vnet: bytes | None) -> None:
    """The client lacks the first; once it has it with a newer timestamp it would drop the second and the third."""
    bench = Bench(vnet=vnet)
    bench.both(SYN_ACK)
    lost, second, third = stamped(0, b"lost", 110), stamped(4, b"second", 111), stamped(10, b"third", 112)
    bench.secondary(other(lost))
    assert bench.primary(lost, second, third) == [lost]
    again = lost.but(timestamps=(150, 20))
    assert bench.primary(again) == [again]
    out = bench.secondary(other(second), other(third))
    assert out == [second.but(timestamps=(150, 20)), third.but(timestamps=(150, 20))]
    later = stamped(15, b"later", 151)
    assert bench.both(later) == [later]


def test_what_an_ack_of_ours_overtakes_gets_its_timestamp() -> None:
    """The pure ACK is no harm, its SEQ is beyond; but what is made after it has the client's RCV.NXT."""
    bench = opened()
    held, owed = stamped(0, b"held", 110), PURE.but(seq=MINE + 4, timestamps=(150, 20))
    bench.primary(held)
    assert bench.primary(owed.but(ack=HERS)) == [owed.but(ack=HERS)]
    assert bench.primary(owed) == []
    assert bench.secondary(other(PURE)) == [made(HERS + 1000, 500, timestamps=(150, 20))]
    assert bench.secondary(other(held)) == [held.but(timestamps=(150, 20))]
