"""The null chardev: takes all, gives nothing, is always there."""

from __future__ import annotations

import pytest

from colo_twisted.chardev.null import NULL, NullChardev
from tests.support.fakes import FakeMachine, batch_of, packet, recording_front_end
from tests.support.house import House, make


@pytest.fixture
def null() -> NullChardev:
    made: NullChardev = make(NULL, "id=c0", FakeMachine())
    return made


def test_it_takes_all_and_counts_it(null: NullChardev) -> None:
    front_end, received, connections, pressures = recording_front_end()
    null.attach(front_end)
    for _ in range(3):
        null.write(batch_of(packet("one"), packet("two")))
    assert null.counters.dropped_null == 6
    assert null.backlog == 0
    assert received == connections == pressures == []


def test_it_stays_connected_whatever_happens(null: NullChardev) -> None:
    assert null.connected
    null.disconnect("a test")
    assert null.connected
    assert null.ended is None


def test_a_mirror_into_it_costs_the_guest_nothing() -> None:
    house = House(
        "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
        " -chardev null,id=nowhere -object filter-mirror,id=m0,netdev=hn0,outdev=nowhere"
    ).start()
    house.netdev("hn0").receive(batch_of(packet("one")))
    assert house.netdev("guest").packets == [packet("one")]
    assert house.object("m0").counters.mirrored == house.chardev("nowhere").counters.dropped_null == 1
