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
from colo_twisted.failover.mode import ALONE_BY_REQUEST
from colo_twisted.interfaces import FrontEnd, IComparer, IMachine
from colo_twisted.netdev.tap import Tap
from colo_twisted.netdev.tap_properties import TapProperties
from colo_twisted.options import ObjectType
from tests.support.compare_bench import PEER, TIMEOUT, Bench, followed, segment
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
        self.down: list[str] = []
        for id in (properties.primary_in, properties.secondary_in, properties.outdev):
            machine.chardev(id).attach(FrontEnd(f"judge '{self.id}'", receive=lambda batch: None))

    def channels(self) -> list[tuple[str, bool]]:
        names = dict.fromkeys(("primary_in", "secondary_in", "outdev", "colo-peer", *self.down))
        return [(name, name not in self.down) for name in names]

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


def test_what_can_wait_comes_last() -> None:
    house = a_house(f"{PRIMARY} -chardev fake,id=c9")
    house.object("comp0").state, house.object("comp0").reason = "alone", ALONE_BY_REQUEST
    house.machine.set_link("hn0", False)
    assert [problem.severity for problem in problems(house.machine)] == ["error", "error", "warning"]


# who speaks


PAIR = "-chardev pair,id=compare0,peer=compare0-0"
REDIRE1 = "-object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0"
CUT_OFF = Problem(
    "the guest of netdev 'hn0' is cut off from the network: filter-redirector 'redire1' takes what it sends to chardev"
    " 'compare0', where nobody reads",
    "colo-ctl set redire1 status=off lets it through, uncompared; or add what is to read at chardev 'compare0-0'"
    " (colo-ctl add object colo-compare,primary_in=compare0-0,...)",
)


def test_a_guest_whose_redirector_leads_to_no_comparer_is_cut_off() -> None:
    """As on the only live guest, after a take-over, when colo-compare could not be added."""
    house = a_house(f"{CABLE} {PAIR} {REDIRE1} -chardev fake,id=c1 -chardev fake,id=c2")
    first, *others = problems(house.machine)
    assert first == CUT_OFF
    assert {problem.severity for problem in others} == {"warning"}, "the pair's end isn't named once more"
    house.machine.change("redire1", "status", False)
    assert not list(advice.cut_off(house.machine))
    house.machine.change("redire1", "status", True)
    house.add("object", "judge,id=comp0,primary_in=compare0-0,secondary_in=c1,outdev=c2")
    assert problems(house.machine) == []


def test_a_guest_is_cut_off_where_nobody_is_connected() -> None:
    house = a_house(f"{CABLE} {PAIR.replace('pair', 'fake').replace(',peer=compare0-0', '')} {REDIRE1}")
    house.chardev("compare0").connected = False
    (problem,) = problems(house.machine)
    assert problem.what == CUT_OFF.what
    assert problem.remedy == (
        "colo-ctl set redire1 status=off lets it through, uncompared; or start what is to read there"
    )


def test_a_secondary_is_meant_to_be_cut_off_while_its_primary_is_away() -> None:
    house = a_house(SECONDARY)
    house.chardev("red1").connected = False
    (problem,) = problems(house.machine)
    assert problem.what.startswith("outdev of filter-redirector 'f2' has no peer")


def test_two_speakers_are_named_on_either_side() -> None:
    primary, secondary = Side("primary"), Side("secondary")
    primary.joined(secondary)
    assert not list(advice.two_speakers(primary.house.machine))
    secondary.house.machine.colo.lose_heartbeat()
    flow(secondary.end)
    (mine,), (theirs,) = (list(advice.two_speakers(side.house.machine)) for side in (primary, secondary))
    assert mine.what.startswith(
        "the other side has taken over, or gone on alone (colo-peer 'p0'): this side's guest is"
    )
    assert mine.remedy.startswith("stop this side's guest; to make it a replica, move its colo-peer's state-file away")
    assert theirs.what.startswith(
        "this side has taken over, and a primary is there (colo-peer 'p0'): were that one not"
    )
    assert theirs.remedy.startswith("stop the other side's guest: its state is the older one; ")
    assert not list(advice.shut(primary.house.machine)), "that has been said"


def test_lost_says_what_it_waits_for_and_the_way_out() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state = "lost"
    house.object("comp0").reason = "lost secondary_in"
    assert problems(house.machine) == [
        Problem(
            "lost: nothing of the guest's reaches the network (comp0): lost secondary_in",
            "it ends when the secondary answers or closes; if you know that it is dead: colo-ctl failover",
        )
    ]


