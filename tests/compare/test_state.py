"""What state the replica is in, why, since when, and that each change is told once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.events import ReplicaState
from colo_twisted.interfaces import Outcome
from tests.support.compare_bench import A_LITTLE, CHECKPOINTER, PEER, TIMEOUT, Bench, followed, segment
from tests.support.segments import ACK, SYN

BOTH = f"{PEER} {CHECKPOINTER}"
NETDEV = "-netdev fake,id=hn0 -chardev fake,id=m -chardev fake,id=m2"
MIRROR = f"{NETDEV} -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=m"
OFF = f"{MIRROR},status=off"
SECOND = "filter-mirror,id=m1,netdev=hn0,queue=tx,outdev=m2"


def diverge(bench: Bench, port: int = 40000) -> None:
    bench.open_connection(port)
    bench.primary(segment(101, b"one", port=port))
    bench.secondary(segment(101, b"two", port=port))


# states


def test_a_replica_is_synced_as_soon_as_all_channels_are_up() -> None:
    bench = Bench(start=False)
    assert (bench.compare.state, bench.compare.reason) == ("alone", "it has not been started")
    bench.house.start()
    assert bench.states == ["synced"]
    assert bench.compare.reason == ""


def test_without_its_secondary_it_is_alone_and_says_what_is_missing() -> None:
    bench = Bench(start=False)
    bench.s.connected = bench.o.connected = False
    bench.house.start()
    assert bench.told == [ReplicaState("comp0", "alone", "secondary_in and outdev are not connected")]
    bench.connect(bench.o, True)
    assert bench.told[1:] == [ReplicaState("comp0", "alone", "secondary_in is not connected")]
    bench.connect(bench.s, True)
    assert bench.states[2:] == ["synced"]


def test_it_joins_until_the_secondary_says_that_it_follows() -> None:
    bench = Bench("", PEER)
    assert (bench.compare.state, bench.compare.reason) == (
        "joining",
        "it waits for the secondary to say that it follows",
    )
    bench.house.object("peer0").answer()
    assert bench.states == ["joining", "synced"]


def test_a_loss_is_told_with_what_is_lost_and_what_it_waits_for() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    assert bench.states == ["joining", "synced"]
    bench.connect(bench.s, False)
    assert bench.compare.reason == (
        "secondary_in is not connected;"
        " nothing leaves until the secondary answers, or its colo-peer's connection closes"
    )
    peer.answer()
    assert bench.states == ["lost", "alone"]
    assert bench.compare.reason == "secondary_in is not connected"
    bench.connect(bench.s, True)
    peer.answer()
    assert bench.states == ["joining", "synced"]


def test_without_a_colo_peer_it_waits_for_the_time_out() -> None:
    bench = followed()
    assert bench.states == ["synced"]
    bench.connect(bench.s, False)
    assert bench.compare.reason == "secondary_in is not connected; what is held goes after compare_timeout"
    bench.wait(TIMEOUT + 1)
    assert bench.states == ["lost", "alone"]


def test_a_secondary_that_is_bound_is_followed_without_its_colo_peer_and_told_so_when_that_is_back() -> None:
    bench = followed(objects=PEER)
    peer = bench.house.object("peer0")
    peer.bound = True
    asked = list(peer.asked)
    peer.come_or_go(False)
    assert bench.compare.state == "synced"
    assert peer.asked == asked
    peer.come_or_go(True)
    assert peer.asked == [*asked, ("protect new",)]
    peer.answer()
    assert bench.compare.state == "synced"


def test_another_process_in_its_place_is_not_told_that_it_follows() -> None:
    bench = followed(objects=PEER)
    peer = bench.house.object("peer0")
    peer.bound = True
    asked = list(peer.asked)
    peer.come_or_go(False)
    peer.bound = False
    peer.come_or_go(True)
    assert peer.asked == asked


def test_a_colo_peer_that_closes_is_a_loss_that_is_over_at_once() -> None:
    bench = followed("", PEER)
    bench.told.clear()
    bench.house.object("peer0").come_or_go(False)
    assert bench.states == ["lost", "alone"]
    assert bench.compare.reason == "colo-peer is not connected"


def test_a_silent_secondary_is_named() -> None:
    bench = followed()
    bench.fall_silent()
    assert bench.compare.reason.startswith("secondary_in is silent")


def test_a_secondary_that_is_not_heard_of_when_a_single_connection_is_named_is_lost() -> None:
    """A process that was stopped keeps its connections open, and with one client nothing else would tell."""
    bench = followed(",on_divergence=release", PEER)
    peer = bench.house.object("peer0")
    diverge(bench)
    bench.wait(TIMEOUT - A_LITTLE)
    assert bench.compare.state == "synced"
    bench.wait(2 * A_LITTLE)
    assert bench.compare.state == "lost"
    assert bench.compare.reason.startswith("the secondary does not answer; nothing leaves until")
    peer.answer()
    assert bench.compare.state == "joining"
    peer.answer()
    assert bench.compare.state == "synced"


def test_each_naming_has_its_own_time() -> None:
    bench = followed(",on_divergence=release", PEER)
    peer = bench.house.object("peer0")
    diverge(bench)
    bench.wait(TIMEOUT / 2)
    diverge(bench, 40001)
    bench.wait(TIMEOUT / 2 - A_LITTLE)
    peer.answer()
    bench.wait(TIMEOUT)
    assert bench.compare.state == "synced"


def test_since_is_when_it_came_into_that_state() -> None:
    bench = followed()
    bench.wait(5)
    bench.connect(bench.s, False)
    assert bench.compare.since == pytest.approx(5)
    bench.wait(1)
    bench.connect(bench.p, False)
    assert bench.compare.since == pytest.approx(5)
    bench.wait(TIMEOUT)
    assert bench.compare.since == pytest.approx(5 + TIMEOUT, abs=0.2)


def test_isolation_is_lost_then_alone_with_its_reason() -> None:
    bench = followed(",on_divergence=isolate", PEER)
    bench.told.clear()
    diverge(bench)
    assert bench.compare.reason.startswith("the secondary is told that it is invalid: TCP 10.0.0.2:80")
    bench.house.object("peer0").answer()
    assert bench.states == ["lost", "alone"]
    assert bench.compare.reason.startswith("the secondary was made invalid: TCP 10.0.0.2:80")


# checkpoints


def test_it_checkpoints_from_begin_to_the_flush() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.told.clear()
    diverge(bench)
    assert (bench.states, bench.compare.checkpoint_phase) == (["checkpointing"], "beginning")
    assert bench.compare.reason.startswith("TCP 10.0.0.2:80 to 10.0.0.1:40000 at sequence number 101: the payloads")
    peer.answer()
    assert (bench.states, bench.compare.checkpoint_phase) == ([], "making")
    checkpointer.ends()
    assert (bench.states, bench.compare.checkpoint_phase) == ([], "ending")
    peer.answer()
    assert (bench.states, bench.compare.checkpoint_phase) == (["synced"], "idle")


def test_a_join_by_a_checkpoint_is_joining_checkpointing_synced() -> None:
    bench = followed(",checkpoint=cp0,checkpoint_min_interval=60000", BOTH)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.compare.request_checkpoint("a test")
    peer.answer()
    checkpointer.ends()
    peer.answer()
    bench.told.clear()
    bench.connect(bench.s, False)
    peer.answer()
    bench.connect(bench.s, True)
    assert bench.compare.reason == "it waits for a checkpoint"
    bench.machine.change("comp0", "checkpoint_min_interval", 0)
    bench.wait(0.1)
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert bench.states == ["lost", "alone", "joining", "checkpointing", "synced"]


def test_a_failed_one_makes_the_secondary_invalid() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.told.clear()
    diverge(bench)
    peer.answer()
    checkpointer.ends(Outcome.FAILED)
    assert bench.compare.reason.startswith("the secondary is invalid until a checkpoint is made: the checkpointer says")
    peer.answer()
    assert bench.states == ["checkpointing", "lost", "joining"]
    assert bench.compare.reason == (
        "the secondary is invalid until a checkpoint is made: the checkpointer says: failed"
    )


def test_one_that_left_all_as_it_was_is_over_when_it_is() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.told.clear()
    diverge(bench)
    bench.house.object("cp0").ends(Outcome.UNCHANGED)
    assert bench.states == ["checkpointing", "synced"]


def test_a_loss_meanwhile_counts_more() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.told.clear()
    diverge(bench)
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    assert bench.states == ["checkpointing", "lost", "alone"]


def test_one_that_is_made_while_alone_ends_that() -> None:
    """The secondary takes all for followed from DONE on: so it must be."""
    bench = followed(",checkpoint=cp0", BOTH)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.compare.run_alone("an operator said so")
    peer.answer()
    bench.told.clear()
    bench.compare.request_checkpoint("an operator asked for it")
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert bench.states[-1] == "synced"
    assert bench.primary(segment(100, flags=SYN | ACK, port=41000)) == []  # it waits for the secondary's


def test_one_that_ends_while_a_channel_is_down_protects_nothing_and_the_secondary_is_told() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.connect(bench.s, False)
    peer.answer()
    bench.compare.request_checkpoint("an operator asked for it")
    peer.answer()
    checkpointer.ends()
    peer.asked.clear()
    peer.answer()
    assert bench.compare.state == "alone"
    assert peer.asked == [("name", None)]


def test_whoever_comes_back_is_told_that_what_is_open_is_unprotected() -> None:
    """Its colo-peer's connection was closed when the primary said so first: it may live all the same."""
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    peer.come_or_go(False)
    peer.asked.clear()
    peer.come_or_go(True)
    assert peer.asked == [("name", None), ("protect new",)]


