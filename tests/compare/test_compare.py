"""The colo-compare object: frames, channels, divergences and what on_divergence says, in memory and on a Clock."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import ICheckpointer, IColoPeer, IComparer, Outcome
from colo_twisted.machine import Machine
from colo_twisted.options import ObjectType, Properties
from colo_twisted.options.commandline import parse_arguments
from colo_twisted.options.errors import StartError
from colo_twisted.packets.marker import marker_packet
from tests.support.fakes import FakeChardev, batch_of, packet
from tests.support.house import House, Types
from tests.support.segments import ACK, FIN, SYN, Address, Segment

GUEST = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
TIMEOUT = 3.0
A_LITTLE = 0.1


def client(port: int = 40000) -> Address:
    return Address.of("52:54:00:00:00:01", "10.0.0.1", port)


def segment(seq: int, payload: bytes = b"", flags: int = ACK, port: int = 40000, ack: int = 500) -> bytes:
    options: dict[str, Any] = {"mss": 1460} if flags & SYN else {}
    return Segment(seq, ack, flags, payload=payload, **options).packet(GUEST, client(port))


@implementer(IColoPeer)
class FakePeer:
    """Remembers what it was asked; the test answers."""

    role = "primary"

    def __init__(self, properties: Properties, machine: Any) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.connected = True
        self.watchers: list[Any] = []
        self.asked: list[tuple[Any, ...]] = []
        self._pending: list[Deferred[bool]] = []

    def open(self) -> None: ...

    start = stop = close = open

    def _ask(self, *what: Any) -> Deferred[bool]:
        self.asked.append(what)
        self._pending.append(Deferred())
        return self._pending[-1]

    def name_unprotected(self, keys: Any) -> Deferred[bool]:
        return self._ask("name", keys if keys is None else len(keys))

    def protect_new(self) -> Deferred[bool]:
        return self._ask("protect new")

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        self.nonce = nonce
        return self._ask("begin")

    def done(self, number: int, offsets: Any) -> Deferred[bool]:
        return self._ask("done")

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask("abort", unchanged)

    def invalidate(self, reason: str) -> Deferred[bool]:
        return self._ask("invalidate")

    def answer(self, is_there: bool = True) -> None:
        pending, self._pending = self._pending, []
        for answer in pending:
            answer.callback(is_there)

    def come_or_go(self, connected: bool) -> None:
        self.connected = connected
        for watcher in self.watchers:
            watcher(connected)
        if not connected:
            self.answer(False)


@implementer(ICheckpointer)
class FakeCheckpointer:
    """Makes one when the test says so."""

    pauses_primary = False

    def __init__(self, properties: Properties, machine: Any) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.unasked = lambda: None
        self.made = 0
        self._under_way: Deferred[Outcome] | None = None

    def open(self) -> None: ...

    start = stop = close = open

    @property
    def is_asked(self) -> bool:
        return self._under_way is not None

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        self._under_way = Deferred()
        return self._under_way

    def cancel(self) -> None:
        self.ends(Outcome.FAILED)

    def ends(self, outcome: Outcome = Outcome.DONE) -> None:
        under_way, self._under_way = self._under_way, None
        assert under_way is not None
        under_way.callback(outcome)


TYPES = Types(
    {
        "object": (
            ObjectType("fake-peer", "a FakePeer", Properties, FakePeer),
            ObjectType("fake-checkpointer", "a FakeCheckpointer", Properties, FakeCheckpointer),
        )
    }
)


class Bench:
    """A colo-compare that runs, its three chardevs, and what may stand beside it."""

    def __init__(self, more: str = "", objects: str = "", start: bool = True) -> None:
        chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p", "s", "o"))
        compare = f"-object colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o{more}"
        self.house = House(f"{chardevs} {objects} {compare}", types=TYPES)
        self.compare = self.house.object("comp0")
        self.clock = self.house.reactor
        self.p, self.s, self.o = (self.house.chardev(id) for id in ("p", "s", "o"))
        if start:
            self.house.start()

    def primary(self, *packets: bytes) -> list[bytes]:
        return self._deliver(self.p, packets)

    def secondary(self, *packets: bytes) -> list[bytes]:
        return self._deliver(self.s, packets)

    def both(self, *packets: bytes) -> list[bytes]:
        return self.primary(*packets) + self.secondary(*packets)

    def _deliver(self, chardev: FakeChardev, packets: tuple[bytes, ...]) -> list[bytes]:
        before = len(self.o.packets)
        chardev.deliver(batch_of(*packets))
        return self.o.packets[before:]

    def wait(self, seconds: float) -> list[bytes]:
        """What goes out meanwhile."""
        before = len(self.o.packets)
        for _ in range(round(seconds / A_LITTLE)):
            self.clock.advance(A_LITTLE)
        return self.o.packets[before:]

    def connect(self, chardev: FakeChardev, connected: bool) -> None:
        chardev.connected = connected
        assert chardev.front_end is not None
        chardev.front_end.connection_changed(connected)

    def open_connection(self, port: int = 40000) -> None:
        """Both guests' SYN-ACK, ISN 100 and 9100."""
        syn = segment(100, flags=SYN | ACK, port=port)
        assert self.both(syn) == [syn]

    @property
    def counters(self) -> dict[str, int]:
        return dict(self.compare.counters.rows())

    @property
    def kinds(self) -> list[str]:
        return [divergence.kind for divergence in self.compare.divergences.kept]


