"""The gate: shut while it is on, as if it weren't there while it is off."""

from __future__ import annotations

import pytest

from tests.support.fakes import batch_of, packet
from tests.support.house import House

FRAMES = batch_of(packet("one"), packet("two"))


def a_house(drop: str) -> House:
    return House(
        "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
        f" -object filter-drop,id=gate,netdev=hn0,{drop}"
    ).start()


@pytest.mark.parametrize(
    ("queue", "guest_gets", "network_gets"), [("tx", 0, 2), ("rx", 2, 0), ("all", 0, 0)], ids=["tx", "rx", "all"]
)
def test_nothing_in_its_queue_passes(queue: str, guest_gets: int, network_gets: int) -> None:
    house = a_house(f"queue={queue}")
    house.netdev("hn0").receive(FRAMES)
    house.netdev("guest").receive(FRAMES)
    assert len(house.netdev("guest").packets) == guest_gets
    assert len(house.netdev("hn0").packets) == network_gets
    assert house.object("gate").counters.dropped_by_gate == 4 - guest_gets - network_gets


def test_off_is_as_if_it_were_not_there() -> None:
    house = a_house("status=off")
    house.netdev("hn0").receive(FRAMES)
    assert house.netdev("guest").sent == [FRAMES]
    assert house.object("gate").counters.dropped_by_gate == 0


def test_it_opens_when_it_is_switched_off() -> None:
    house = a_house("queue=rx")
    gate = house.object("gate")
    house.netdev("guest").receive(batch_of(packet("before")))
    gate.status = False
    house.machine.chain("hn0").refresh()
    house.netdev("guest").receive(batch_of(packet("after")))
    assert house.netdev("hn0").packets == [packet("after")]