def test_without_a_checkpointer_there_is_no_phase() -> None:
    assert followed().compare.checkpoint_phase is None


# mirrors


def test_filters_that_are_switched_on_last_make_it_synced() -> None:
    bench = Bench("", OFF)
    assert (bench.compare.state, bench.compare.reason) == ("joining", "filter-mirror 'm0' is off")
    assert ("mirror", False) in bench.compare.channels()
    bench.machine.change("m0", "status", True)
    assert bench.states == ["joining", "synced"]
    assert ("filter-mirror 'm0'", True) in bench.compare.channels()
    bench.open_connection()


def test_a_mirror_that_is_switched_off_is_a_loss() -> None:
    bench = followed("", MIRROR)
    bench.told.clear()
    bench.machine.change("m0", "status", False)
    assert bench.compare.reason.startswith("filter-mirror 'm0' is off")
    bench.wait(TIMEOUT + 1)
    assert bench.states == ["lost", "joining"]
    bench.machine.change("m0", "status", True)
    assert bench.states == ["synced"]


def test_a_mirror_that_is_removed_is_a_loss_and_another_one_heals_it() -> None:
    bench = followed("", MIRROR)
    bench.told.clear()
    bench.machine.remove("object", "m0")
    bench.wait(TIMEOUT + 1)
    assert bench.states == ["lost", "alone"]
    assert bench.compare.reason == "there is no filter-mirror any more"
    assert bench.compare.channels()[-1] == ("mirror", False)
    bench.house.add("object", SECOND)
    assert bench.states == ["synced"]
    assert bench.compare.channels()[-1] == ("filter-mirror 'm1'", True)