def test_a_survivor_that_was_started_anew_is_shut_until_it_hears_that_it_is_the_newer(tmp_path: Any) -> None:
    line = (
        f"{SECONDARY} -chardev wire,id=w0 -object colo-peer,id=p0,chardev=w0,role=secondary,state-file={tmp_path}/state"
    )
    house = a_house(line)
    house.machine.colo.lose_heartbeat()
    assert not list(advice.shut(house.machine))
    again = a_house(line)
    (problem,) = advice.shut(again.machine)
    assert problem.what.startswith(
        "shut: nothing of this side's guest reaches the network (p0): the other side has not"
    )
    old = Side("primary")
    plug(again.chardev("w0"), old.end)
    flow(again.chardev("w0"), old.end)
    assert not list(advice.shut(again.machine))
    assert again.object("p0").standing.state == "taken-over"
    assert not again.object("f1").status
    assert old.peer.overtaken


def test_a_secondary_that_misses_the_primary_is_named(tmp_path: Any) -> None:
    secondary = Side("secondary")
    secondary.peer.standing.become("lost", "the primary is silent")
    (problem,) = advice.primary_lost(secondary.house.machine)
    assert problem.what == "lost: the primary is silent (colo-peer 'p0')"


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
            "colo-ctl checkpoint on the primary has one made that ends it; or start it anew from the primary's state",
        )
    ]
    assert not list(advice.invalid(primary.house.machine))


def test_an_invalid_secondary_is_named_on_the_primary() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").following.invalid = "checkpoint 5 failed"
    (problem,) = problems(house.machine)
    assert problem.what == "the secondary's guest is invalid, nothing is protected (comp0): checkpoint 5 failed"


@pytest.mark.parametrize(
    ("reason", "down", "remedy"),
    [
        ("secondary_in is silent", [], "look at the secondary's guest: does it run, is its interface up"),
        ("there is no filter-mirror any more", ["mirror"], "colo-ctl add object filter-mirror,"),
        ("the secondary was made invalid: it diverged", [], "colo-ctl checkpoint, where there is a checkpointer; else"),
        ("colo-peer is not connected", ["colo-peer"], "the other side must have a colo-peer with role=secondary"),
        (
            "colo-qemu 'qemu0': it is not under COLO (query-colo-status says mode none)",
            ["colo-qemu 'qemu0'"],
            "put both QEMUs under COLO: ",
        ),
        (
            "colo-qemu 'qemu0': its QMP socket is not connected",
            ["colo-qemu 'qemu0'"],
            "does that QEMU run, with -qmp there,",
        ),
        ("something new", [], "both sides' logs say more; start the secondary, anew if it was there before"),
    ],
)
def test_alone_is_named_with_its_reason_and_what_ends_that(reason: str, down: list[str], remedy: str) -> None:
    house = a_house(PRIMARY)
    comparer = house.object("comp0")
    comparer.state, comparer.reason, comparer.down = "alone", reason, down
    (problem,) = problems(house.machine)
    assert problem.what == f"alone: the guest runs uncompared, no connection would outlive it (comp0): {reason}"
    assert problem.severity == "error"
    assert problem.remedy.startswith(remedy)


MIRROR = (
    "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0 -chardev fake,id=mc0"
    " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mc0"
)


def silent() -> Bench:
    bench = followed()
    ports = (40000, 40001, 40002)
    for port in ports:
        bench.open_connection(port)
    for port in (*ports, 40003):
        bench.primary(segment(101, b"answer", port=port))
        bench.wait(TIMEOUT + 1)
    return bench


def unmirrored() -> Bench:
    bench = followed("", MIRROR)
    bench.machine.remove("object", "m0")
    bench.wait(TIMEOUT + 1)
    return bench


def isolated() -> Bench:
    bench = followed(",on_divergence=isolate", PEER)
    bench.open_connection()
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    bench.house.object("peer0").answer()
    return bench


def without_hello() -> Bench:
    bench = followed("", PEER)
    bench.house.object("peer0").come_or_go(False)
    return bench


def by_request() -> Bench:
    bench = followed()
    bench.machine.colo.lose_heartbeat()
    return bench


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (silent, "look at the secondary's guest"),
        (unmirrored, "colo-ctl add object filter-mirror"),
        (isolated, "colo-ctl checkpoint, where there is a checkpointer; else"),
        (without_hello, "the other side must have a colo-peer"),
        (by_request, "start the secondary anew, or"),
    ],
)
def test_a_true_colo_compare_that_is_alone_has_the_remedy_for_its_reason(make: Any, remedy: str) -> None:
    bench = make()
    assert bench.compare.state == "alone"
    (problem,) = advice.alone(bench.machine)
    assert problem.remedy.startswith(remedy)