PEER = "-object fake-peer,id=peer0"
CHECKPOINTER = "-object fake-checkpointer,id=cp0"


def followed(more: str = "", objects: str = "") -> Bench:
    """A bench in which new connections are followed."""
    bench = Bench(more, objects)
    if "fake-peer" in objects:
        bench.house.object("peer0").answer()
    assert bench.compare.following.state == "synced"
    return bench


def test_it_provides_what_a_comparer_promises() -> None:
    assert IComparer.providedBy(Bench().compare)


def test_a_primarys_packet_goes_out_when_the_secondarys_is_equal() -> None:
    bench = followed()
    bench.open_connection()
    data = segment(101, b"answer")
    assert bench.primary(data) == []
    assert bench.secondary(data) == [data]
    assert bench.counters["divergences"] == 0


def test_before_all_channels_are_up_nothing_is_held() -> None:
    bench = Bench(start=False)
    bench.s.connected = False
    bench.house.start()
    assert bench.compare.following.state == "alone"
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]


def test_a_connection_opened_before_the_secondary_came_is_never_held() -> None:
    bench = Bench(start=False)
    bench.s.connected = False
    bench.house.start()
    bench.primary(segment(100, flags=SYN | ACK))
    bench.connect(bench.s, True)
    assert bench.compare.following.state == "synced"
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]
    assert bench.counters["unprotected_flows"] == 1
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"held", port=40001)) == []


def test_dhcp_passes_by_a_rule_of_its_own() -> None:
    bench = followed()
    ports = (67).to_bytes(2, "big") + (68).to_bytes(2, "big")
    header = bytes.fromhex("4500 0024 0000 0000 4011 0000 0a000002 0a000001")
    dhcp = packet()[:12] + b"\x08\x00" + header + ports + bytes.fromhex("00100000") + b"whatever"
    assert bench.primary(dhcp) == [dhcp]


def test_without_a_checkpointer_a_flow_that_differs_is_let_go_after_compare_timeout() -> None:
    with capturedLogs() as logs:
        bench = followed()
        bench.open_connection()
        one, other = segment(101, b"one"), segment(101, b"two")
        assert bench.primary(one) == []
        assert bench.secondary(other) == []
        assert bench.kinds == ["payload"]
        assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
        assert bench.wait(4 * A_LITTLE) == [one]
    further = segment(104, b"more")
    assert bench.primary(further) == [further]
    lines = [formatEvent(event) for event in logs]
    assert sum("there is no checkpointer" in line for line in lines) == 1
    assert sum("divergence (payload) of TCP 10.0.0.2:80 to 10.0.0.1:40000" in line for line in lines) == 1


