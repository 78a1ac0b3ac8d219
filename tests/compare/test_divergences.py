"""Divergences are kept with a number, logged, and told."""

from __future__ import annotations

import pytest

from colo_twisted.compare.divergences import MOST_KEPT, Divergences, describe, words
from colo_twisted.events import Divergence as DivergenceEvent
from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.comparing.verdicts import NAMES
from colo_twisted.reporting import Reporter
from tests.support.compare_bench import Bench, followed, segment
from tests.support.fakes import FakeMachine

KEY = bytes([10, 0, 0, 2, 10, 0, 0, 1, 0, 80, 0x9C, 0x40])


def divergence(kind: str = "payload", seq: int = 101, offset: int = 3) -> Divergence:
    return Divergence(kind, KEY, seq, offset, b"one", b"two", 12.5)


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def divergences(machine: FakeMachine) -> Divergences:
    return Divergences("comp0", machine.events, Reporter("colo-compare comp0"))


def test_each_is_told_once(machine: FakeMachine, divergences: Divergences) -> None:
    divergences.tell(divergence())
    assert machine.told == [
        DivergenceEvent(
            "comp0",
            "payload",
            "TCP 10.0.0.2:80 to 10.0.0.1:40000",
            101,
            "the payloads differ from byte 3 on",
        )
    ]


def test_they_are_numbered_and_the_newest_kept(divergences: Divergences) -> None:
    for _ in range(MOST_KEPT + 5):
        divergences.tell(divergence())
    numbers = [kept.number for kept in divergences.kept]
    assert numbers == list(range(6, MOST_KEPT + 6))
    assert divergences.kept[-1]._replace(number=0) == divergence()


@pytest.mark.parametrize("kind", NAMES[2:])
def test_each_kind_has_words(kind: str) -> None:
    assert words(divergence(kind)) in describe(divergence(kind))


def test_it_is_described_by_who_where_and_what() -> None:
    assert describe(divergence("ack", 0)) == (
        "TCP 10.0.0.2:80 to 10.0.0.1:40000: the secondary has not acknowledged as much within compare_timeout"
    )
    assert describe(divergence()).startswith("TCP 10.0.0.2:80 to 10.0.0.1:40000 at sequence number 101: ")


def test_a_comparer_tells_of_its_own_with_their_time() -> None:
    bench: Bench = followed(",on_divergence=release")
    bench.wait(2)
    bench.open_connection()
    bench.told.clear()
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    (told,) = bench.told
    assert isinstance(told, DivergenceEvent)
    assert (told.id, told.kind, told.sequence) == ("comp0", "payload", 101)
    (kept,) = bench.compare.divergences.kept
    assert (kept.number, kept.when) == (1, pytest.approx(2))
