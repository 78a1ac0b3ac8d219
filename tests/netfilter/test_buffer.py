"""The buffer: everything in order, at each interval, and nothing left at the end."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fakes import batch_of, packet
from tests.support.house import House

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
KILOBYTE = packet("x", 1024 - 4)  # with its length field
MILLISECOND = 0.001


def a_house(properties: str = "interval=1000") -> House:
    return House(f"{CABLE} -object filter-buffer,id=b0,netdev=hn0,{properties}").start()


def test_unless_set_max_backlog_is_64_megabytes() -> None:
    assert a_house().object("b0").max_backlog == 64 << 20


def test_packets_wait_for_the_interval_and_then_go_in_order() -> None:
    house = a_house()
    batches = [batch_of(packet("one"), packet("two")), batch_of(packet("three"))]
    for batch in batches:
        house.netdev("hn0").receive(batch)
    house.reactor.advance(0.9 * MILLISECOND)
    assert house.netdev("guest").sent == []
    house.reactor.advance(0.1 * MILLISECOND)
    assert house.netdev("guest").sent == batches
    counters = house.object("b0").counters
    assert (counters.held, counters.released, counters.dropped_backlog) == (3, 3, 0)


def test_each_interval_releases_what_came_in_it_once() -> None:
    house = a_house()
    for number in range(5):
        house.netdev("hn0").receive(batch_of(packet(f"{number}")))
        house.reactor.advance(MILLISECOND)
        assert house.netdev("guest").packets == [packet(f"{n}") for n in range(number + 1)]


def test_each_packet_goes_on_in_its_own_direction_past_the_filters_behind_only() -> None:
    house = House(
        f"{CABLE} -chardev fake,id=head -chardev fake,id=tail"
        " -object filter-mirror,id=m0,netdev=hn0,outdev=head"
        " -object filter-buffer,id=b0,netdev=hn0,interval=1ms"
        " -object filter-mirror,id=m1,netdev=hn0,outdev=tail"
    ).start()
    house.netdev("hn0").receive(batch_of(packet("request")))
    house.netdev("guest").receive(batch_of(packet("answer")))
    assert house.chardev("head").packets == [packet("request")]
    assert house.chardev("tail").packets == [packet("answer")]
    house.reactor.advance(MILLISECOND)
    assert house.netdev("guest").packets == [packet("request")]
    assert house.netdev("hn0").packets == [packet("answer")]
    assert house.chardev("head").packets == [packet("request"), packet("answer")]
    assert house.chardev("tail").packets == [packet("answer"), packet("request")]


def test_what_is_not_in_its_queue_is_not_held() -> None:
    house = a_house("interval=1000,queue=rx")
    house.netdev("hn0").receive(batch_of(packet("request")))
    assert house.netdev("guest").packets == [packet("request")]


def test_it_holds_max_backlog_and_has_room_again_after_a_release() -> None:
    house = a_house("interval=1000,max_backlog=128K")
    for _ in range(200):
        house.netdev("hn0").receive(batch_of(KILOBYTE))
    counters = house.object("b0").counters
    assert (counters.held, counters.dropped_backlog) == (128, 72)
    house.reactor.advance(MILLISECOND)
    assert house.netdev("guest").packets == [KILOBYTE] * 128
    house.netdev("hn0").receive(batch_of(KILOBYTE))
    house.reactor.advance(MILLISECOND)
    assert len(house.netdev("guest").packets) == 129


def test_one_batch_larger_than_max_backlog_is_held_all_the_same() -> None:
    house = a_house("interval=1000,max_backlog=128K")
    one_turn_of_a_tap = batch_of(*[KILOBYTE] * 320)
    house.netdev("hn0").receive(one_turn_of_a_tap)
    house.netdev("hn0").receive(batch_of(packet("too much")))
    house.reactor.advance(MILLISECOND)
    assert house.netdev("guest").sent == [one_turn_of_a_tap]
    assert house.object("b0").counters.dropped_backlog == 1


def test_stopping_releases_what_is_held_and_ends_the_clockwork() -> None:
    house = a_house()
    house.netdev("hn0").receive(batch_of(packet("last")))
    house.machine.stopService()
    assert house.netdev("guest").packets == [packet("last")]
    assert house.reactor.getDelayedCalls() == []


def test_stopping_is_harmless_before_the_start() -> None:
    house = House(f"{CABLE} -object filter-buffer,id=b0,netdev=hn0,interval=1000")
    house.object("b0").stop()
    assert house.netdev("guest").sent == []


@pytest.mark.parametrize("queue", ["tx", "rx"])
def test_two_buffers_leave_nothing_behind_whichever_is_stopped_first(queue: str) -> None:
    house = House(
        f"{CABLE} -object filter-buffer,id=b0,netdev=hn0,queue={queue},interval=1000"
        f" -object filter-buffer,id=b1,netdev=hn0,queue={queue},interval=1000"
    ).start()
    source, sink = ("hn0", "guest") if queue == "tx" else ("guest", "hn0")
    house.netdev(source).receive(batch_of(packet("one")))
    house.reactor.advance(MILLISECOND)
    house.netdev(source).receive(batch_of(packet("two")))
    house.machine.stopService()
    assert house.netdev(sink).packets == [packet("one"), packet("two")]


STEPS = st.lists(st.tuples(st.sampled_from(["hn0", "guest", "time"]), st.integers(1, 5)), max_size=40)


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), STEPS)
def test_whatever_the_rhythm_every_packet_comes_out_once_and_in_order(
    intervals: list[int], steps: list[tuple[str, int]]
) -> None:
    buffers = (f"-object filter-buffer,id=b{n},netdev=hn0,interval={each}" for n, each in enumerate(intervals))
    house = House(" ".join([CABLE, *buffers])).start()
    numbers = itertools.count()
    put: dict[str, list[bytes]] = {"hn0": [], "guest": []}
    for what, size in steps:
        if what == "time":
            house.reactor.advance(size * MILLISECOND / 1000)
        else:
            packets = [packet(f"{next(numbers)}") for _ in range(size)]
            put[what] += packets
            house.netdev(what).receive(batch_of(*packets))
        for source, sink in (("hn0", "guest"), ("guest", "hn0")):
            assert house.netdev(sink).packets == put[source][: len(house.netdev(sink).packets)]
    house.machine.stopService()
    assert house.netdev("guest").packets == put["hn0"]
    assert house.netdev("hn0").packets == put["guest"]
