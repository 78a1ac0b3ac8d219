"""The redirector: out of the chain to outdev, into it from indev, and whom it makes wait."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.netfilter.redirector import RedirectorProperties
from colo_twisted.options import OptionError, declare
from colo_twisted.options.keyval import split
from tests.support.fakes import batch_of, packet
from tests.support.house import House, StuckChardev, Turns

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
KILOBYTE = packet("x", 1024 - 4)  # with its length field
QUEUES = pytest.mark.parametrize(
    ("queue", "tx", "rx"), [("tx", True, False), ("rx", False, True), ("all", True, True)], ids=["tx", "rx", "all"]
)


def a_house(words: str, turns: Turns | None = None) -> House:
    return House(f"{CABLE} {words}", turns).start()


# the properties


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at least one of the properties 'indev' and 'outdev' is needed"),
        (",indev=a,outdev=a", "properties 'indev' and 'outdev' take different chardevs"),
    ],
)
def test_properties_that_do_not_go_together(text: str, complaint: str) -> None:
    with pytest.raises(OptionError, match=rf"^{complaint}$"):
        declare.parse(RedirectorProperties, split(f"id=r0,netdev=hn0{text}"))


def test_the_defaults() -> None:
    redirector = with_outdev().object("r0")
    assert redirector.max_backlog == 16 << 20
    assert redirector.vnet_hdr_support is False


# outdev


def with_outdev(properties: str = "queue=all", chardev: str = "fake") -> House:
    return a_house(f"-chardev {chardev},id=red1 -object filter-redirector,id=r0,netdev=hn0,outdev=red1,{properties}")


@QUEUES
def test_what_is_in_its_queue_goes_to_outdev_and_no_further(queue: str, tx: bool, rx: bool) -> None:
    house = with_outdev(f"queue={queue}")
    house.netdev("hn0").receive(batch_of(packet("request"), packet("request 2")))
    house.netdev("guest").receive(batch_of(packet("answer")))
    assert house.chardev("red1").packets == [packet("request"), packet("request 2")] * tx + [packet("answer")] * rx
    assert house.netdev("guest").packets == [packet("request"), packet("request 2")] * (not tx)
    assert house.netdev("hn0").packets == [packet("answer")] * (not rx)
    assert house.object("r0").counters.redirected == 2 * tx + rx


def test_without_a_peer_nothing_passes_and_all_is_counted() -> None:
    house = with_outdev()
    house.chardev("red1").connected = False
    house.netdev("hn0").receive(batch_of(packet("one"), packet("two")))
    assert house.netdev("guest").sent == house.chardev("red1").written == []
    counters = house.object("r0").counters
    assert (counters.redirected, counters.dropped_no_peer) == (0, 2)


def test_off_lets_the_chains_packets_pass() -> None:
    house = with_outdev("status=off")
    house.netdev("hn0").receive(batch_of(packet("request")))
    assert house.netdev("guest").packets == [packet("request")]
    assert house.chardev("red1").written == []


def test_without_outdev_the_chains_packets_pass() -> None:
    house = a_house("-chardev fake,id=red0 -object filter-redirector,id=r0,netdev=hn0,indev=red0")
    batch = batch_of(packet("request"))
    house.netdev("hn0").receive(batch)
    house.netdev("guest").receive(batch)
    assert house.netdev("guest").sent == house.netdev("hn0").sent == [batch]


@pytest.mark.parametrize("vnet_hdr", [True, False])
def test_both_chardevs_carry_vnet_headers_if_it_says_so(vnet_hdr: bool) -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev fake,id=red1"
        " -object filter-redirector,id=r0,netdev=hn0,indev=red0,outdev=red1,"
        + ("vnet_hdr_support" if vnet_hdr else "novnet_hdr_support")
    )
    assert house.chardev("red0").front_end.vnet_hdr is vnet_hdr
    assert house.chardev("red1").front_end.vnet_hdr is vnet_hdr
    assert house.object("r0").vnet_hdr_support is vnet_hdr


# a peer of outdev that takes too little


@QUEUES
def test_the_source_of_its_queue_waits_until_the_peer_takes_again(queue: str, tx: bool, rx: bool) -> None:
    house = with_outdev(f"queue={queue}", "stuck")
    outdev: StuckChardev = house.chardev("red1")
    house.netdev("hn0" if tx else "guest").receive(batch_of(packet("one")))
    assert (house.netdev("hn0").paused, house.netdev("guest").paused) == (tx, rx)
    outdev.take()
    assert (house.netdev("hn0").paused, house.netdev("guest").paused) == (False, False)


def test_the_source_goes_on_when_the_stuck_peer_has_gone() -> None:
    house = with_outdev("queue=tx", "stuck")
    house.netdev("hn0").receive(batch_of(packet("one")))
    house.chardev("red1").disconnect("a test")
    assert not house.netdev("hn0").paused
    house.netdev("hn0").receive(batch_of(packet("two")))
    assert house.object("r0").counters.dropped_no_peer == 1


def test_a_source_waits_for_both_of_two_full_outdevs() -> None:
    house = a_house(
        "-chardev stuck,id=one -chardev stuck,id=two"
        " -object filter-redirector,id=r0,netdev=hn0,queue=all,outdev=one"
        " -object filter-redirector,id=r1,netdev=hn0,queue=all,outdev=two"
    )
    house.netdev("hn0").receive(batch_of(packet("request")))  # head to tail: r0 takes it
    house.netdev("guest").receive(batch_of(packet("answer")))  # tail to head: r1 does
    house.chardev("one").take()
    assert house.netdev("hn0").paused
    assert house.netdev("guest").paused
    house.chardev("two").take()
    assert not house.netdev("hn0").paused
    assert not house.netdev("guest").paused


def test_frames_that_come_all_the_same_are_dropped_at_max_backlog() -> None:
    house = with_outdev("queue=tx,max_backlog=128K", "stuck")
    with capturedLogs() as events:
        for _ in range(200):
            house.netdev("hn0").receive(batch_of(KILOBYTE))
    lines = {formatEvent(event) for event in events}
    assert lines == {"FilterRedirector r0: dropped frames: the peer of outdev is max_backlog=131072 bytes behind"}
    assert len(events) < 10  # not one for each frame
    outdev: StuckChardev = house.chardev("red1")
    assert outdev.backlog == 128 << 10
    counters = house.object("r0").counters
    assert (counters.redirected, counters.dropped_backlog) == (128, 72)
    outdev.take()
    house.netdev("hn0").receive(batch_of(packet("after")))
    outdev.take()
    assert outdev.packets == [*[KILOBYTE] * 128, packet("after")]


def test_a_batch_larger_than_max_backlog_goes_to_a_peer_that_keeps_up() -> None:
    house = with_outdev("queue=tx,max_backlog=128K")
    one_turn_of_a_tap = [KILOBYTE] * 320
    for _ in range(3):
        house.netdev("hn0").receive(batch_of(*one_turn_of_a_tap))
    assert house.chardev("red1").packets == one_turn_of_a_tap * 3
    assert house.object("r0").counters.dropped_backlog == 0


# indev


@QUEUES
def test_what_comes_from_indev_enters_behind_it_in_its_own_directions(queue: str, tx: bool, rx: bool) -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev fake,id=near -chardev fake,id=far"
        " -object filter-mirror,id=head,netdev=hn0,outdev=near"
        f" -object filter-redirector,id=r0,netdev=hn0,queue={queue},indev=red0"
        " -object filter-mirror,id=tail,netdev=hn0,outdev=far"
    )
    batch = batch_of(packet("one"), packet("two"))
    house.chardev("red0").deliver(batch)
    assert house.netdev("guest").sent == [batch] * tx
    assert house.netdev("hn0").sent == [batch] * rx
    assert house.chardev("far").written == [batch] * tx
    assert house.chardev("near").written == [batch] * rx
    assert house.object("r0").counters.injected == 2


def test_off_drops_what_comes_from_indev() -> None:
    house = a_house("-chardev fake,id=red0 -object filter-redirector,id=r0,netdev=hn0,indev=red0,status=off")
    house.chardev("red0").deliver(batch_of(packet("one"), packet("two")))
    assert house.netdev("guest").sent == house.netdev("hn0").sent == []
    counters = house.object("r0").counters
    assert (counters.injected, counters.dropped_off) == (0, 2)


def test_its_own_indev_does_not_come_out_of_its_outdev() -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev fake,id=red1"
        " -object filter-redirector,id=r0,netdev=hn0,queue=tx,indev=red0,outdev=red1"
    )
    house.chardev("red0").deliver(batch_of(packet("in")))
    house.netdev("hn0").receive(batch_of(packet("out")))
    assert house.netdev("guest").packets == [packet("in")]
    assert house.chardev("red1").packets == [packet("out")]


def test_indev_is_read_while_outdev_is_full() -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev stuck,id=red1"
        " -object filter-redirector,id=r0,netdev=hn0,queue=tx,indev=red0,outdev=red1"
    )
    house.netdev("hn0").receive(batch_of(packet("out")))
    assert house.netdev("hn0").paused
    for number in range(3):
        house.chardev("red0").deliver(batch_of(packet(f"in {number}")))
    assert house.netdev("guest").packets == [packet(f"in {number}") for number in range(3)]


def test_indev_is_read_while_what_it_feeds_is_full_and_drops_are_counted() -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev stuck,id=red1"
        " -object filter-redirector,id=r0,netdev=hn0,queue=tx,indev=red0"
        " -object filter-redirector,id=r1,netdev=hn0,queue=tx,outdev=red1,max_backlog=128K"
    )
    for _ in range(200):
        house.chardev("red0").deliver(batch_of(KILOBYTE))
    assert house.object("r0").counters.injected == 200
    assert house.object("r1").counters.dropped_backlog == 72
    assert house.chardev("red1").backlog == 128 << 10


# several together


def test_qemus_three_filters_tx() -> None:
    """f0 takes packets out over a loop, f1 takes them in behind itself, f2 sends them away."""
    house = a_house(
        "-chardev pair,id=redirector0,peer=redirector2 -chardev fake,id=redirector1"
        " -object filter-redirector,id=f0,netdev=hn0,queue=tx,outdev=redirector0"
        " -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=redirector2"
        " -object filter-redirector,id=f2,netdev=hn0,queue=tx,outdev=redirector1"
    )
    batch = batch_of(packet("one"), packet("two"))
    house.netdev("hn0").receive(batch)
    house.netdev("guest").receive(batch_of(packet("answer")))
    assert house.chardev("redirector1").written == [batch]
    assert house.netdev("guest").sent == []
    assert house.netdev("hn0").packets == [packet("answer")]


def test_qemus_three_filters_rx() -> None:
    """The same towards the network: what a socket brings to f2 goes by f1 round the loop to f0, and out."""
    house = a_house(
        "-chardev pair,id=redirector0,peer=redirector2 -chardev fake,id=redirector1"
        " -object filter-redirector,id=f0,netdev=hn0,queue=rx,indev=redirector0"
        " -object filter-redirector,id=f1,netdev=hn0,queue=rx,outdev=redirector2"
        " -object filter-redirector,id=f2,netdev=hn0,queue=rx,indev=redirector1"
    )
    batch = batch_of(packet("one"), packet("two"))
    house.chardev("redirector1").deliver(batch)
    assert house.netdev("hn0").sent == [batch]
    assert house.netdev("guest").sent == []
    counters = [house.object(id).counters for id in ("f0", "f1", "f2")]
    assert [(each.redirected, each.injected) for each in counters] == [(0, 2), (2, 0), (0, 2)]


CIRCLE = (
    "-chardev pair,id=a,peer=b"
    " -object filter-redirector,id=r0,netdev=hn0,queue=tx,indev=b"
    " -object filter-redirector,id=r1,netdev=hn0,queue=tx,outdev=a"
)


def test_a_circle_neither_recurses_nor_waits_nor_multiplies() -> None:
    turns = Turns()
    house = a_house(CIRCLE, turns)
    house.netdev("hn0").receive(batch_of(packet("round")))
    for round_ in range(2, 2000):
        assert house.object("r1").counters.redirected == round_
        turns.turn()
    assert not house.netdev("hn0").paused


def test_a_circle_that_is_fed_on_and_on_holds_a_bounded_amount() -> None:
    turns = Turns()
    house = a_house(CIRCLE, turns)
    many = batch_of(*[KILOBYTE] * 1024)
    for _ in range(40):
        house.netdev("hn0").receive(many)
        turns.turn()
    counters = house.chardev("a").counters
    circling = 40 * 1024 - counters.dropped_loop
    assert counters.dropped_loop > 0
    assert circling <= (16 << 20) // 1024


def test_a_circle_ends_when_the_machine_stops() -> None:
    turns = Turns()
    house = a_house(CIRCLE, turns)
    house.netdev("hn0").receive(batch_of(packet("round")))
    house.machine.stopService()
    for _ in range(3):
        turns.turn()
    assert turns.getDelayedCalls() == []


STEPS = st.lists(
    st.tuples(st.sampled_from(["network", "guest", "red0", "take", "leave", "come"]), st.integers(1, 60)), max_size=30
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["tx", "rx", "all"]), STEPS)
def test_whatever_happens_each_frame_is_in_one_place_in_order_or_counted(
    queue: str, steps: list[tuple[str, int]]
) -> None:
    house = a_house(
        "-chardev fake,id=red0 -chardev stuck,id=red1"
        f" -object filter-redirector,id=r0,netdev=hn0,queue={queue},indev=red0,outdev=red1,max_backlog=128K"
    )
    outdev: StuckChardev = house.chardev("red1")
    numbers = itertools.count(1)
    counts = {"network": 0, "guest": 0, "red0": 0}
    given_up = 0
    for what, size in steps:
        batch = batch_of(*(packet(f"{next(numbers):6}", 1020) for _ in range(size)))
        if what == "red0":
            house.chardev("red0").deliver(batch)
        elif what in counts:
            house.netdev("hn0" if what == "network" else "guest").receive(batch)
        elif what == "take":
            outdev.take()
        elif what == "leave":
            given_up += outdev.backlog // 1024
            outdev.disconnect("a test")
        else:
            outdev.connected = True
        if what in counts:
            counts[what] += size
        full = outdev.backlog > 0
        assert house.netdev("hn0").paused == (full and queue != "rx")
        assert house.netdev("guest").paused == (full and queue != "tx")
        assert outdev.backlog <= 128 << 10
    given_up += outdev.backlog // 1024
    counters = house.object("r0").counters
    taken = counts["network"] * (queue != "rx") + counts["guest"] * (queue != "tx")
    assert taken == counters.redirected + counters.dropped_no_peer + counters.dropped_backlog
    assert len(outdev.packets) == counters.redirected - given_up
    assert len(house.netdev("guest").packets) == (
        counts["network"] * (queue == "rx") + counts["red0"] * (queue != "rx")
    )
    assert len(house.netdev("hn0").packets) == (counts["guest"] * (queue == "tx") + counts["red0"] * (queue != "tx"))
    for place in (outdev, house.netdev("guest"), house.netdev("hn0")):
        assert place.packets == sorted(set(place.packets))