def test_one_that_is_off_is_not_waited_for_beside_one_that_is_on() -> None:
    bench = followed("", MIRROR)
    bench.told.clear()
    bench.house.add("object", SECOND + ",status=off")
    bench.house.chardev("m2").connected = False
    assert bench.states == []
    bench.machine.change("m1", "status", True)
    assert bench.compare.reason.startswith("filter-mirror 'm1' is not connected")
    bench.machine.change("m1", "status", False)
    bench.wait(TIMEOUT + 1)
    assert bench.compare.state == "synced"
    bench.machine.remove("object", "m1")
    assert bench.compare.state == "synced"


def test_both_that_are_off_are_named() -> None:
    bench = followed("", MIRROR)
    bench.house.add("object", SECOND)
    for id in ("m0", "m1"):
        bench.machine.change(id, "status", False)
    assert bench.compare.reason.startswith("filter-mirrors 'm0', 'm1' are off")


def test_a_mirror_that_is_the_first_and_has_no_peer_is_a_loss() -> None:
    bench = followed("", NETDEV)
    bench.house.chardev("m2").connected = False
    bench.house.add("object", SECOND)
    assert bench.compare.state == "lost"


def test_where_there_never_was_a_mirror_another_program_mirrors() -> None:
    bench = followed()
    assert bench.compare.channels() == [("primary_in", True), ("secondary_in", True), ("outdev", True)]


