"""The running set: how it is wired, the order in which it opens, starts and stops, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IMachine, IObject
from colo_twisted.netdev.device import DeviceProperties
from colo_twisted.netdev.tap import Tap
from colo_twisted.options import ObjectType, OptionError, Properties, StartError, prop
from colo_twisted.options.kinds import Boolean
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.build import compiled
from tests.support.fakes import FakeChardev, FakeNetdev, batch_of, packet
from tests.support.house import House, Types
from tests.support.sockets import SocketTransport, arrive

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
FRAMES = batch_of(packet("one"), packet("two"))
RUNNING = f"colo: running (packets {'compiled' if compiled() else 'not compiled: slower'})"


def filters_of(house: House, netdev: str = "hn0") -> list[str]:
    return [known.id for known in house.machine.chain(netdev).filters]


# wiring


def test_the_documents_primary_is_one_chain_between_network_and_guest() -> None:
    house = House(
        f"{CABLE} -chardev fake,id=mirror0 -chardev pair,id=compare0,peer=compare0-0 -object iothread,id=iothread1"
        " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0"
        " -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0"
    )
    machine = house.machine
    assert verifyObject(IMachine, machine)
    assert list(machine.chains) == ["hn0"]
    chain = machine.chain("hn0")
    assert (chain.network, chain.guest) == (house.netdev("hn0"), house.netdev("guest"))
    assert filters_of(house) == ["m0", "redire1"]
    assert list(machine.objects) == ["iothread1", "m0", "redire1"]
    assert list(machine.chardevs) == ["mirror0", "compare0", "compare0-0"]
    assert machine.chardev("mirror0").front_end.owner == "filter-mirror 'm0'"  # type: ignore[attr-defined]


def test_options_may_refer_to_later_ones() -> None:
    house = House(
        "-object filter-mirror,id=m0,netdev=hn0,outdev=mirror0 -device e1000,netdev=hn0,guest=guest"
        " -netdev fake,id=guest -netdev fake,id=hn0 -chardev fake,id=mirror0"
    ).start()
    house.netdev("hn0").receive(FRAMES)
    assert house.netdev("guest").sent == house.chardev("mirror0").written == [FRAMES]


@pytest.mark.parametrize(
    ("filters", "order"),
    [
        (["a", "b", "c"], "a b c"),
        (["a,position=head", "b,position=head", "c"], "b a c"),
        (["a,position=id=c", "b", "c,position=head"], "c a b"),
        (["a,position=id=b,insert=before", "b,position=id=c,insert=before", "c", "d"], "a b c d"),
        (["a,position=id=head", "head", "tail,position=id=head,insert=before"], "tail head a"),
    ],
)
def test_filters_stand_where_they_ask_to_in_any_order(filters: list[str], order: str) -> None:
    words = " ".join(f"-object filter-drop,netdev=hn0,id={each}" for each in filters)
    assert filters_of(House(f"{CABLE} {words}")) == order.split()


@pytest.fixture
def no_tun_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeviceProperties, "check_host", lambda self: None)


@pytest.mark.usefixtures("no_tun_needed")
def test_a_device_without_guest_gets_a_tap_of_its_name() -> None:
    house = House(
        "-netdev fake,id=hn0 -netdev fake,id=hn1"
        " -device e1000,id=e0,netdev=hn0,mac=52:a4:00:12:78:66 -device e1000,netdev=hn1"
    )
    first, second = house.netdev("e0"), house.netdev("NIC1")
    assert isinstance(first, Tap)
    assert (first.properties.ifname, first.address) == ("e0", bytes.fromhex("52a400127866"))
    assert (second.properties.ifname, second.address) == ("NIC1", None)
    assert house.machine.chain("hn0").guest is first
    assert house.machine.chain("hn1").guest is second
    assert list(house.machine.chains) == ["hn0", "hn1"]


@pytest.mark.usefixtures("no_tun_needed")
@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            f"{CABLE} -device e1000,netdev=hn0",
            r"-device e1000,netdev=hn0: property 'netdev': 'hn0' has a device \(one each\)",
        ),
        (
            f"{CABLE} -netdev fake,id=hn1 -device e1000,netdev=hn1,guest=guest",
            "-device e1000,netdev=hn1,guest=guest: property 'guest': 'guest' is another device's guest",
        ),
        (
            f"{CABLE} -device e1000,id=e1,netdev=guest",
            "-device e1000,id=e1,netdev=guest: property 'netdev': 'guest' is a guest's, nothing plugs into it",
        ),
        (
            "-netdev fake,id=hn0 -netdev fake,id=e0 -device e1000,id=e0,netdev=hn0",
            "-device e1000,id=e0,netdev=hn0: the id 'e0' is a netdev's too, and a TAP is to be made of that name",
        ),
        (
            f"{CABLE} -object filter-drop,id=f0,netdev=guest",
            r"-object \.\.\.,id=f0: property 'netdev': 'guest' is a guest's; filters stand on the other",
        ),
        (
            f"{CABLE} -object filter-drop,id=f0,netdev=hn0,position=id=f1"
            " -object filter-drop,id=f1,netdev=hn0,position=id=f0 -object filter-drop,id=f2,netdev=hn0",
            r"-object \.\.\.,id=f0: property 'position': there is no filter on netdev 'hn0'"
            r" that 'id=f1' could stand for",
        ),
        (
            f"{CABLE} -netdev fake,id=hn1 -object filter-drop,id=f0,netdev=hn1"
            " -object filter-drop,id=f1,netdev=hn0,position=id=f0",
            r"-object \.\.\.,id=f1: property 'position': netdev 'hn0' has no filter 'f0'",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_an_error_that_says_which(words: str, complaint: str) -> None:
    with pytest.raises(StartError, match=f"^{complaint}$"):
        House(words)


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"there is no chardev 'mirror0' \(there are: none\)$"):
        House(f"{CABLE} -object filter-mirror,id=m0,netdev=hn0,outdev=mirror0")


# life: with parts that tell what happens to them


@dataclass(frozen=True, kw_only=True)
class PartProperties(Properties):
    """What goes wrong in a part."""

    wait: bool = prop(Boolean(), "start-up waits for it", default=False)
    fails: bool = prop(Boolean(), "it can't be opened", default=False)
    breaks: bool = prop(Boolean(), "opening it raises what nobody expects", default=False)
    rests: bool = prop(Boolean(), "it can't be started", default=False)
    stays: bool = prop(Boolean(), "it can't be given back", default=False)
    slow: bool = prop(Boolean(), "giving it back takes time", default=False)


class Part:
    """Tells each event of its life to the story."""

    def __init__(self, properties: PartProperties, story: list[str]) -> None:
        self.properties = properties
        self.story = story
        self.arrival: Deferred[None] = Deferred()
        self.closing: Deferred[None] = Deferred()
        self.counters = Counters()

    def tell(self, what: str) -> None:
        self.story.append(f"{what} {self.properties.id}")

    def tell_open(self) -> None:
        self.tell("open")
        if self.properties.fails:
            raise StartError(f"{self.properties.id} can't be opened")
        if self.properties.breaks:
            raise ZeroDivisionError

    def give_back(self, how: str) -> Deferred[None] | None:
        self.tell(how)
        if self.properties.stays:
            raise OSError("it stays")
        return self.closing if self.properties.slow else None


class ToldChardev(Part, FakeChardev):
    def __init__(self, properties: PartProperties, story: list[str]) -> None:
        FakeChardev.__init__(self, properties.id)
        Part.__init__(self, properties, story)

    def open(self) -> None:
        self.tell_open()

    def start(self) -> Deferred[None] | None:
        self.tell("start")
        return self.arrival if self.properties.wait else None

    def close(self) -> Deferred[None] | None:
        return self.give_back("close")


class ToldNetdev(Part, FakeNetdev):
    def __init__(self, properties: PartProperties, story: list[str]) -> None:
        FakeNetdev.__init__(self, properties.id, vnet_hdr=True)
        Part.__init__(self, properties, story)
        self.opened_with: bool | None = None

    def open(self, vnet_hdr: bool) -> None:
        self.opened_with = vnet_hdr
        self.tell_open()

    def start(self, receive: Any) -> None:
        self.tell("start")
        super().start(receive)

    def send(self, batch: Batch) -> None:
        self.tell("send")
        super().send(batch)

    def pause(self) -> None:
        self.tell("pause")
        super().pause()

    def close(self) -> Deferred[None] | None:  # type: ignore[override]
        return self.give_back("close")


@implementer(IObject)
class ToldObject(Part):
    def __init__(self, properties: PartProperties, story: list[str]) -> None:
        super().__init__(properties, story)
        self.id = properties.id

    def open(self) -> None:
        self.tell_open()

    def start(self) -> None:
        self.tell("start")
        if self.properties.rests:
            raise ZeroDivisionError

    def stop(self) -> None:
        self.give_back("stop")

    def close(self) -> None:
        """Not part of the story."""


class ToldHouse(House):
    """A house with parts of type 'told', and their story."""

    def __init__(self, words: str) -> None:
        self.story: list[str] = []

        def told(part: type[Any]) -> tuple[ObjectType]:
            return (ObjectType("told", "", PartProperties, lambda properties, _: part(properties, self.story)),)

        types = Types({"chardev": told(ToldChardev), "netdev": told(ToldNetdev), "object": told(ToldObject)})
        super().__init__(words, types=types)

    def chapter(self) -> list[str]:
        """What happened since the last time."""
        told, self.story[:] = list(self.story), []
        return told


def a_line(worst: str = "", how: str = "") -> str:
    """Two chardevs, a cable, two objects; one of them has the property ``how``."""
    line = (
        "-object told,id=o0 -netdev told,id=hn0 -chardev told,id=c0 -device e1000,netdev=hn0,guest=guest"
        " -netdev told,id=guest -chardev told,id=c1 -object told,id=o1 "
    )
    return line.replace(f",id={worst} ", f",id={worst},{how} ") if worst else line


def test_all_is_opened_before_anything_starts_and_objects_start_before_frames_flow() -> None:
    house = ToldHouse(a_line())
    assert house.chapter() == []
    house.machine.privilegedStartService()
    assert house.chapter() == [f"open {id}" for id in ("c0", "c1", "hn0", "guest", "o0", "o1")]
    house.machine.startService()
    assert house.chapter() == [f"start {id}" for id in ("c0", "c1", "o0", "o1", "guest", "hn0")]
    house.netdev("hn0").receive(FRAMES)
    house.netdev("guest").receive(FRAMES)
    assert house.netdev("guest").sent == house.netdev("hn0").sent == [FRAMES]


@pytest.mark.parametrize("vnet_hdr", ["on", "off"])
def test_netdevs_hear_whether_all_could_carry_vnet_headers(vnet_hdr: str) -> None:
    house = ToldHouse(
        f"{a_line()} -object filter-redirector,id=r0,netdev=hn0,outdev=c0,vnet_hdr_support={vnet_hdr}"
    ).start()
    for end in (house.netdev("hn0"), house.netdev("guest")):
        assert end.opened_with is end.offloads is (vnet_hdr == "on")


def test_a_netdev_that_no_device_names_is_warned_of() -> None:
    with capturedLogs() as events:
        house = House(f"{CABLE} -netdev fake,id=hn1").start()
    lines = [formatEvent(event) for event in events if event["log_level"].name == "warn"]
    assert lines == ["colo: netdev 'hn1' has no guest: no -device names it"]
    house.netdev("hn1").receive(FRAMES)
    assert dict(house.machine.counted())["chain hn1"].dropped_no_guest == 2  # type: ignore[attr-defined]


def test_a_chardev_that_nothing_uses_is_warned_of() -> None:
    with capturedLogs() as events:
        House(f"{CABLE} -chardev pair,id=a,peer=b -object filter-mirror,id=m0,netdev=hn0,outdev=a").start()
    lines = [formatEvent(event) for event in events if event["log_level"].name == "warn"]
    assert lines == ["colo: chardev 'b' is used by nothing: no property names it"]


PARTS = ["c0", "c1", "hn0", "guest", "o0", "o1"]


@pytest.mark.parametrize("worst", PARTS)
@pytest.mark.parametrize(("how", "error"), [("fails", StartError), ("breaks", ZeroDivisionError)])
def test_what_cannot_be_opened_gives_back_all_that_was(worst: str, how: str, error: type[Exception]) -> None:
    house = ToldHouse(a_line(worst, how))
    with pytest.raises(error):
        house.machine.privilegedStartService()
    story = house.chapter()
    opened = PARTS[: PARTS.index(worst) + 1]
    assert story[: len(opened)] == [f"open {id}" for id in opened]
    ended = {line.split()[1] for line in story[len(opened) :]}
    assert ended >= set(opened)
    assert {line.split()[0] for line in story[len(opened) :]} <= {"stop", "close"}


def test_an_object_that_cannot_start_is_logged_and_keeps_no_frame_from_flowing() -> None:
    with capturedLogs() as events:
        house = ToldHouse(a_line("o0", "rests")).start()
    assert [formatEvent(event) for event in events if event["log_level"].name == "critical"] == [
        "starting object 'o0' failed"
    ]
    house.netdev("hn0").receive(FRAMES)
    assert house.netdev("guest").sent == [FRAMES]


# waiting for peers


def test_frames_flow_once_every_peer_that_is_waited_for_is_there() -> None:
    house = ToldHouse(a_line().replace("id=c0", "id=c0,wait").replace("id=c1", "id=c1,wait")).start()
    house.chapter()
    house.chardev("c1").arrival.callback(None)
    assert house.chapter() == []
    with capturedLogs() as events:
        house.chardev("c0").arrival.callback(None)
    assert house.chapter() == ["start o0", "start o1", "start guest", "start hn0"]
    assert [formatEvent(event) for event in events] == [RUNNING]


def test_what_is_stopped_while_it_waits_never_starts() -> None:
    house = ToldHouse(a_line("c0", "wait")).start()
    house.machine.stopService()
    house.chapter()
    house.chardev("c0").arrival.callback(None)
    assert house.chapter() == []


def test_a_start_that_fails_while_it_waits_is_logged() -> None:
    house = ToldHouse(a_line("c0", "wait")).start()
    house.chapter()
    with capturedLogs() as events:
        house.chardev("c0").arrival.errback(ZeroDivisionError())
    assert house.chapter() == []
    assert [event["log_format"] for event in events] == ["start-up failed"]


@pytest.fixture
def transport() -> Iterator[SocketTransport]:
    made = SocketTransport()
    yield made
    made.close()


def test_a_real_server_with_wait_on_lets_frames_flow_when_its_client_is_there(transport: SocketTransport) -> None:
    reactor = MemoryReactorClock()
    house = House(
        f"{CABLE} -chardev socket,id=mirror0,host=127.0.0.1,port=9003,server=on,wait=on"
        " -object filter-mirror,id=m0,netdev=hn0,outdev=mirror0",
        reactor,
    )
    with capturedLogs() as events:
        house.start()
    assert [server[0] for server in reactor.tcpServers] == [9003]
    assert any("start-up waits for a client on tcp:127.0.0.1:9003" in formatEvent(event) for event in events)
    with capturedLogs() as events:
        peer, _ = arrive(house.chardev("mirror0")._link, transport)
    assert RUNNING in [formatEvent(event) for event in events]
    house.netdev("hn0").receive(FRAMES)
    assert house.netdev("guest").sent == [FRAMES]
    assert transport.value() == FRAMES.data
    stopped = house.machine.stopService()
    assert transport.disconnecting
    peer.connectionLost(Failure(ConnectionDone()))
    assert stopped.called
    assert reactor.getDelayedCalls() == []


def test_a_real_server_with_wait_off_lets_frames_flow_at_once() -> None:
    house = House(
        f"{CABLE} -chardev socket,id=mirror0,host=127.0.0.1,port=9003,server,nowait"
        " -object filter-mirror,id=m0,netdev=hn0,outdev=mirror0",
        MemoryReactorClock(),
    ).start()
    house.netdev("hn0").receive(FRAMES)
    assert house.netdev("guest").sent == [FRAMES]


# the end


def test_sources_pause_then_objects_hand_on_what_they_hold_then_all_is_closed_then_counters_are_logged() -> None:
    house = ToldHouse(f"{a_line()} -object filter-buffer,id=b0,netdev=hn0,interval=1s").start()
    house.netdev("hn0").receive(FRAMES)
    house.netdev("guest").receive(FRAMES)
    house.chapter()
    with capturedLogs() as events:
        stopped = house.machine.stopService()
    story = house.chapter()
    assert [sorted(story[:2]), story[2:6], sorted(story[6:])] == [
        ["pause guest", "pause hn0"],
        ["stop o0", "stop o1", "send guest", "send hn0"],
        ["close c0", "close c1", "close guest", "close hn0"],
    ]
    assert stopped.called
    assert [formatEvent(event).splitlines()[0] for event in events] == ["colo: counters"]
    assert "object b0     held=4 released=4" in formatEvent(events[0])


@pytest.mark.parametrize("order", [1, -1])
def test_the_last_frames_of_a_buffer_are_recorded_whichever_was_named_first(order: int, tmp_path: Path) -> None:
    filters = (
        f"-object filter-dump,id=d0,netdev=hn0,file={tmp_path}/record",
        "-object filter-buffer,id=b0,netdev=hn0,interval=1s,position=head",
    )
    house = House(f"{CABLE} {' '.join(filters[::order])}").start()
    house.netdev("hn0").receive(FRAMES)
    house.machine.stopService()
    assert dict(house.machine.counted())["object d0"].recorded == 2  # type: ignore[attr-defined]


def test_the_end_waits_for_what_takes_time_to_close() -> None:
    house = ToldHouse(a_line("guest", "slow")).start()
    with capturedLogs() as events:
        stopped = house.machine.stopService()
        assert not stopped.called
        assert events == []
        house.netdev("guest").closing.callback(None)
    assert stopped.called
    assert len(events) == 1


@pytest.mark.parametrize("worst", PARTS)
def test_what_cannot_be_given_back_is_logged_and_keeps_no_other_from_ending(worst: str) -> None:
    house = ToldHouse(a_line(worst, "stays")).start()
    house.chapter()
    with capturedLogs() as events:
        stopped = house.machine.stopService()
    assert stopped.called
    ended = [line for line in house.chapter() if not line.startswith("pause")]
    assert sorted(ended) == sorted(["stop o0", "stop o1", "close c0", "close c1", "close hn0", "close guest"])
    failed, counters = (formatEvent(event) for event in events)
    assert f"'{worst}' failed" in failed
    assert counters.startswith("colo: counters")


def test_stopping_what_never_started_is_harmless() -> None:
    house = House(
        f"{CABLE} -chardev socket,id=c0,host=127.0.0.1,port=9003,server -chardev pair,id=a,peer=b"
        " -object filter-buffer,id=b0,netdev=hn0,interval=1s -object filter-dump,id=d0,netdev=hn0,file=/never.pcap"
        " -object filter-redirector,id=r0,netdev=hn0,indev=a,outdev=c0",
        MemoryReactorClock(),
    )
    assert house.machine.stopService().called


# what was counted


def test_everything_that_counts_stands_in_the_table_under_its_kind_and_id() -> None:
    house = House(f"{CABLE} -chardev null,id=c0 -object filter-mirror,id=m0,netdev=hn0,outdev=c0").start()
    assert [name for name, _ in house.machine.counted()] == [
        "chardev c0",
        "netdev hn0",
        "netdev guest",
        "chain hn0",
        "object m0",
    ]
    house.netdev("hn0").receive(FRAMES)
    with capturedLogs() as events:
        house.machine.log_counters()
    assert formatEvent(events[0]).splitlines() == [
        "colo: counters",
        "  chardev c0    dropped_null=2",
        "  netdev hn0    -",
        "  netdev guest  -",
        "  chain hn0     -",
        "  object m0     mirrored=2",
    ]
