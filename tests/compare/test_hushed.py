"""While the primary's guest must not be heard nothing of it leaves, and what is kept leaves in order, or never."""

from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.compare import passage
from tests.support.compare_bench import PEER, Bench, followed, segment

ARP = bytes.fromhex("ffffffffffff 525400000002 0806") + bytes(46)


@pytest.fixture
def bench() -> Bench:
    return followed("", PEER)


def peer(bench: Bench) -> Any:
    return bench.house.object("peer0")


def hush(bench: Bench, state: str = "lost") -> None:
    peer(bench).may_speak = False
    peer(bench).hushed = (state, "the secondary is silent")
    tell(bench)


def unhush(bench: Bench) -> None:
    peer(bench).may_speak = True
    peer(bench).hushed = None
    tell(bench)


def tell(bench: Bench) -> None:
    for watcher in peer(bench).gate_watchers:
        watcher()


def test_nothing_leaves_and_afterwards_all_of_it_in_order(bench: Bench) -> None:
    bench.open_connection()
    before = len(bench.o.packets)
    hush(bench)
    assert (bench.compare.state, bench.compare.reason) == ("lost", "the secondary is silent")
    bench.primary(segment(101, b"one"), ARP)
    bench.secondary(segment(101, b"one"))
    bench.primary(segment(104, b"two"))
    bench.secondary(segment(104, b"two"))
    assert len(bench.o.packets) == before
    unhush(bench)
    assert bench.o.packets[before:] == [ARP, segment(101, b"one"), segment(104, b"two")]
    assert bench.compare.state == "synced"


def test_the_lease_counts_before_any_timer_does(bench: Bench) -> None:
    """A process that was stopped for a while, and goes on, must not send what it had in hand."""
    before = len(bench.o.packets)
    peer(bench).may_speak = False
    bench.primary(ARP)
    assert len(bench.o.packets) == before
    peer(bench).may_speak = True
    bench.primary(ARP)
    assert len(bench.o.packets) == before + 2


def test_what_another_says_in_its_place_it_never_says(bench: Bench) -> None:
    before = len(bench.o.packets)
    hush(bench)
    bench.primary(ARP, ARP)
    hush(bench, "shut")
    bench.primary(ARP)
    unhush(bench)
    assert len(bench.o.packets) == before
    assert bench.compare.own.dropped_hushed == 3
    bench.primary(ARP)
    assert len(bench.o.packets) == before + 1


def test_what_is_kept_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "MOST_HUSHED", 3 * (4 + len(ARP)))
    before = len(bench.o.packets)
    hush(bench)
    for _ in range(5):
        bench.primary(ARP)
    unhush(bench)
    assert len(bench.o.packets) == before + 3
    assert bench.compare.own.dropped_hushed == 2