def test_a_packet_that_waits_in_vain_is_let_go_after_compare_timeout_in_all() -> None:
    bench = followed()
    bench.open_connection()
    data = segment(101, b"answer")
    bench.primary(data)
    assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
    assert bench.wait(4 * A_LITTLE) == [data]
    assert bench.kinds == ["unmatched"]


def test_on_divergence_release_lets_the_flow_go_at_once_and_others_stay_compared() -> None:
    bench = followed(",on_divergence=release")
    bench.open_connection()
    bench.open_connection(port=40001)
    one, other = segment(101, b"one"), segment(101, b"two")
    bench.primary(one)
    assert bench.secondary(other) == [one]
    assert bench.primary(segment(101, b"held", port=40001)) == []
    assert bench.counters["released_flows"] == 1


def test_a_released_connection_goes_when_the_colo_peer_has_answered() -> None:
    bench = followed(",on_divergence=release", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    assert bench.secondary(segment(101, b"two")) == []
    assert peer.asked[-1] == ("name", 1)
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]


def test_a_connection_met_in_mid_stream_is_named_and_passes() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    data = segment(101, b"answer")
    assert bench.primary(data) == []
    assert peer.asked[-1] == ("name", 1)
    peer.answer()
    assert bench.o.packets == [data]
    assert bench.kinds == []


def test_on_divergence_checkpoint_holds_until_the_checkpoint_is_made() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    checkpointer = bench.house.object("cp0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert checkpointer.is_asked
    assert bench.wait(TIMEOUT + 1) == []
    before = len(bench.o.packets)
    checkpointer.ends()
    assert bench.o.packets[before:] == [one]
    assert bench.counters["checkpoints"] == 1
    further = segment(104, b"more")
    assert bench.both(further) == [further]  # followed again


def test_with_a_colo_peer_the_flush_waits_for_dones_answer_and_the_secondary_for_its_marker() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.open_connection()
    one, late = segment(101, b"one"), segment(104, b"late")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert peer.asked[-1] == ("begin",)
    assert bench.primary(late) == []
    peer.answer()
    checkpointer.ends()
    assert peer.asked[-1] == ("done",)
    bench.secondary(segment(104, b"stale"))  # sent before the checkpoint
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]
    assert bench.secondary(segment(104, b"stale")) == []
    assert bench.secondary(marker_packet(peer.nonce)) == []
    assert bench.secondary(late) == [late]
    assert bench.kinds == ["payload"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNCHANGED])
def test_a_checkpoint_that_fails_is_as_if_there_were_no_checkpointer(outcome: Outcome) -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    before = len(bench.o.packets)
    bench.house.object("cp0").ends(outcome)
    assert bench.o.packets[before:] == [one]
    further = segment(104, b"more")
    assert bench.primary(further) == [further]


def test_isolate_tells_the_secondary_and_runs_alone_when_it_knows() -> None:
    bench = followed(",on_divergence=isolate", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert peer.asked[-1] == ("invalidate",)
    assert bench.compare.following.state == "lost"
    assert bench.wait(2 * TIMEOUT) == []
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]
    assert bench.compare.following.state == "alone"
    new = segment(100, flags=SYN | ACK, port=40002)
    assert bench.primary(new) == [new]


def test_isolate_without_a_colo_peer_is_refused_at_the_start() -> None:
    with pytest.raises(StartError, match="on_divergence=isolate needs a colo-peer"):
        Bench(",on_divergence=isolate")