def test_one_that_joins_has_it_too() -> None:
    bench = Bench("", PEER)
    bench.wait(11)
    (problem,) = advice.joining(bench.machine)
    assert problem.remedy.startswith("colo-ctl status on the secondary")
    off = Bench("", f"{MIRROR},status=off")
    off.wait(11)
    assert off.compare.state == "joining"
    assert not list(advice.joining(off.machine))
    assert [problem.what for problem in advice.filters_off(off.machine)] == ["in the mode of a primary, but off: 'm0'"]


def test_without_its_secondary_a_true_one_leaves_it_to_the_channel() -> None:
    bench = followed()
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    assert bench.compare.state == "alone"
    assert not list(advice.alone(bench.machine))
    assert [problem.what[:32] for problem in advice.channels_down(bench.machine)] == [
        "secondary_in of colo-compare 'co"
    ]


def test_alone_by_an_operators_word_while_a_secondary_is_there_asks_for_a_new_one() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = "alone", ALONE_BY_REQUEST
    (problem,) = problems(house.machine)
    assert problem.severity == "error"
    assert problem.remedy.startswith("start the secondary anew")


def test_a_channel_that_is_down_says_enough_of_a_primary_that_is_alone() -> None:
    house = a_house(PRIMARY)
    comparer = house.object("comp0")
    comparer.state, comparer.reason, comparer.down = "alone", "secondary_in is not connected", ["secondary_in"]
    house.chardev("c1").connected = False
    (problem,) = problems(house.machine)
    assert problem.what.startswith("secondary_in of judge 'comp0' has no peer")


def test_so_does_a_colo_peers() -> None:
    house = a_house(f"-chardev wire,id=w0 -object colo-peer,id=p0,chardev=w0,role=primary {PRIMARY}")
    comparer = house.object("comp0")
    comparer.state, comparer.reason, comparer.down = "alone", "colo-peer is not connected", ["colo-peer"]
    assert [problem.what[:32] for problem in problems(house.machine)] == ["chardev of colo-peer 'p0' has no"]
    house.chardev("w0").connected = True
    assert [problem.what[:6] for problem in problems(house.machine)] == ["alone:"]


def test_a_checkpoint_that_takes_long_is_named() -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = "checkpointing", "it waits"
    house.reactor.advance(29)
    assert problems(house.machine) == []
    house.reactor.advance(1)
    (problem,) = problems(house.machine)
    assert problem.what == "checkpointing for 30 s, the secondary's guest stands still: it waits"


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("it waits for the secondary to say that it follows", "colo-ctl status on the secondary: is its guest invalid"),
        ("it waits for a checkpoint", "look at the checkpointer"),
        ("", "both sides' logs say more"),
    ],
)
def test_a_primary_that_joins_for_long_says_what_it_waits_for(reason: str, remedy: str) -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = "joining", reason
    house.reactor.advance(10)
    assert problems(house.machine) == []
    house.reactor.advance(1)
    (problem,) = problems(house.machine)
    assert problem.what == f"joining for 11 s, nothing new is protected: {reason or 'it does not say why'}"
    assert problem.severity == "error"
    assert problem.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "reason", ["the secondary is invalid until a checkpoint is made: number 5 failed", "filter-mirror 'm0' is off"]
)
def test_what_another_problem_tells_of_joining_is_told_once(reason: str) -> None:
    house = a_house(PRIMARY)
    house.object("comp0").state, house.object("comp0").reason = "joining", reason
    house.reactor.advance(11)
    assert not list(advice.joining(house.machine))


def test_a_secondary_that_joins_for_long_says_what_it_waits_for() -> None:
    """Nobody is there; somebody is, but no colo-peer; and it is, but protects nothing."""
    primary, secondary = Side("primary"), Side("secondary")
    machine = secondary.house.machine
    secondary.house.reactor.advance(11)
    assert [problem.what[:29] for problem in problems(machine)] == ["chardev of colo-peer 'p0' has"]
    secondary.end.change(True)
    (problem,) = problems(machine)
    assert problem.what == "joining for 11 s, nothing new is protected: the primary is not there"
    assert problem.remedy.startswith("the other side must have a colo-peer with role=primary there")
    primary.joined(secondary)
    (problem,) = problems(machine)
    assert problem.what.endswith(": the primary does not protect new connections yet")
    assert problem.remedy.startswith("colo-ctl status on the primary: ")
    results(primary.peer.protect_new())
    flow(primary.end, secondary.end)
    assert problems(machine) == []


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
    assert [problem.what for problem in problems(house.machine) if problem.severity == "error"] == [ALONE]


