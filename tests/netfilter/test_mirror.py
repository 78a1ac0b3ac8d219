"""The mirror: a copy goes out, the original goes on, nobody waits, and the copies have no hole."""

from __future__ import annotations

import pytest

from colo_twisted.interfaces.frames import Ended
from colo_twisted.netfilter.mirror import MIRROR
from colo_twisted.options import StartError
from tests.support.fakes import batch_of, packet
from tests.support.house import House, StuckChardev, make

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
KILOBYTE = packet("x", 1024 - 4)  # with its length field


def a_house(chardev: str = "fake", mirror: str = "queue=tx") -> House:
    return House(
        f"{CABLE} -chardev {chardev},id=mirror0 -object filter-mirror,id=m0,netdev=hn0,outdev=mirror0,{mirror}"
    ).start()


def test_the_defaults() -> None:
    house = a_house()
    assert house.object("m0").max_backlog == 64 << 20
    assert house.chardev("mirror0").front_end.vnet_hdr is False


def test_each_batch_goes_on_as_it_is_and_a_copy_goes_to_outdev() -> None:
    house = a_house()
    batches = [batch_of(packet("one"), packet("two")), batch_of(packet("three"))]
    for batch in batches:
        house.netdev("hn0").receive(batch)
    assert house.netdev("guest").sent == batches
    assert house.chardev("mirror0").written == batches
    assert house.object("m0").counters.mirrored == 3


@pytest.mark.parametrize(
    ("queue", "copies"),
    [("tx", ["request"]), ("rx", ["answer"]), ("all", ["request", "answer"])],
    ids=["tx", "rx", "all"],
)
def test_it_copies_what_is_in_its_queue(queue: str, copies: list[str]) -> None:
    house = a_house(mirror=f"queue={queue}")
    house.netdev("hn0").receive(batch_of(packet("request")))
    house.netdev("guest").receive(batch_of(packet("answer")))
    assert house.chardev("mirror0").packets == [packet(text) for text in copies]
    assert house.netdev("guest").packets == [packet("request")]
    assert house.netdev("hn0").packets == [packet("answer")]


def test_neither_a_packet_nor_its_answer_waits_for_the_copy() -> None:
    house = a_house(mirror="queue=all")
    there_before: list[int] = []
    house.netdev("guest").answers.append(batch_of(packet("answer")))
    network, mirror = house.netdev("hn0"), house.chardev("mirror0")
    write = mirror.write
    mirror.write = lambda batch: (there_before.append(len(network.packets)), write(batch))
    network.receive(batch_of(packet("request")))
    assert mirror.packets == [packet("request"), packet("answer")]
    assert there_before == [1, 1]


def test_a_beat_comes_behind_the_copies_of_what_has_gone_on() -> None:
    house = a_house()
    guest, mirror = house.netdev("guest"), house.chardev("mirror0")
    guest.send = lambda batch: house.object("m0").send_beat(batch_of(packet("beat")))
    house.netdev("hn0").receive(batch_of(packet("request")))
    assert mirror.packets == [packet("request"), packet("beat")]


def test_copies_whose_peer_goes_before_they_do_are_counted_as_not_mirrored() -> None:
    house = a_house()
    mirror = house.chardev("mirror0")
    house.netdev("guest").send = lambda batch: mirror.go(Ended.BY_PEER)
    house.netdev("hn0").receive(batch_of(packet("request")))
    counters = house.object("m0").counters
    assert (mirror.packets, counters.mirrored, counters.not_mirrored_no_peer) == ([], 0, 1)


def test_off_copies_nothing() -> None:
    house = a_house(mirror="status=off")
    house.netdev("hn0").receive(batch_of(packet("request")))
    assert house.chardev("mirror0").written == []
    assert house.netdev("guest").packets == [packet("request")]


def test_without_a_peer_the_packets_go_on_and_are_counted() -> None:
    house = a_house()
    house.chardev("mirror0").connected = False
    house.netdev("hn0").receive(batch_of(packet("one"), packet("two")))
    assert house.netdev("guest").packets == [packet("one"), packet("two")]
    assert house.chardev("mirror0").written == []
    counters = house.object("m0").counters
    assert (counters.mirrored, counters.not_mirrored_no_peer) == (0, 2)


def test_a_peer_that_takes_nothing_makes_nobody_wait() -> None:
    house = a_house("stuck", mirror="queue=all")
    for end in ("hn0", "guest"):
        house.netdev(end).receive(batch_of(packet("one")))
    assert house.chardev("mirror0").pressing
    assert not house.netdev("hn0").paused
    assert not house.netdev("guest").paused
    assert house.netdev("guest").packets == house.netdev("hn0").packets == [packet("one")]


def test_a_peer_within_max_backlog_keeps_its_place() -> None:
    house = a_house("stuck", mirror="max_backlog=128K")
    for _ in range(128):
        house.netdev("hn0").receive(batch_of(KILOBYTE))
    assert house.chardev("mirror0").backlog == 128 << 10
    assert house.chardev("mirror0").disconnects == []
    house.chardev("mirror0").take()
    assert house.chardev("mirror0").packets == [KILOBYTE] * 128


def test_a_peer_beyond_max_backlog_is_disconnected_once() -> None:
    house = a_house("stuck", mirror="max_backlog=128K")
    outdev: StuckChardev = house.chardev("mirror0")
    for _ in range(3 * 128):
        house.netdev("hn0").receive(batch_of(KILOBYTE))
    assert outdev.disconnects == ["it fell more than max_backlog=131072 bytes behind filter-mirror 'm0'"]
    assert outdev.backlog == 0
    counters = house.object("m0").counters
    assert counters.disconnected_slow_peer == 1
    assert (counters.mirrored, counters.not_mirrored_no_peer) == (129, 3 * 128 - 129)
    assert house.netdev("guest").packets == [KILOBYTE] * (3 * 128)


def test_it_mirrors_on_when_a_peer_has_come_again() -> None:
    house = a_house("stuck", mirror="max_backlog=128K")
    outdev: StuckChardev = house.chardev("mirror0")
    for _ in range(129):
        house.netdev("hn0").receive(batch_of(KILOBYTE))
    house.netdev("hn0").receive(batch_of(packet("while away")))
    outdev.connected = True
    later = [packet(f"later {number}") for number in range(3)]
    for one in later:
        house.netdev("hn0").receive(batch_of(one))
    outdev.take()
    assert outdev.packets == later
    assert house.object("m0").counters.disconnected_slow_peer == 1


@pytest.mark.parametrize("vnet_hdr", [True, False])
def test_the_copies_carry_vnet_headers_if_it_says_so_and_what_passes_in_any_case(vnet_hdr: bool) -> None:
    house = a_house(mirror=f"vnet_hdr_support={'on' if vnet_hdr else 'off'}")
    assert house.chardev("mirror0").front_end.vnet_hdr is vnet_hdr
    assert house.object("m0").vnet_hdr_support is True


def test_what_the_peer_says_is_not_read() -> None:
    assert a_house().chardev("mirror0").front_end.receive is None


def test_a_chardev_that_another_has_is_an_error_that_names_both() -> None:
    house = a_house()
    with pytest.raises(
        StartError, match=r"^chardev 'mirror0' is taken by filter-mirror 'm0', filter-mirror 'm1' can't have it$"
    ):
        make(MIRROR, "id=m1,netdev=hn0,outdev=mirror0", house.machine)