@pytest.mark.parametrize("which", ["s", "p"])
def test_a_lost_channel_without_a_colo_peer_lets_all_go_after_compare_timeout(which: str) -> None:
    with capturedLogs() as logs:
        bench = followed()
        bench.open_connection()
        data = segment(101, b"answer")
        bench.primary(data)
        bench.connect(getattr(bench, which), False)
        assert bench.compare.following.state == "lost"
        assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
        assert bench.wait(4 * A_LITTLE) == [data]
        new = segment(100, flags=SYN | ACK, port=40001)
        assert bench.primary(new) == [new]
    assert bench.kinds == []
    assert sum("becomes unprotected" in formatEvent(event) for event in logs) == 1
    assert bench.counters["losses"] == 1


def test_a_lost_channel_with_a_colo_peer_lets_all_go_when_it_answers_and_says_lost_until_then() -> None:
    with capturedLogs() as logs:
        bench = followed("", PEER)
        peer = bench.house.object("peer0")
        bench.open_connection()
        data = segment(101, b"answer")
        bench.primary(data)
        bench.connect(bench.s, False)
        assert peer.asked[-1] == ("name", None)
        assert bench.wait(3 * TIMEOUT) == []
        before = len(bench.o.packets)
        peer.answer()
        assert bench.o.packets[before:] == [data]
    assert sum("the secondary does not answer" in formatEvent(event) for event in logs) == 1


def test_when_the_channel_is_back_new_connections_are_followed_and_old_ones_not() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.connect(bench.s, False)
    peer.answer()
    bench.connect(bench.s, True)
    assert peer.asked[-1] == ("protect new",)
    peer.answer()
    assert bench.compare.following.state == "synced"
    old = segment(101, b"old")
    assert bench.primary(old) == [old]
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"new", port=40001)) == []


def test_a_channel_that_is_back_before_the_answer_is_joined_after_it() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.connect(bench.s, False)
    bench.connect(bench.s, True)
    assert bench.compare.following.state == "lost"
    peer.answer()
    assert peer.asked[-1] == ("protect new",)
    peer.answer()
    assert bench.compare.following.state == "synced"


def test_with_a_checkpointer_a_secondary_that_is_back_is_followed_after_a_checkpoint() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    checkpointer = bench.house.object("cp0")
    bench.open_connection()
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    bench.connect(bench.s, True)
    assert checkpointer.is_asked
    assert bench.compare.following.state == "joining"
    checkpointer.ends()
    assert bench.compare.following.state == "synced"
    assert bench.primary(segment(101, b"old")) == []  # protected again, from the checkpoint on


def test_a_secondary_that_is_back_is_followed_from_dones_answer_on_with_a_colo_peer_too() -> None:
    """Not only when it has answered that new connections are protected: what is open is held from the flush on."""
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.open_connection()
    bench.connect(bench.s, False)
    peer.answer()
    bench.connect(bench.s, True)
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert bench.compare.following.state == "synced"
    bench.secondary(marker_packet(peer.nonce))
    data = segment(101, b"old")
    assert bench.both(data) == [data]


def test_a_channel_that_is_lost_during_a_checkpoint_leaves_nothing_held_for_good() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.open_connection()
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    bench.house.object("cp0").ends()
    data = segment(104, b"more")
    assert bench.primary(data) == [data]


def test_what_the_secondary_has_said_before_a_checkpoint_lets_nothing_out_while_it_is_made() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.open_connection(port=40001)
    ahead = segment(101, b"ahead", port=40001)
    bench.secondary(ahead)
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    peer.answer()  # BEGIN's: the secondary's guest stands still
    assert bench.primary(ahead) == []


