"""Each kind of problem is named with its remedy while it is there, and only then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.compare.properties import CompareProperties
from colo_twisted.counters import Counters
from colo_twisted.failover import advice
from colo_twisted.failover.advice import Problem, problems
from colo_twisted.interfaces import IComparer, IMachine
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options import ObjectType
from tests.support.fakes import FakeMachine, FakeNetdev, batch_of, packet
from tests.support.house import House, Types
from tests.support.memory_tun import MemoryTun
from tests.support.wires import TYPES as WIRES
from tests.support.wires import Side, flow, plug, results

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,id=e0,netdev=hn0,guest=guest"
SECONDARY = (
    f"{CABLE} -chardev fake,id=red0 -chardev fake,id=red1"
    " -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0"
    " -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1"
    " -object filter-rewriter,id=rew0,netdev=hn0"
)
PRIMARY = (
    f"{CABLE} -chardev fake,id=c0 -chardev fake,id=c1 -chardev fake,id=c2"
    " -object judge,id=comp0,primary_in=c0,secondary_in=c1,outdev=c2"
)


@implementer(IComparer)
class Judge:
    """A comparer that is as a test says."""

    def __init__(self, properties: CompareProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.state, self.reason, self.since = "synced", "", machine.monotonic()
        self.following = SimpleNamespace(invalid=None)
        self.divergences = SimpleNamespace(kept=[])
        for id in (properties.primary_in, properties.secondary_in, properties.outdev):
            machine.chardev(id).attach(SimpleNamespace(owner=f"judge '{self.id}'"))  # type: ignore[arg-type]

    def add_passthrough(self, id: str, rule: object) -> None: ...

    def remove_passthrough(self, id: str) -> None: ...

    def open(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


TYPES = Types(
    {
        "chardev": WIRES._more["chardev"],
        "object": (*WIRES._more["object"], ObjectType("judge", "a Judge", CompareProperties, Judge)),
    }
)


def a_house(line: str) -> House:
    return House(line, types=TYPES).start()


@pytest.fixture(autouse=True)
def _compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "compiled", lambda: True)


@pytest.mark.parametrize("line", [PRIMARY, SECONDARY, CABLE])
def test_where_all_is_well_there_is_nothing_to_say(line: str) -> None:
    assert problems(a_house(line).machine) == []


# who speaks


def test_two_speakers_are_named_on_either_side() -> None:
    primary, secondary = Side("primary"), Side("secondary")
    primary.joined(secondary)
    assert not list(advice.two_speakers(primary.house.machine))
    secondary.house.machine.colo.lose_heartbeat()
    flow(secondary.end)
    remedy = (
        "stop the guest whose state is older; to make it a replica, move colo-peer's state file away and start anew"
    )
    assert list(advice.two_speakers(primary.house.machine)) == [
        Problem(
            "the secondary says that it has taken over (colo-peer 'p0'): two guests may speak to the network", remedy
        )
    ]
    assert list(advice.two_speakers(secondary.house.machine)) == [
        Problem(
            "this side has taken over, and a primary is there (colo-peer 'p0'): two guests may speak to the network",
            remedy,
        )
    ]


def test_lost_says_what_it_waits_for_and_the_way_out() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state = "lost"
    house.object("comp0").reason = "lost secondary_in"
    assert problems(house.machine) == [
        Problem(
            "lost: nothing of the guest's reaches the network (comp0): lost secondary_in",
            "it ends when the secondary answers or closes; if you know that it is dead: x-colo-lost-heartbeat"
            " (colo-ctl failover)",
        )
    ]


def test_one_that_had_taken_over_and_was_started_anew_with_its_filters_on(tmp_path: Any) -> None:
    line = (
        f"{SECONDARY} -chardev wire,id=w0 -object colo-peer,id=p0,chardev=w0,role=secondary,state-file={tmp_path}/state"
    )
    house = a_house(line)
    assert not list(advice.closed_after_take_over(house.machine))
    house.machine.colo.lose_heartbeat()
    assert not list(advice.closed_after_take_over(house.machine))
    again = a_house(line)
    plug(again.chardev("w0"), Side("primary").end)
    flow(again.chardev("w0").other)
    assert again.object("p0").connected
    assert not list(advice.two_speakers(again.machine)), "it is closed"
    (problem,) = advice.closed_after_take_over(again.machine)
    assert problem.what == (
        "this side has taken over before it was started anew, and its guest is cut off by 'f1', 'f2'"
    )
    again.machine.colo.lose_heartbeat()
    assert not list(advice.closed_after_take_over(again.machine))


# the replica


def test_an_invalid_guest_is_named_on_the_secondary() -> None:
    primary, secondary = Side("primary"), Side("secondary")
    primary.joined(secondary)
    asked = results(primary.peer.invalidate("it diverged"))
    flow(primary.end, secondary.end)
    assert asked == [True]
    assert list(advice.invalid(secondary.house.machine)) == [
        Problem(
            "the guest is invalid, no take-over is possible: the primary says so: it diverged",
            "have a checkpoint made (colo-checkpoint on the primary), or start it anew from the primary's state",
        )
    ]
    assert not list(advice.invalid(primary.house.machine))


def test_an_invalid_secondary_is_named_on_the_primary() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").following.invalid = "checkpoint 5 failed"
    (problem,) = problems(house.machine)
    assert problem.what == "the secondary's guest is invalid, nothing is protected (comp0): checkpoint 5 failed"


def test_alone_is_named_with_its_reason() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = "alone", "an operator said so"
    assert problems(house.machine) == [
        Problem(
            "alone: the guest runs uncompared, no connection would outlive it (comp0): an operator said so",
            "start the secondary, anew if it was there before",
        )
    ]


@pytest.mark.parametrize(
    ("state", "shown"), [("joining", "joining for 30 s"), ("checkpointing", "checkpointing for 30 s")]
)
def test_what_should_pass_soon_is_named_when_it_does_not(state: str, shown: str) -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = state, "it waits"
    house.reactor.advance(29)
    assert problems(house.machine) == []
    house.reactor.advance(1)
    (problem,) = problems(house.machine)
    assert problem.what.startswith(f"{state} for 30 s, ")
    assert problem.what.endswith("it waits")


@pytest.mark.parametrize(
    ("more", "named"),
    [("", True), (",on_divergence=release", False), (",checkpoint=k0", False), (",notify_dev=x0", False)],
)
def test_divergences_that_no_checkpointer_heals(more: str, named: bool) -> None:
    line = PRIMARY.replace(",outdev=c2", f",outdev=c2{more}")
    house = a_house(f"-chardev fake,id=x0 -object checkpoint-command,id=k0,command=true {line}")
    assert not list(advice.no_checkpointer(house.machine))
    house.object("comp0").divergences.kept.append(object())
    assert len(list(advice.no_checkpointer(house.machine))) == named


# the parts


@pytest.mark.parametrize(
    ("filename", "address", "remedy"),
    [
        (
            "disconnected:tcp:10.0.0.1:9003,server=on",
            "tcp:10.0.0.1:9003",
            "start the other side, which connects here",
        ),
        ("disconnected:unix:/run/x", "unix:/run/x", "the other side must listen there"),
        ("pair:other", "pair:other", "an object must use the pair's other end"),
    ],
)
def test_a_channel_that_is_down_is_named_with_its_address(filename: str, address: str, remedy: str) -> None:
    house = a_house(SECONDARY)
    house.chardev("red0").connected = False
    house.chardev("red0").filename = filename
    (problem,) = problems(house.machine)
    assert problem.what == f"indev of filter-redirector 'f1' has no peer: chardev 'red0', {address}"
    assert problem.remedy.startswith(remedy)


def test_nobody_misses_the_peer_of_a_filter_that_is_off() -> None:
    house = a_house(SECONDARY)
    house.machine.colo.lose_heartbeat()
    house.chardev("red0").connected = house.chardev("red1").connected = False
    assert problems(house.machine) == []


def test_a_chardev_that_nothing_uses() -> None:
    house = a_house(f"{CABLE} -chardev fake,id=c0")
    assert [problem.what for problem in problems(house.machine)] == ["chardev 'c0' is used by nothing"]


def test_a_netdev_without_a_guest() -> None:
    house = a_house("-netdev fake,id=hn0")
    assert problems(house.machine) == [
        Problem("netdev 'hn0' has no guest", "device_add a device with netdev=hn0, or netdev_del it")
    ]


def test_a_link_that_is_off() -> None:
    house = a_house(CABLE)
    house.machine.set_link("e0", False)
    assert [problem.what for problem in problems(house.machine)] == [
        "the link of netdev 'hn0' is off at the guest's end"
    ]
    house.machine.set_link("hn0", False)
    (problem,) = problems(house.machine)
    assert problem.what == "the link of netdev 'hn0' is off at the network's and the guest's end"
    house.machine.set_link("hn0", True)
    assert problems(house.machine) == []


def test_a_tap_that_is_down_or_gone() -> None:
    fake = FakeMachine()
    fake.reactor.removeReader = fake.reactor.removeWriter = lambda _: None
    tun = MemoryTun()
    tap = Tap(TapProperties(id="hn0", ifname="tap7", script="", downscript=""), fake, tun)
    machine: Any = SimpleNamespace(netdevs={"hn0": tap, "fake": FakeNetdev()})
    tap.open(False)
    assert not list(advice.taps_down(machine))
    tun.up = False
    assert list(advice.taps_down(machine)) == [
        Problem("TAP tap7 of netdev 'hn0' is down", "ip link set tap7 up, in the namespace where it is")
    ]
    tun.up = True
    assert not list(advice.taps_down(machine))
    tap.connectionLost(Failure(ConnectionLost()))
    assert list(advice.taps_down(machine)) == [
        Problem("TAP tap7 of netdev 'hn0' was deleted", "only a restart makes it anew")
    ]
    tap.close()


def test_filters_of_a_pair_that_are_off() -> None:
    house = a_house(SECONDARY)
    house.machine.change("f2", "status", False)
    assert [problem.what for problem in problems(house.machine)] == ["in the mode of a secondary, but off: 'f2'"]
    house.machine.colo.lose_heartbeat()
    assert problems(house.machine) == []


def test_counters_that_matter_are_named_with_what_to_do() -> None:
    house = a_house(
        f"{CABLE} -chardev stuck,id=c0 -object filter-redirector,id=r0,netdev=hn0,outdev=c0,max_backlog=128K"
    )
    for _ in range(200):
        house.netdev("hn0").receive(batch_of(packet("x", 1000)))
    value = house.object("r0").counters.dropped_backlog
    assert value
    (problem,) = problems(house.machine)
    assert problem.what == f"object r0: dropped_backlog is {value} since the start"
    assert "raise max_backlog" in problem.remedy


def test_what_is_dropped_by_design_is_not_named() -> None:
    house = a_house(f"{CABLE} -object filter-drop,id=gate,netdev=hn0")
    house.netdev("hn0").receive(batch_of(packet("x")))
    assert house.object("gate").counters.dropped_by_gate == 1
    assert problems(house.machine) == []


def test_the_slow_build(monkeypatch: pytest.MonkeyPatch) -> None:
    house = a_house(CABLE)
    monkeypatch.setattr(advice, "compiled", lambda: False)
    assert [problem.what for problem in problems(house.machine)] == ["packets/ is not compiled: about ten times slower"]


def test_every_problem_is_one_plain_line() -> None:
    house = a_house(PRIMARY.replace("fake,id=c1", "wire,id=c1") + " -netdev fake,id=hn1 -chardev fake,id=c9")
    house.object("comp0").state = "lost"
    found = problems(house.machine)
    assert len(found) == 4
    for problem in found:
        assert "\n" not in problem.what + problem.remedy
    assert found[0].what.startswith("lost"), "the worst first"
