"""Where chardevs lead, and which redirectors lead nowhere."""

from __future__ import annotations

import pytest

from colo_twisted.failover import cabling
from colo_twisted.interfaces import FrontEnd
from tests.support.house import House

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,id=e0,netdev=hn0,guest=guest"
OUT = "-object filter-redirector,id=r0,netdev=hn0,queue=rx,outdev=c0"
PAIR = "-chardev pair,id=c0,peer=c1"


def dead_ends(house: House) -> list[tuple[str, str]]:
    return [(filter.id, chardev.id) for filter, chardev in cabling.dead_ends(house.machine)]


def test_uses_are_by_property() -> None:
    house = House(f"{CABLE} -chardev fake,id=c0 -chardev fake,id=i0 {OUT},indev=i0")
    uses = cabling.uses(house.machine, "r0")
    assert [(use.user, use.property, use.chardev.id) for use in uses] == [("r0", "indev", "i0"), ("r0", "outdev", "c0")]


def test_one_that_is_off_misses_nobody() -> None:
    house = House(f"{CABLE} -chardev fake,id=c0 {OUT} -object iothread,id=t0")
    assert not list(cabling.missing(house.machine))
    house.chardev("c0").connected = False
    assert [use.user for use in cabling.missing(house.machine)] == ["r0"]
    house.machine.change("r0", "status", False)
    assert not list(cabling.missing(house.machine))


@pytest.mark.parametrize(
    ("filename", "address", "listens"),
    [
        ("disconnected:tcp:0.0.0.0:9003,server=on", "tcp:0.0.0.0:9003", True),
        ("tcp:0.0.0.0:9003,server=on <-> 10.0.0.1:40000", "tcp:0.0.0.0:9003", True),
        ("tcp:10.0.0.1:9003 <-> 10.0.0.1:9003", "tcp:10.0.0.1:9003", False),
        ("disconnected:unix:/run/x", "unix:/run/x", False),
        ("pair:c1", "pair:c1", False),
    ],
)
def test_an_address_is_the_same_whoever_is_connected(filename: str, address: str, listens: bool) -> None:
    chardev = House("-chardev fake,id=c0").chardev("c0")
    chardev.filename = filename
    assert (cabling.address(chardev), cabling.listens(chardev)) == (address, listens)


@pytest.mark.parametrize("socket", ["host=127.0.0.1,port=9001", "path=/tmp/c"])
def test_the_far_end_of_a_pair_and_of_a_loopback_socket(socket: str) -> None:
    loopback = f"-chardev socket,id=c0,{socket},server=on -chardev socket,id=c1,{socket}"
    for line in (PAIR, f"{loopback} -chardev socket,id=c2,host=127.0.0.1,port=9005"):
        house = House(f"{line} -chardev fake,id=c3 -chardev fake,id=c4")
        found = {id: cabling.far_end(house.machine, chardev) for id, chardev in house.machine.chardevs.items()}
        ends = {id: far.id for id, far in found.items() if far is not None}
        assert ends == {"c0": "c1", "c1": "c0"}


@pytest.mark.parametrize(
    ("front_end", "nobody"),
    [(None, True), (FrontEnd("it only writes"), True), (FrontEnd("it reads", receive=lambda batch: None), False)],
)
@pytest.mark.parametrize("line", [PAIR, "-chardev fake,id=c0 -chardev fake,id=c1"])
def test_a_far_end_in_this_process_must_have_a_reader(line: str, front_end: FrontEnd | None, nobody: bool) -> None:
    """Whether or not its loopback socket is connected by now."""
    house = House(f"{CABLE} {line} {OUT}")
    if line != PAIR:
        house.chardev("c0").filename = "tcp:127.0.0.1:9001,server=on <-> 127.0.0.1:40000"
        house.chardev("c1").filename = "tcp:127.0.0.1:9001 <-> 127.0.0.1:9001"
    if front_end is not None:
        house.chardev("c1").attach(front_end)
    assert cabling.leads_to_nobody(house.machine, house.chardev("c0")) == nobody
    assert dead_ends(house) == [("r0", "c0")] * nobody


def test_elsewhere_a_peer_must_be_connected() -> None:
    house = House(f"{CABLE} -chardev fake,id=c0 {OUT}")
    assert dead_ends(house) == []
    house.chardev("c0").connected = False
    assert dead_ends(house) == [("r0", "c0")]


@pytest.mark.parametrize(
    "more", ["queue=tx,outdev=c0", "queue=rx,outdev=c0,status=off", "queue=rx,indev=c0"], ids=["tx", "off", "indev"]
)
def test_what_takes_nothing_of_the_guests_cuts_nobody_off(more: str) -> None:
    house = House(f"{CABLE} {PAIR} -object filter-redirector,id=r0,netdev=hn0,{more}")
    assert dead_ends(house) == []


def test_all_is_both_ways() -> None:
    assert dead_ends(House(f"{CABLE} {PAIR} {OUT.replace('queue=rx', 'queue=all')}")) == [("r0", "c0")]


IN = "-chardev fake,id=i0 -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=i0"


@pytest.mark.parametrize("more", ["-object filter-rewriter,id=rew0,netdev=hn0", IN], ids=["its mode", "its filters"])
def test_a_secondary_is_meant_to_lead_nowhere_while_its_primary_is_away(more: str) -> None:
    house = House(f"{CABLE} -chardev fake,id=c0 {OUT} {more}")
    house.chardev("c0").connected = False
    assert dead_ends(house) == []


def test_one_that_has_taken_over_is_not() -> None:
    house = House(f"{CABLE} -chardev fake,id=c0 {OUT} {IN} -object filter-rewriter,id=rew0,netdev=hn0")
    house.chardev("c0").connected = False
    house.start().machine.colo.lose_heartbeat()
    assert dead_ends(house) == []
    for id in ("f1", "r0"):
        house.machine.change(id, "status", True)
    assert dead_ends(house) == [("r0", "c0")]