ALONE = "this side has taken over, and has no replica: no connection would outlive it"
GATED = f"{SECONDARY} -object filter-drop,id=gate0,netdev=hn0,queue=tx,position=head"


def test_what_a_take_over_leaves_behind_is_a_note_with_the_commands_that_remove_it() -> None:
    """It was advised to start the primary, whose colo-peer had no peer any more."""
    house = a_house(f"{GATED} -chardev wire,id=peer0 -object colo-peer,id=cp0,chardev=peer0,role=secondary")
    house.machine.colo.lose_heartbeat()
    house.chardev("red0").connected = house.chardev("red1").connected = False
    alone, problem = problems(house.machine)
    assert alone.what == ALONE
    assert "colo-ctl resume --listen" in alone.remedy
    assert problem == Problem(
        "left over from before the take-over: 'gate0', 'f2', 'f1', 'cp0'",
        "colo-ctl resume removes that; by hand (resume needs --peer then): colo-ctl del object gate0 f2 f1 cp0, then"
        " colo-ctl del chardev red1 red0 peer0",
        "warning",
    )
    for id in ("gate0", "f2", "f1", "cp0"):
        house.machine.remove("object", id)
    assert all(problem.what.endswith(" is used by nothing") for problem in problems(house.machine)[1:])
    for id in ("red1", "red0", "peer0"):
        house.machine.remove("chardev", id)
    assert [problem.what for problem in problems(house.machine)] == [ALONE]


def test_what_still_has_a_peer_is_not_left_over() -> None:
    house = a_house(GATED)
    house.machine.colo.lose_heartbeat()
    assert [problem.what for problem in problems(house.machine)] == [ALONE]
    house.chardev("red1").connected = False
    _, problem = problems(house.machine)
    assert problem.remedy.endswith(": colo-ctl del object gate0 f2, then colo-ctl del chardev red1")


def test_one_that_is_a_primary_since_is_not_told_to_turn_them_on_again() -> None:
    house = a_house(f"{SECONDARY} -chardev fake,id=c0 -chardev fake,id=c1 -chardev fake,id=c2")
    house.machine.colo.lose_heartbeat()
    house.add("object", "judge,id=comp0,primary_in=c0,secondary_in=c1,outdev=c2")
    assert house.machine.colo.mode == "primary"
    house.chardev("red0").connected = house.chardev("red1").connected = False
    assert [problem.what for problem in problems(house.machine)] == ["left over from before the take-over: 'f2', 'f1'"]


def test_a_chardev_that_nothing_uses() -> None:
    house = a_house(f"{CABLE} -chardev fake,id=c0")
    assert problems(house.machine) == [
        Problem(
            "chardev 'c0' is used by nothing", "name it in an object's property, or colo-ctl del chardev ID", "warning"
        )
    ]


def test_a_netdev_without_a_guest() -> None:
    house = a_house("-netdev fake,id=hn0")
    assert problems(house.machine) == [
        Problem("netdev 'hn0' has no guest", "colo-ctl add device MODEL,id=ID,netdev=hn0, or colo-ctl del netdev hn0")
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
    assert problem.remedy == "colo-ctl qmp set_link name=hn0 up=true"
    house.machine.set_link("hn0", True)
    assert problems(house.machine) == []


def test_a_tap_that_is_down_or_gone() -> None:
    fake = FakeMachine()
    fake.reactor.removeReader = fake.reactor.removeWriter = lambda _: None
    tun = MemoryTun()
    tap = Tap(TapProperties(id="hn0", ifname="tap7", script="", downscript=""), fake, tun)
    colo = SimpleNamespace(mode="primary")
    machine: Any = SimpleNamespace(netdevs={"hn0": tap, "fake": FakeNetdev()}, chains={"hn0": None}, colo=colo)
    tap.open(False)
    assert not list(advice.taps_down(machine))
    tun.up = False
    assert list(advice.taps_down(machine)) == [
        Problem("TAP tap7 of netdev 'hn0' is down", "ip link set tap7 up, in the namespace where it is")
    ]
    colo.mode = "secondary"
    (problem,) = advice.taps_down(machine)
    assert problem.remedy == (
        "ip link set tap7 up, in the namespace where it is; as it is, this side could not take over: its guest would"
        " reach no client"
    )
    machine.chains = {}
    assert next(advice.taps_down(machine)).remedy.endswith("where it is"), "it is the guest's"
    colo.mode = "primary"
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
    assert problems(house.machine) == [
        Problem("in the mode of a secondary, but off: 'f2'", "when all else is in place: colo-ctl set f2 status=on")
    ]
    house.machine.colo.lose_heartbeat()
    assert [problem.what for problem in problems(house.machine)] == [ALONE]


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
