"""What comes and goes while a machine runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs

from colo_twisted.events import DeviceDeleted, Event
from colo_twisted.netfilter.base import FilterProperties
from colo_twisted.netfilter.drop import FilterDrop
from colo_twisted.options import ObjectType
from colo_twisted.options.errors import (
    DuplicateId,
    InUse,
    NoSuchDescriptor,
    NoSuchReference,
    NotSettable,
    NotThere,
    OptionError,
    StartError,
    TakenChardev,
    UnknownProperty,
)
from tests.support.fakes import batch_of, packet
from tests.support.house import House, Types

GUEST = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 "
ONE, TWO, THREE = (packet(text) for text in ("one", "two", "three"))


def a_house(line: str = "") -> House:
    return House(GUEST + line).start()


def from_network(house: House, *packets: bytes) -> None:
    house.netdev("hn0").receive(batch_of(*packets))


def from_guest(house: House, *packets: bytes) -> None:
    house.netdev("g0").receive(batch_of(*packets))


def is_done(deferred: Deferred[None]) -> bool:
    fired: list[None] = []
    deferred.addCallback(fired.append)
    return bool(fired)


# objects


def test_an_object_that_is_added_takes_part_at_once() -> None:
    house = a_house("-chardev fake,id=c0")
    from_network(house, ONE)
    house.add("object", "filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0")
    from_network(house, TWO)
    assert house.chardev("c0").packets == [TWO]
    assert house.netdev("g0").packets == [ONE, TWO]


def test_one_that_is_removed_takes_part_no_more_and_its_chardev_is_free() -> None:
    house = a_house("-chardev fake,id=c0 -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0")
    from_network(house, ONE)
    assert is_done(house.machine.remove("object", "m0"))
    from_network(house, TWO)
    assert house.chardev("c0").packets == [ONE]
    house.add("object", "filter-redirector,id=f0,netdev=hn0,queue=tx,outdev=c0")
    from_network(house, THREE)
    assert house.chardev("c0").packets == [ONE, THREE]
    assert house.netdev("g0").packets == [ONE, TWO]


def test_what_a_buffer_holds_goes_before_what_comes_after_it() -> None:
    house = a_house("-object filter-buffer,id=b0,netdev=hn0,queue=rx,interval=1000000")
    from_guest(house, ONE, TWO)
    assert house.netdev("hn0").packets == []
    house.machine.remove("object", "b0")
    from_guest(house, THREE)
    assert house.netdev("hn0").packets == [ONE, TWO, THREE]


def test_what_a_buffer_holds_goes_when_it_is_switched_off() -> None:
    house = a_house("-object filter-buffer,id=b0,netdev=hn0,queue=rx,interval=1000000")
    from_guest(house, ONE)
    house.machine.change("b0", "status", False)
    from_guest(house, TWO)
    assert house.netdev("hn0").packets == [ONE, TWO]


def test_a_redirector_that_is_removed_lets_its_source_go() -> None:
    house = a_house("-chardev stuck,id=c0 -object filter-redirector,id=f0,netdev=hn0,queue=rx,outdev=c0")
    from_guest(house, ONE)
    assert house.netdev("g0").paused
    done = house.machine.remove("object", "f0")
    assert not house.netdev("g0").paused
    from_guest(house, TWO)
    assert house.netdev("hn0").packets == [TWO]
    assert not is_done(done)  # the peer hasn't taken the rest yet
    house.reactor.advance(1.0)
    assert is_done(done)


def test_a_redirector_that_is_switched_off_and_on_again_makes_its_source_wait_again() -> None:
    house = a_house("-chardev stuck,id=c0 -object filter-redirector,id=f0,netdev=hn0,queue=rx,outdev=c0")
    from_guest(house, ONE)
    house.machine.change("f0", "status", False)
    assert not house.netdev("g0").paused
    house.machine.change("f0", "status", True)
    assert house.netdev("g0").paused
    house.chardev("c0").take()
    assert not house.netdev("g0").paused


def test_filters_stand_where_they_are_told_to() -> None:
    house = a_house("-chardev fake,id=c0 -chardev fake,id=c1 -object filter-rewriter,id=rew0,netdev=hn0,queue=all")
    for line in ("filter-mirror,id=m0,outdev=c0,queue=tx", "filter-redirector,id=r1,outdev=c1,queue=rx"):
        house.add("object", f"{line},netdev=hn0,insert=before,position=id=rew0")
    house.add("object", "filter-drop,id=d0,netdev=hn0,position=head,status=off")
    assert [known.id for known in house.machine.chains["hn0"].filters] == ["d0", "m0", "r1", "rew0"]


def test_watchers_are_told_that_objects_come_and_go() -> None:
    house = a_house()
    seen: list[list[str]] = []
    house.machine.object_watchers.append(lambda: seen.append(list(house.machine.objects)))
    house.add("object", "filter-drop,id=d0,netdev=hn0")
    house.machine.remove("object", "d0")
    assert seen == [["d0"], []]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("filter-mirror,id=m0,netdev=hn0,outdev=c0", DuplicateId),
        ("filter-mirror,id=m1,netdev=hn0,outdev=c0", TakenChardev),
        ("filter-mirror,id=m1,netdev=hn0,outdev=c9", NoSuchReference),
        ("filter-mirror,id=m1,netdev=hn9,outdev=c1", NoSuchReference),
        ("filter-mirror,id=m1,netdev=g0,outdev=c1", StartError),
        ("filter-mirror,id=m1,netdev=hn0,outdev=c1,position=id=m9", StartError),
        ("filter-redirector,id=f1,netdev=hn0,outdev=c1,indev=p0,vnet_hdr_support=on", StartError),
        ("filter-dump,id=d1,netdev=hn0,file=/proc/nothing.pcap", StartError),
    ],
)
def test_what_cannot_be_added_leaves_nothing_behind(line: str, error: type[Exception]) -> None:
    house = a_house(
        "-chardev fake,id=c0 -chardev fake,id=c1 -chardev pair,id=p0,peer=p1"
        " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=c0"
        " -object filter-redirector,id=f0,netdev=hn0,queue=rx,outdev=p1"
    )
    before = set(house.machine.definitions)
    with pytest.raises(error):
        house.add("object", line)
    assert set(house.machine.definitions) == before
    assert set(house.machine.objects) == {"m0", "f0"}
    assert [known.id for known in house.machine.chains["hn0"].filters] == ["m0", "f0"]
    house.add("object", "filter-mirror,id=m1,netdev=hn0,queue=tx,outdev=c1")


def test_what_others_use_stays() -> None:
    compare = "colo-compare,id=comp0,primary_in=c0,secondary_in=c1,outdev=c2,iothread=t0"
    chardevs = " ".join(f"-chardev fake,id=c{n}" for n in range(3))
    house = a_house(f"{chardevs} -object iothread,id=t0 -object {compare}")
    with pytest.raises(InUse, match="object 't0' is in use by object 'comp0'"):
        house.machine.remove("object", "t0")
    with pytest.raises(InUse, match="chardev 'c0' is in use by colo-compare 'comp0'"):
        house.machine.remove("chardev", "c0")
    house.machine.remove("object", "comp0")
    house.machine.remove("object", "t0")
    house.machine.remove("chardev", "c0")
    assert not house.machine.objects


@pytest.mark.parametrize("option", ["chardev", "netdev", "device", "object", "mon"])
def test_what_is_not_there_cannot_be_removed(option: str) -> None:
    with pytest.raises(NotThere):
        a_house().machine.remove(option, "x9")


# properties


def test_a_changed_property_is_what_the_object_has_from_then_on() -> None:
    house = a_house("-object filter-buffer,id=b0,netdev=hn0,interval=1000000")
    house.machine.change("b0", "interval", 2_000_000)
    assert house.machine.definitions["object", "b0"].properties.interval == 2_000_000  # type: ignore[attr-defined]
    from_guest(house, ONE)
    house.reactor.advance(1.0)
    assert not house.netdev("hn0").packets
    house.reactor.advance(1.0)
    assert house.netdev("hn0").packets == [ONE]
    house.machine.remove("object", "b0")
    house.add("object", "filter-buffer,id=b0,netdev=hn0,interval=1")


def test_what_cannot_be_changed_says_what_can() -> None:
    house = a_house("-object filter-buffer,id=b0,netdev=hn0,interval=1000000 -object iothread,id=t0")
    with pytest.raises(NotSettable, match="these can: interval, max_backlog, status"):
        house.machine.change("b0", "netdev", "g0")
    with pytest.raises(UnknownProperty):
        house.machine.change("b0", "outdev", "c0")
    with pytest.raises(NotSettable, match="these can: none"):
        house.machine.change("t0", "poll-max-ns", "1")
    with pytest.raises(NotThere):
        house.machine.change("b9", "interval", 1)


# chardevs


def test_chardevs_come_and_go() -> None:
    house = a_house()
    house.add("chardev", "pair,id=a,peer=b")
    house.add("object", "filter-redirector,id=f0,netdev=hn0,queue=rx,outdev=a")
    with pytest.raises(InUse, match="chardev 'a' is in use by filter-redirector 'f0'"):
        house.machine.remove("chardev", "b")
    house.machine.remove("object", "f0")
    assert is_done(house.machine.remove("chardev", "b"))
    assert not house.machine.chardevs
    house.add("chardev", "null,id=a")


def test_a_chardev_that_cannot_listen_leaves_nothing_behind() -> None:
    house = a_house()
    with pytest.raises(StartError):
        house.add("chardev", "socket,id=c0,path=/proc/nothing,server=on")
    assert not house.machine.chardevs
    house.add("chardev", "null,id=c0")


# netdevs and devices


def test_a_netdev_and_its_guest_come_and_go() -> None:
    house = House("-netdev fake,id=hn0").start()
    told: list[Event] = []
    house.machine.events.subscribe(told.append)
    from_network(house, ONE)
    house.add("netdev", "fake,id=g0")
    house.add("device", "e1000,id=e0,netdev=hn0,guest=g0")
    from_network(house, TWO)
    from_guest(house, THREE)
    assert house.netdev("g0").packets == [TWO]
    assert house.netdev("hn0").packets == [THREE]
    with pytest.raises(InUse, match="netdev 'g0' is in use by device 'e0'"):
        house.machine.remove("netdev", "g0")
    house.machine.remove("device", "e0")
    assert told == [DeviceDeleted("e0", "/machine/peripheral/e0")]
    from_network(house, ONE)
    from_guest(house, ONE)
    assert house.netdev("g0").packets == [TWO]
    assert house.netdev("hn0").packets == [THREE]
    house.machine.remove("netdev", "g0")
    assert set(house.machine.netdevs) == {"hn0"}
    assert house.machine.chains["hn0"].counters.dropped_no_guest == 2


def test_a_netdev_goes_with_its_filters_which_hand_on_what_they_hold() -> None:
    house = House("-netdev fake,id=hn0 -object filter-buffer,id=b0,netdev=hn0,interval=1000000").start()
    from_network(house, ONE)
    chain = house.machine.chains["hn0"]
    house.machine.remove("netdev", "hn0")
    assert chain.counters.dropped_no_guest == 1
    assert not house.machine.objects
    assert not house.machine.chains


def test_a_guest_cannot_be_plugged_in_twice() -> None:
    house = a_house("-netdev fake,id=hn1")
    for line, what in (
        ("e1000,netdev=hn0,guest=hn1", "has a device"),
        ("e1000,netdev=hn1,guest=g0", "is another device's guest"),
        ("e1000,netdev=g0,guest=hn1", "nothing plugs into it"),
        ("e1000,netdev=hn1,guest=hn0", "a device plugs into it"),
    ):
        with pytest.raises(StartError, match=what):
            house.add("device", line)
    assert set(house.machine.chains) == {"hn0", "hn1"}


def test_a_cable_that_is_pulled_out_carries_nothing() -> None:
    house = a_house("-object filter-dump,id=d0,netdev=hn0,file=/dev/null")
    house.machine.set_link("e0", False)
    assert house.netdev("g0").link_up is False
    from_network(house, ONE)
    from_guest(house, ONE)
    assert not house.netdev("g0").packets
    assert not house.netdev("hn0").packets
    assert house.object("d0").counters.recorded == 1  # what the network sends still comes as far as the guest's end
    house.machine.set_link("hn0", False)
    from_network(house, ONE)
    assert house.object("d0").counters.recorded == 1
    assert house.machine.chains["hn0"].counters.dropped_link_down == 3
    house.machine.set_link("hn0", True)
    from_network(house, TWO)
    from_guest(house, THREE)
    assert house.netdev("g0").packets == [TWO]
    assert house.netdev("hn0").packets == [THREE]
    with pytest.raises(NotThere):
        house.machine.set_link("hn9", True)


def test_only_what_can_come_later_is_added() -> None:
    house = a_house()
    definition = house.machine.definitions["netdev", "hn0"]
    with pytest.raises(OptionError):
        house.machine.add(type(definition)("mon", definition.type, definition.properties, "-mon x"))


# what goes wrong


class Odd(FilterDrop):
    """Another package's: it can't be opened, and says so in its own way."""

    def open(self) -> None:
        raise OSError("odd")


ODD = Types({"object": (ObjectType("filter-odd", "can't be opened", FilterProperties, Odd),)})


def test_whatever_goes_wrong_nothing_is_left_behind() -> None:
    house = House(GUEST, types=ODD).start()
    with pytest.raises(OSError, match="odd"):
        house.add("object", "filter-odd,id=o0,netdev=hn0")
    assert not house.machine.objects
    assert not house.machine.chains["hn0"].filters
    from_network(house, ONE)
    assert house.netdev("g0").packets == [ONE]
    house.add("object", "filter-drop,id=o0,netdev=hn0")


def test_a_cable_that_was_pulled_out_is_in_again_where_its_end_goes() -> None:
    house = a_house()
    guest = house.netdev("g0")
    house.machine.set_link("e0", False)
    house.machine.remove("device", "e0")
    assert guest.link_up
    house.machine.set_link("hn0", False)
    house.add("device", "e1000,id=e0,netdev=hn0,guest=g0")
    assert not guest.link_up
    assert not house.machine.chains["hn0"].guest_link_up
    house.machine.set_link("hn0", True)
    assert guest.link_up


def test_a_name_that_a_device_was_given_is_taken() -> None:
    house = House("-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,netdev=hn0,guest=g0").start()
    house.add("netdev", "fake,id=hn1")
    house.add("netdev", "fake,id=g1")
    with pytest.raises(DuplicateId):
        house.add("device", "e1000,id=NIC0,netdev=hn1,guest=g1")
    house.add("device", "e1000,netdev=hn1,guest=g1")
    assert set(house.machine.devices) == {"NIC0", "NIC1"}


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("chardev", "socket,id=c9,fd=0"),
        ("netdev", "tap,id=hn9,fd=0"),
        ("netdev", "socket,id=hn9,fd=0"),
        ("netdev", "stream,id=hn9,addr.type=fd,addr.str=0"),
    ],
)
def test_what_is_open_by_now_is_something_of_ours(option: str, line: str) -> None:
    """The property's own check would be content with many of them."""
    house = a_house()
    with pytest.raises(NoSuchDescriptor, match="property 'fd': descriptors are inherited at the start only; got '0'"):
        house.add(option, line)