def test_what_was_opened_before_the_mirror_was_on_is_not_protected() -> None:
    bench = Bench("", OFF)
    syn = segment(100, flags=SYN | ACK)
    assert bench.primary(syn) == [syn]
    bench.machine.change("m0", "status", True)
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]


# whatever happens

HAPPENINGS = (
    *(("channel", name) for name in ("p", "s", "o", "m")),
    ("peer", ""),
    ("answer", "yes"),
    ("answer", "no"),
    ("diverge", ""),
    ("checkpoint", "done"),
    ("checkpoint", "failed"),
    ("checkpoint", "unchanged"),
    ("request", ""),
    ("wait", ""),
    ("mirror", ""),
    ("alone", ""),
)


@given(
    st.lists(st.sampled_from(HAPPENINGS), max_size=30),
    st.sampled_from(("", ",checkpoint=cp0", ",on_divergence=isolate", ",on_divergence=release")),
    st.booleans(),
)
def test_each_change_is_told_once_and_what_is_told_is_so(
    happenings: list[tuple[str, str]], more: str, peer: bool
) -> None:
    if "isolate" in more and not peer:
        return
    world = World(more, peer)
    for kind, detail in happenings:
        getattr(world, kind)(detail)
        world.look()


class World:
    """A bench to which anything may happen."""

    def __init__(self, more: str, peer: bool) -> None:
        objects = [MIRROR, PEER if peer else "", CHECKPOINTER if "cp0" in more else ""]
        self.bench = Bench(more, " ".join(objects))
        self.port = 40000
        self.last = ("alone", "it has not been started")
        self.look()

    def look(self) -> None:
        compare = self.bench.compare
        for event in self.bench.told:
            if isinstance(event, ReplicaState):
                assert (event.state, event.reason) != self.last
                self.last = event.state, event.reason
        assert self.last == (compare.state, compare.reason) == compare._condition
        assert (compare.state == "synced") == (compare.reason == "")
        if compare.state == "synced":
            assert all(up for _, up in compare.channels())
        self.bench.told.clear()

    def channel(self, name: str) -> None:
        chardev = self.bench.house.chardev(name)
        self.bench.connect(chardev, not chardev.connected)

    def peer(self, _: str) -> None:
        peer = self.bench.machine.objects.get("peer0")
        if peer is not None:
            peer.come_or_go(not peer.connected)  # type: ignore[attr-defined]

    def answer(self, how: str) -> None:
        peer = self.bench.machine.objects.get("peer0")
        if peer is not None:
            peer.answer(how == "yes")  # type: ignore[attr-defined]

    def diverge(self, _: str) -> None:
        self.port += 1
        syn = segment(100, flags=SYN | ACK, port=self.port)
        self.bench.both(syn)
        self.bench.primary(segment(101, b"one", port=self.port))
        self.bench.secondary(segment(101, b"two", port=self.port))

    def checkpoint(self, how: str) -> None:
        checkpointer = self.bench.machine.objects.get("cp0")
        if checkpointer is not None and checkpointer.is_asked:  # type: ignore[attr-defined]
            checkpointer.ends(Outcome(how))  # type: ignore[attr-defined]

    def request(self, _: str) -> None:
        if "cp0" in self.bench.machine.objects:
            self.bench.compare.request_checkpoint("a test")

    def wait(self, _: str) -> None:
        self.bench.wait(TIMEOUT + 0.5)

    def mirror(self, _: str) -> None:
        mirror = self.bench.house.object("m0")
        self.bench.machine.change("m0", "status", not mirror.status)

    def alone(self, _: str) -> None:
        self.bench.compare.run_alone("somebody says so")
        assert self.bench.compare.state == "alone"