def test_a_failed_checkpoint_makes_the_secondary_invalid_and_another_is_asked_for() -> None:
    with capturedLogs() as logs:
        bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
        peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
        bench.open_connection()
        bench.primary(segment(101, b"one"))
        bench.secondary(segment(101, b"two"))
        peer.answer()
        checkpointer.ends(Outcome.FAILED)
        assert ("abort", False) in peer.asked
        assert ("name", None) in peer.asked
        peer.answer()
        new = segment(100, flags=SYN | ACK, port=40001)
        assert bench.primary(new) == [new]  # nothing waits for a guest that stands still
    assert any("the secondary is invalid until a checkpoint is made" in formatEvent(event) for event in logs)
    bench.wait(11)
    peer.answer()
    assert checkpointer.is_asked
    checkpointer.ends()
    peer.answer()
    assert bench.compare.following.state == "synced"


def test_a_secondary_that_does_not_say_that_it_follows_is_told_of() -> None:
    with capturedLogs() as logs:
        bench = Bench("", PEER)
        bench.wait(TIMEOUT + 1)
    assert bench.compare.following.state == "joining"
    assert sum("the secondary does not say that it follows" in formatEvent(event) for event in logs) == 1


def test_connections_that_began_while_the_secondary_was_asked_to_follow_are_named() -> None:
    bench = Bench("", PEER)
    peer = bench.house.object("peer0")
    syn = segment(100, flags=SYN | ACK)
    assert bench.primary(syn) == [syn]
    peer.answer()
    assert peer.asked[-1] == ("name", 1)
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]


def test_a_rules_connections_are_named_again_after_a_checkpoint() -> None:
    objects = f"{PEER} {CHECKPOINTER} -object colo-passthrough,id=pt0,protocol=tcp,destination-port=80"
    bench = followed(",checkpoint=cp0", objects)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.primary(segment(100, flags=SYN | ACK))
    assert peer.asked[-1] == ("name", 1)
    peer.answer()
    ping = bytes.fromhex("4500001c 00000000 40010000 0a000002 0a000001 0000000000010001")
    bench.primary(packet()[:12] + b"\x08\x00" + ping)
    bench.wait(TIMEOUT + 1)  # a divergence
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert peer.asked[-1] == ("name", 1)


def test_a_mirror_without_a_peer_is_a_channel_that_is_down() -> None:
    mirror = "-netdev fake,id=hn0 -chardev fake,id=m -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=m"
    bench = followed("", mirror)
    bench.open_connection()
    bench.connect(bench.house.chardev("m"), False)
    assert bench.compare.following.state == "lost"
    bench.wait(TIMEOUT + 1)
    bench.connect(bench.house.chardev("m"), True)
    assert bench.compare.following.state == "synced"


def test_two_comparers_cannot_have_one_colo_peer() -> None:
    chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p2", "s2", "o2"))
    other = f"{chardevs} -object colo-compare,id=comp1,primary_in=p2,secondary_in=s2,outdev=o2"
    with pytest.raises(StartError, match="colo-peer 'peer0' is another colo-compare's"):
        Bench("", f"{PEER} {other}")


def test_a_step_of_the_wall_clock_expires_nothing() -> None:
    wall, steady = Clock(), Clock()
    chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p", "s", "o"))
    line = f"{chardevs} -object colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o"
    machine = Machine(parse_arguments(line.split(), TYPES), wall, steady.seconds)
    machine.privilegedStartService()
    machine.startService()
    ends: Any = machine.chardevs
    for end in ("p", "s"):
        ends[end].deliver(batch_of(segment(100, flags=SYN | ACK)))
    before = len(ends["o"].packets)
    ends["p"].deliver(batch_of(segment(101, b"answer")))
    wall.advance(3600)
    assert len(ends["o"].packets) == before
    steady.advance(TIMEOUT + 1)
    wall.advance(TIMEOUT + 1)
    assert len(ends["o"].packets) == before + 1


def test_a_flow_that_waited_already_is_let_go_before_one_that_differs() -> None:
    bench = followed()
    bench.open_connection()
    bench.open_connection(port=40001)
    bench.primary(segment(101, b"in vain", port=40001))
    bench.wait(TIMEOUT - 0.5)
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    assert bench.wait(1) == [segment(101, b"in vain", port=40001)]