def test_only_start_up_waits_for_a_first_client() -> None:
    house = House(GUEST, reactor=MemoryReactorClock()).start()
    with capturedLogs() as logs:
        house.add("chardev", "socket,id=c9,host=127.0.0.1,port=1,server=on,wait=on")
    assert logs == []
    assert house.machine.status == "running"


def test_no_script_runs_while_frames_flow(tmp_path: Path) -> None:
    script = tmp_path / "up"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    house = a_house()
    with pytest.raises(OptionError, match=f"property 'script': {script} would hold all frames up"):
        house.add("netdev", f"tap,id=hn1,script={script}")
    assert set(house.machine.netdevs) == {"hn0", "g0"}


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("chardev", "socket,id=c0,host=some.where,port=1,server=on"),
        ("netdev", "socket,id=c0,listen=some.where:1"),
        ("netdev", "stream,id=c0,server=on,addr.type=inet,addr.host=some.where,addr.port=1"),
    ],
)
def test_no_name_is_looked_up_while_frames_flow(option: str, line: str) -> None:
    with pytest.raises(OptionError, match="by number"):
        a_house().add(option, line)


def test_nothing_is_added_at_the_end() -> None:
    house = a_house()
    house.machine.stopService()
    with pytest.raises(StartError, match="this process is ending"):
        house.add("object", "filter-drop,id=d0,netdev=hn0")


def test_start_up_does_not_wait_for_a_chardev_that_has_gone(tmp_path: Path) -> None:
    reactor = MemoryReactorClock()
    house = House(f"{GUEST} -chardev socket,id=w0,path=@unused,abstract=on,server=on,wait=on", reactor=reactor)
    house.chardev("w0")._link._open = lambda *_: None  # it listens where a memory reactor can't
    house.start()
    assert house.machine.status == "prelaunch"
    house.machine.remove("chardev", "w0")
    assert house.machine.status == "running"
