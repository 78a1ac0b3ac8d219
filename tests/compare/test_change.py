"""A colo-compare whose properties change while it runs: what waits already is treated so, too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from zope.interface.verify import verifyObject

from colo_twisted.interfaces import IChangeable, Outcome
from colo_twisted.options.errors import NotSettable, OptionError
from tests.support.compare_bench import A_LITTLE, CHECKPOINTER, PEER, TIMEOUT, Bench, followed, segment

BOTH = f"{PEER} {CHECKPOINTER}"
ONE, OTHER = segment(101, b"one"), segment(101, b"two")


def diverged(bench: Bench) -> Bench:
    bench.open_connection()
    bench.primary(ONE)
    bench.secondary(OTHER)
    return bench


def change(bench: Bench, name: str, value: object) -> None:
    bench.machine.change("comp0", name, value)


def test_what_can_be_changed() -> None:
    bench = followed()
    assert verifyObject(IChangeable, bench.compare)
    with pytest.raises(NotSettable) as caught:
        change(bench, "ack_commit", False)
    assert caught.value.settable == [
        "checkpoint_min_interval",
        "checkpoint_timeout",
        "compare_timeout",
        "expired_scan_cycle",
        "max_memory",
        "max_queue_size",
        "on_divergence",
    ]


# compare_timeout


@pytest.mark.parametrize("timeout", [1.0, 8.0])
def test_a_packet_that_waits_in_vain_goes_after_the_new_time(timeout: float) -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(ONE)
    bench.wait(0.5)
    change(bench, "compare_timeout", round(timeout * 1000))
    assert bench.wait(timeout - 0.5 - A_LITTLE) == []
    assert bench.wait(0.3) == [ONE]


def test_one_that_has_waited_longer_already_goes_at_once() -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(ONE)
    bench.wait(2)
    change(bench, "compare_timeout", 1000)
    assert bench.wait(A_LITTLE) == [ONE]


@pytest.mark.parametrize("timeout", [1.0, 8.0])
def test_so_does_one_that_has_diverged(timeout: float) -> None:
    bench = diverged(followed())
    bench.wait(0.5)
    change(bench, "compare_timeout", round(timeout * 1000))
    assert bench.wait(timeout - 0.5 - A_LITTLE) == []
    assert bench.wait(0.3) == [ONE]


@pytest.mark.parametrize("timeout", [1.0, 8.0])
def test_so_does_all_when_a_channel_is_lost(timeout: float) -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(ONE)
    bench.connect(bench.s, False)
    bench.wait(0.5)
    change(bench, "compare_timeout", round(timeout * 1000))
    assert bench.wait(timeout - 0.5 - A_LITTLE) == []
    assert bench.wait(0.3) == [ONE]


def test_the_secondary_is_silent_sooner() -> None:
    bench = followed()
    for port in (40000, 40001):
        bench.open_connection(port)
    change(bench, "compare_timeout", 500)
    for port in (40000, 40001):
        bench.wait(0.6)
        bench.primary(segment(101, b"answer", port=port))
    bench.wait(0.7)
    assert "silent" in bench.compare.reason


def test_begin_is_repeated_in_the_new_time() -> None:
    bench = diverged(followed(",checkpoint=cp0", BOTH))
    peer = bench.house.object("peer0")
    peer.asked.clear()
    change(bench, "compare_timeout", 1000)
    bench.wait(3.5)
    assert peer.asked == [("begin",)] * 3


def test_xen_is_asked_in_the_new_time() -> None:
    bench = diverged(followed(",notify_dev=x", "-chardev fake,id=x"))
    asked = bench.house.chardev("x").packets
    change(bench, "compare_timeout", 1000)
    bench.wait(3.5)
    assert len(bench.house.chardev("x").packets) == len(asked) + 3


def test_the_grain_changes() -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(ONE)
    change(bench, "expired_scan_cycle", 1)
    bench.clock.advance(TIMEOUT + 0.002)
    bench.clock.advance(0.001)
    assert bench.kinds == ["unmatched"]


# bounds


def test_the_bounds_change() -> None:
    bench = followed(",on_divergence=release")
    bench.open_connection()
    change(bench, "max_queue_size", 2)
    bench.primary(*[segment(101 + at, b"x") for at in range(3)])
    assert bench.kinds == ["queue"]
    bench.open_connection(40001)
    change(bench, "max_memory", 0)
    bench.primary(segment(101, b"x", port=40001), segment(102, b"x", port=40001))
    assert bench.counters["dropped_memory"] == 1


# checkpoints


def finish(bench: Bench) -> None:
    bench.house.object("cp0").ends()


@pytest.mark.parametrize(("least", "waits"), [(20_000, 20.0), (2000, 2.0), (0, 0.0)])
def test_the_least_interval_holds_for_one_that_waits(least: int, waits: float) -> None:
    bench = followed(",checkpoint=cp0,checkpoint_min_interval=5000,checkpoint_timeout=100000", CHECKPOINTER)
    checkpointer = bench.house.object("cp0")
    bench.compare.request_checkpoint("one")
    finish(bench)
    bench.wait(0.5)
    bench.compare.request_checkpoint("two")
    assert not checkpointer.is_asked
    change(bench, "checkpoint_min_interval", least)
    bench.wait(max(0.0, waits - 0.5 - A_LITTLE))
    assert not checkpointer.is_asked
    bench.wait(0.3)
    assert checkpointer.is_asked


@pytest.mark.parametrize("timeout", [2.0, 30.0])
def test_so_does_the_time_that_one_may_take(timeout: float) -> None:
    bench = diverged(followed(",checkpoint=cp0", CHECKPOINTER))
    bench.wait(0.5)
    change(bench, "checkpoint_timeout", round(timeout * 1000))
    assert bench.wait(timeout - 0.5 - A_LITTLE) == []
    assert bench.wait(0.3) == [ONE]
    assert bench.counters["checkpoints_timed_out"] == 1


def test_another_one_for_an_invalid_secondary_is_asked_for_in_the_new_time() -> None:
    bench = diverged(followed(",checkpoint=cp0", BOTH))
    peer = bench.house.object("peer0")
    peer.answer()
    bench.house.object("cp0").ends(Outcome.FAILED)
    peer.answer()
    peer.asked.clear()
    change(bench, "checkpoint_timeout", 2000)
    bench.wait(1.8)
    assert peer.asked == []
    bench.wait(0.3)
    assert peer.asked == [("begin",)]


# on_divergence


def test_what_is_held_is_released_when_that_is_what_is_said() -> None:
    bench = diverged(followed())
    before = len(bench.o.packets)
    change(bench, "on_divergence", "release")
    assert bench.o.packets[before:] == [ONE]
    bench.open_connection(40001)
    bench.primary(segment(101, b"one", port=40001))
    assert bench.secondary(segment(101, b"two", port=40001)) == [segment(101, b"one", port=40001)]


def test_what_is_held_isolates_the_secondary_once() -> None:
    bench = followed("", PEER)
    diverged(bench)
    bench.open_connection(40001)
    bench.primary(segment(101, b"one", port=40001))
    bench.secondary(segment(101, b"two", port=40001))
    peer = bench.house.object("peer0")
    peer.asked.clear()
    change(bench, "on_divergence", "isolate")
    assert peer.asked == [("invalidate",)]
    assert bench.counters["isolations"] == 1


def test_a_later_divergence_is_held_again() -> None:
    bench = followed(",on_divergence=release")
    change(bench, "on_divergence", "checkpoint")
    diverged(bench)
    assert bench.wait(TIMEOUT - A_LITTLE) == []
    assert bench.wait(0.3) == [ONE]


def test_nothing_changes_by_what_is_said_again() -> None:
    bench = diverged(followed(",checkpoint=cp0", CHECKPOINTER))
    for name in ("on_divergence", "compare_timeout", "checkpoint_timeout"):
        change(bench, name, getattr(bench.compare._properties, name))
    assert bench.wait(9) == []
    assert bench.counters["checkpoints_requested"] == 1


@pytest.mark.parametrize(
    ("more", "objects", "policy", "why"),
    [
        ("", "", "isolate", "property 'on_divergence': on_divergence=isolate needs a colo-peer"),
        (",checkpoint=cp0", CHECKPOINTER, "release", "property 'checkpoint' goes with on_divergence=checkpoint"),
        (",notify_dev=x", "-chardev fake,id=x", "release", "property 'notify_dev' goes with on_divergence=checkpoint"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(more: str, objects: str, policy: str, why: str) -> None:
    bench = diverged(followed(more, objects))
    with pytest.raises(OptionError, match=why):
        change(bench, "on_divergence", policy)
    with pytest.raises(OptionError, match=why):
        bench.compare.change(dataclasses.replace(bench.compare._properties, on_divergence=policy))
    assert bench.compare._properties.on_divergence == "checkpoint"
    assert bench.o.packets[-1] != ONE


def test_a_change_alone_begins_nothing() -> None:
    bench = Bench(",on_divergence=release")
    changes: list[Callable[[], None]] = [
        lambda: change(bench, "compare_timeout", 5),
        lambda: change(bench, "checkpoint_timeout", 5),
        lambda: change(bench, "checkpoint_min_interval", 5),
        lambda: change(bench, "expired_scan_cycle", 5),
    ]
    for make in changes:
        make()
    assert bench.clock.getDelayedCalls() == []