def test_a_colo_peer_that_closes_lets_all_go() -> None:
    bench = followed("", PEER)
    bench.open_connection()
    data = segment(101, b"answer")
    bench.primary(data)
    before = len(bench.o.packets)
    bench.house.object("peer0").come_or_go(False)
    assert bench.o.packets[before:] == [data]


def test_a_secondary_that_falls_silent_is_lost_once_and_followed_when_it_speaks_again() -> None:
    bench = followed()
    for port in (40000, 40001, 40002):
        bench.open_connection(port)
    for port in (40000, 40001, 40002):
        bench.primary(segment(101, b"answer", port=port))
        bench.wait(TIMEOUT + 1)
    assert bench.counters["losses"] == 1
    bench.wait(TIMEOUT + 1)
    new = segment(100, flags=SYN | ACK, port=40003)
    assert bench.primary(new) == [new]
    bench.secondary(packet("anything"))
    assert bench.compare.following.state == "synced"
    bench.open_connection(port=40004)


def test_what_is_released_while_outdev_has_no_peer_or_lags_is_dropped_by_name() -> None:
    bench = followed()
    bench.o.connected = False
    bench.primary(packet("passes")[:12] + b"\x08\x06" + bytes(46))
    assert bench.counters["dropped_no_peer"] == 1
    bench.o.connected = True
    bench.o.backlog = 1 << 30
    bench.primary(packet("passes")[:12] + b"\x08\x06" + bytes(46))
    assert bench.counters["dropped_backlog"] == 1


def test_the_ring_of_divergences_is_bounded_and_has_both_packets() -> None:
    bench = followed(",on_divergence=release")
    for port in range(40000, 40200):
        bench.open_connection(port)
        bench.primary(segment(101, b"one", port=port))
        bench.secondary(segment(101, b"two", port=port))
    kept = bench.compare.divergences.kept
    assert len(kept) == 128
    assert kept[-1].packet == segment(101, b"one", port=40199)
    assert kept[-1].other == segment(101, b"two", port=40199)
    assert (kept[-1].seq, kept[-1].offset) == (101, 0)


def test_a_divergence_of_which_there_are_many_does_not_flood_the_log() -> None:
    with capturedLogs() as logs:
        bench = followed(",on_divergence=release")
        for port in range(40000, 40200):
            bench.open_connection(port)
            bench.primary(segment(101, b"one", port=port))
            bench.secondary(segment(101, b"two", port=port))
    assert sum("divergence (" in formatEvent(event) for event in logs) <= 5


def test_a_passthrough_rule_comes_and_goes_while_it_runs() -> None:
    objects = "-object colo-passthrough,id=pt0,protocol=tcp,destination-port=80"
    bench = followed("", objects)
    first = segment(100, flags=SYN | ACK)
    assert bench.primary(first) == [first]
    bench.house.object("pt0").stop()
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"held", port=40001)) == []
    before = len(bench.o.packets)
    bench.house.object("pt0").start()
    assert bench.o.packets[before:] == [segment(101, b"held", port=40001)]


def test_nothing_is_left_on_the_clock_when_it_stops() -> None:
    bench = followed("", PEER)
    bench.open_connection()
    bench.primary(segment(101, b"answer", flags=ACK | FIN))
    bench.connect(bench.s, False)
    bench.compare.stop()
    assert not bench.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("more", "objects", "why"),
    [
        (",checkpoint=p0", "-object iothread,id=p0", "makes no checkpoints"),
        (",peer=p0", "-object iothread,id=p0", "is no colo-peer"),
        ("", "-object fake-peer,id=a -object fake-peer,id=b", "must say which colo-peer is its own"),
    ],
)
def test_parts_that_do_not_fit_are_refused_at_the_start(more: str, objects: str, why: str) -> None:
    with pytest.raises(StartError, match=why):
        Bench(more, objects)
