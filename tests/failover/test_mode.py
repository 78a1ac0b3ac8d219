"""Which side a process is, and what a lost heartbeat does; tests/failover/test_roles.py has the whole procedures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.events import ColoExit, Failover, ReplicaState, Shutdown
from colo_twisted.failover.mode import ALONE_BY_REQUEST, BY_REQUEST, ColoMode, FailoverRefused, Status
from colo_twisted.failover.peer import COLO_PEER
from colo_twisted.interfaces import IComparer, IHypervisor
from colo_twisted.netfilter.buffer import BUFFER
from colo_twisted.netfilter.drop import DROP
from colo_twisted.netfilter.dump import DUMP
from colo_twisted.netfilter.mirror import MIRROR
from colo_twisted.netfilter.redirector import REDIRECTOR
from colo_twisted.netfilter.rewriter import REWRITER, Traffic
from colo_twisted.options import ObjectType
from colo_twisted.packets.announce import announcement
from tests.support.fakes import FakeMachine
from tests.support.house import make

MAC = bytes.fromhex("525400000001")


@implementer(IComparer)
class Comparer:
    """Remembers that it was told to run alone."""

    def __init__(self, id: str, machine: FakeMachine) -> None:
        self.id = id
        self.counters = Counters()
        self.state, self.reason, self.since = "joining", "", machine.monotonic()
        self.alone: list[str] = []

    def run_alone(self, reason: str) -> None:
        self.alone.append(reason)
        self.state, self.reason = "alone", reason

    def add_passthrough(self, id: str, rule: object) -> None: ...

    def remove_passthrough(self, id: str) -> None: ...

    def open(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


@implementer(IHypervisor)
class Hypervisor:
    """Calls when it is told that this side goes on."""

    id = "qemu0"

    def __init__(self, go_on: Callable[[], None]) -> None:
        self.go_on = go_on


class Running(FakeMachine):
    """Objects come and go; what is changed is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.the_chain.guest = object()
        self.the_chain.guest_address = MAC
        self.changed: list[tuple[str, str, object]] = []
        self.colo = ColoMode(self)  # type: ignore[arg-type]

    def add(self, type: ObjectType, id: str, properties: str = "netdev=hn0") -> Any:
        return self.put(make(type, f"id={id},{properties}", self))

    def put(self, made: Any) -> Any:
        self.objects[made.id] = made
        self._watched()
        return made

    def remove(self, *ids: str) -> None:
        for id in ids:
            del self.objects[id]
            for chardev in self.chardevs.values():
                if chardev.front_end is not None and f"'{id}'" in chardev.front_end.owner:
                    chardev.detach()
            self._watched()

    def _watched(self) -> None:
        for watcher in self.object_watchers:
            watcher()

    def change(self, id: str, name: str, value: object) -> None:
        setattr(self.objects[id], name, value)
        self.changed.append((id, name, value))

    @property
    def query(self) -> tuple[str, str, str]:
        """What query-colo-status answers: mode, last-mode, reason."""
        return self.colo.mode, self.colo.last_mode, self.colo.reason


@pytest.fixture
def machine() -> Running:
    return Running()


def a_secondary(machine: Running) -> None:
    """As in QEMU's docs/COLO-FT.txt, with a gate."""
    machine.add(REDIRECTOR, "f1", "netdev=hn0,queue=tx,indev=red0")
    machine.add(REDIRECTOR, "f2", "netdev=hn0,queue=rx,outdev=red1")
    machine.add(REWRITER, "rew0")
    machine.add(DROP, "gate", "netdev=hn0,queue=rx,insert=before,position=id=f2")


def a_primary(machine: Running) -> Comparer:
    machine.add(MIRROR, "m0", "netdev=hn0,queue=tx,outdev=mirror0")
    machine.add(REDIRECTOR, "redire0", "netdev=hn0,queue=rx,indev=compare_out")
    machine.add(REDIRECTOR, "redire1", "netdev=hn0,queue=rx,outdev=compare0")
    comparer: Comparer = machine.put(Comparer("comp0", machine))
    return comparer


# entering


def test_without_parts_there_is_no_mode(machine: Running) -> None:
    machine.add(MIRROR, "m0", "netdev=hn0,queue=tx,outdev=mirror0")
    machine.add(REDIRECTOR, "r0", "netdev=hn0,queue=rx,indev=x")
    machine.add(DROP, "gate")
    assert machine.query == ("none", "none", "none")
    with pytest.raises(FailoverRefused, match=r"^The feature 'colo' is not enabled$"):
        machine.colo.lose_heartbeat()
    assert machine.told == []


@pytest.mark.parametrize(
    ("type", "properties", "mode"),
    [
        (REWRITER, "netdev=hn0", "secondary"),
        (COLO_PEER, "chardev=c0,role=secondary", "secondary"),
        (COLO_PEER, "chardev=c0,role=primary", "primary"),
    ],
)
def test_a_part_of_a_side_enters_its_mode(machine: Running, type: ObjectType, properties: str, mode: str) -> None:
    machine.add(type, "o0", properties)
    assert machine.query == (mode, mode, "none")


def test_parts_that_are_there_at_the_start_count(machine: Running) -> None:
    machine.objects["comp0"] = Comparer("comp0", machine)
    assert ColoMode(machine).mode == "primary"  # type: ignore[arg-type]


def test_a_rewriter_beside_a_comparer_makes_no_secondary(machine: Running) -> None:
    machine.objects["rew0"] = make(REWRITER, "id=rew0,netdev=hn0", machine)
    machine.put(Comparer("comp0", machine))
    assert machine.colo.mode == "primary"
    machine.remove("comp0")
    assert machine.colo.mode == "primary"


def test_a_comparer_makes_no_primary_of_a_secondary_that_has_not_taken_over(machine: Running) -> None:
    a_secondary(machine)
    machine.put(Comparer("comp0", machine))
    assert machine.colo.mode == "secondary"
    machine.colo.lose_heartbeat()
    assert machine.query == ("primary", "primary", "none"), "it counts from then on"


def test_the_mode_stays_though_its_parts_go(machine: Running) -> None:
    a_secondary(machine)
    machine.remove("rew0", "f1", "f2")
    assert machine.colo.mode == "secondary"


def test_the_parts_of_the_other_side_change_it_once_its_own_have_gone(machine: Running) -> None:
    a_primary(machine)
    machine.remove("comp0")
    machine.add(REWRITER, "rew0")
    assert machine.query == ("secondary", "secondary", "none")
    machine.remove("rew0")
    machine.put(Comparer("comp0", machine))
    assert machine.query == ("primary", "primary", "none")


# a secondary takes over


def test_all_that_stands_between_guest_and_network_goes_off(machine: Running, tmp_path: Path) -> None:
    a_secondary(machine)
    machine.add(MIRROR, "m0", "netdev=hn0,queue=tx,outdev=x")
    machine.add(REDIRECTOR, "off", "netdev=hn0,indev=y,status=off")
    machine.add(DUMP, "dump", f"netdev=hn0,file={tmp_path}/dump")
    machine.add(BUFFER, "buffer", "netdev=hn0,interval=1000")
    machine.colo.lose_heartbeat()
    assert sorted(machine.changed) == [(id, "status", False) for id in ("f1", "f2", "gate", "m0")]
    assert machine.objects["rew0"].status
    assert machine.objects["rew0"].rewriter.following.alone


def test_it_is_told_once_and_the_guest_is_announced(machine: Running) -> None:
    a_secondary(machine)
    with capturedLogs() as logs:
        machine.colo.lose_heartbeat()
    assert machine.told == [Failover("secondary", "request"), ColoExit("secondary", "request")]
    assert machine.query == ("none", "secondary", "request")
    assert [formatEvent(event) for event in logs] == [
        f"colo: taken over: {BY_REQUEST}; the guest speaks to the network"
    ]
    machine.reactor.pump([0.01] * 100)
    assert [batch for batch in machine.the_chain.sent for batch in batch.packets()] == [announcement(MAC)] * 5
    with pytest.raises(FailoverRefused) as caught:
        machine.colo.lose_heartbeat()
    assert str(caught.value) == "The feature 'colo' is not enabled (this side has taken over already)"


def test_stopping_ends_the_announcement(machine: Running) -> None:
    a_secondary(machine)
    machine.colo.lose_heartbeat()
    machine.events.emit(Shutdown(False, "host-signal"))
    assert len(machine.the_chain.sent) == 1
    machine.reactor.pump([0.01] * 100)
    assert len(machine.the_chain.sent) == 1


def test_what_the_mirror_has_brought_passes_a_rewriter_that_rewrites_as_before(machine: Running) -> None:
    a_secondary(machine)
    order: list[str] = []
    machine.objects["rew0"].fail_over = lambda: order.append("rew0")
    machine.change = lambda id, name, value: order.append(id)  # type: ignore[method-assign]
    machine.colo.lose_heartbeat()
    assert order == ["f1", "f2", "gate", "rew0"]


def test_what_runs_the_guest_is_told_first_of_all(machine: Running) -> None:
    """Its next checkpoint would make the guest the old primary's equal again."""
    a_secondary(machine)
    machine.put(Hypervisor(lambda: told.append(list(machine.changed))))
    told: list[object] = []
    machine.colo.lose_heartbeat()
    assert told == [[]]
    assert machine.changed


def test_what_runs_the_guest_is_told_where_a_colo_peer_has_decided_by_itself(machine: Running) -> None:
    told: list[str] = []
    peer = machine.add(COLO_PEER, "p0", "chardev=c0,role=primary")
    machine.put(Hypervisor(lambda: told.append("alone")))
    peer.decided("the secondary is lost")
    assert told == ["alone"]


def test_of_a_take_over_that_is_refused_nobody_is_told(machine: Running) -> None:
    told: list[str] = []
    a_secondary(machine)
    peer = machine.add(COLO_PEER, "p0", "chardev=c0,role=secondary")
    machine.put(Hypervisor(lambda: told.append("anything")))
    peer.replica.invalidate("it diverged")
    with pytest.raises(FailoverRefused):
        machine.colo.lose_heartbeat()
    assert told == []


def test_the_colo_peer_keeps_it(machine: Running, tmp_path: Path) -> None:
    a_secondary(machine)
    peer = machine.add(COLO_PEER, "p0", f"chardev=c0,role=secondary,state-file={tmp_path}/state")
    machine.colo.lose_heartbeat()
    assert peer.standing.state == "taken-over"
    assert '"epoch": 1' in (tmp_path / "state").read_text()
    assert machine.told[0] == ReplicaState("p0", "taken-over", BY_REQUEST)


def test_it_is_refused_while_the_guest_is_invalid(machine: Running) -> None:
    a_secondary(machine)
    peer = machine.add(COLO_PEER, "p0", "chardev=c0,role=secondary")
    peer.replica.invalidate("it diverged")
    with pytest.raises(FailoverRefused) as caught:
        machine.colo.lose_heartbeat()
    assert str(caught.value) == (
        "colo-peer 'p0': no take-over now: the guest is invalid: the primary says so: it diverged; it must not take"
        " over before the next checkpoint: have one made, or start it anew from the primary's state"
        " (colo-ctl del object p0 first takes the guest as it is)"
    )
    assert (machine.changed, machine.told, machine.query) == ([], [], ("secondary", "secondary", "none"))
    assert not machine.objects["rew0"].rewriter.following.alone


def test_without_its_colo_peer_the_guest_is_taken_as_it_is(machine: Running) -> None:
    a_secondary(machine)
    peer = machine.add(COLO_PEER, "p0", "chardev=c0,role=secondary")
    peer.replica.begin(5, bytes(16))
    with pytest.raises(FailoverRefused, match="checkpoint 5 is under way: wait for its end"):
        machine.colo.lose_heartbeat()
    peer.retire()
    assert machine.objects["rew0"].traffic is Traffic.DROPPED
    machine.remove("p0")
    machine.colo.lose_heartbeat()
    assert machine.objects["rew0"].traffic is Traffic.FLOWS
    assert machine.query == ("none", "secondary", "request")


def test_it_is_refused_where_it_can_not_be_kept(machine: Running, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    a_secondary(machine)
    machine.add(COLO_PEER, "p0", f"chardev=c0,role=secondary,state-file={folder}/state")
    folder.rmdir()
    with pytest.raises(FailoverRefused) as caught:
        machine.colo.lose_heartbeat()
    assert str(caught.value) == (
        f"colo-peer 'p0': no take-over now: {folder}/state can't be written: No such file or directory"
    )
    assert (machine.changed, machine.told) == ([], [])


def test_what_is_left_of_a_secondary_makes_none_again_but_a_new_part_does(machine: Running) -> None:
    a_secondary(machine)
    machine.colo.lose_heartbeat()
    machine.remove("f2", "f1")
    assert machine.query == ("none", "secondary", "request")
    machine.remove("rew0")
    machine.add(REWRITER, "rew0")
    assert machine.query == ("secondary", "secondary", "none")


def test_what_a_take_over_leaves_without_a_task_is_known_until_it_goes_or_is_used_again(machine: Running) -> None:
    a_secondary(machine)
    machine.add(COLO_PEER, "p0", "chardev=c0,role=secondary")
    machine.add(REDIRECTOR, "off", "netdev=hn0,indev=y,status=off")
    assert machine.colo.left_over == []
    machine.colo.lose_heartbeat()
    assert [part.id for part in machine.colo.left_over] == ["gate", "f2", "f1", "p0"], "'off' was so before"
    machine.change("gate", "status", True)
    machine.remove("f1")
    machine.add(REDIRECTOR, "f1", "netdev=hn0,indev=red0,status=off")
    assert [part.id for part in machine.colo.left_over] == ["f2", "p0"], "this 'f1' is another one"
    a_primary(machine)
    assert [part.id for part in machine.colo.left_over] == ["f2", "p0"]


def test_a_secondary_again_has_nothing_left_over(machine: Running) -> None:
    a_secondary(machine)
    machine.colo.lose_heartbeat()
    assert machine.colo.left_over
    machine.remove("rew0")
    machine.add(REWRITER, "rew0")
    assert machine.colo.mode == "secondary"
    assert machine.colo.left_over == []


def test_the_survivor_becomes_primary_and_its_rewriter_stays(machine: Running) -> None:
    a_secondary(machine)
    machine.colo.lose_heartbeat()
    machine.remove("f2", "f1")
    comparer = a_primary(machine)
    assert machine.query == ("primary", "primary", "none")
    assert "rew0" in machine.objects
    machine.told.clear()
    told: list[object] = []
    machine.put(Hypervisor(lambda: told.append(list(comparer.alone))))
    machine.colo.lose_heartbeat()
    assert told == [[]]
    assert comparer.alone == [ALONE_BY_REQUEST]
    assert machine.told == [Failover("primary", "request"), ColoExit("primary", "request")]
    assert machine.query == ("none", "primary", "request")


# a primary loses its secondary


def test_its_comparers_run_alone_and_no_filter_is_touched(machine: Running) -> None:
    comparer = a_primary(machine)
    machine.colo.lose_heartbeat()
    assert comparer.alone == [ALONE_BY_REQUEST]
    assert machine.told == [Failover("primary", "request"), ColoExit("primary", "request")]
    assert machine.query == ("none", "primary", "request")
    with pytest.raises(
        FailoverRefused, match=r"^The feature 'colo' is not enabled \(this side goes on alone already\)$"
    ):
        machine.colo.lose_heartbeat()
    assert machine.changed == []
    assert machine.the_chain.sent == []


def test_after_its_parts_are_removed_it_only_leaves_the_mode(machine: Running) -> None:
    """The documented order: object-del of comp0, m0, redire0, redire1, then x-colo-lost-heartbeat."""
    a_primary(machine)
    machine.remove("comp0", "m0", "redire0", "redire1")
    assert machine.colo.mode == "primary"
    machine.colo.lose_heartbeat()
    assert machine.told == [Failover("primary", "request"), ColoExit("primary", "request")]
    assert machine.query == ("none", "primary", "request")


def test_resuming_replication_enters_it_again(machine: Running) -> None:
    a_primary(machine)
    machine.remove("comp0", "m0", "redire0", "redire1")
    machine.colo.lose_heartbeat()
    a_primary(machine)
    assert machine.query == ("primary", "primary", "none")


def test_a_comparer_that_has_a_secondary_again_enters_it_again(machine: Running) -> None:
    a_primary(machine)
    machine.colo.lose_heartbeat()
    machine.add(DROP, "gate")
    machine.events.emit(ReplicaState("comp0", "joining", ""))
    machine.events.emit(ReplicaState("another", "synced", ""))
    assert machine.colo.mode == "none"
    machine.events.emit(ReplicaState("comp0", "synced", ""))
    assert machine.query == ("primary", "primary", "none")


# how the replica stands


def test_there_is_nothing_to_say_outside_the_mode(machine: Running) -> None:
    assert machine.colo.replica() == Status("none", "", 0.0, "")


def test_the_comparer_says_it_on_the_primary(machine: Running) -> None:
    comparer = a_primary(machine)
    machine.add(COLO_PEER, "p0", "chardev=c0,role=primary")
    machine.reactor.advance(5)
    assert machine.colo.replica() == Status("joining", "", 5.0, "comp0")
    comparer.state, comparer.since = "synced", machine.monotonic()
    assert machine.colo.replica() == Status("synced", "", 0.0, "comp0")


def test_of_several_the_first_that_is_not_synced_says_it(machine: Running) -> None:
    first, second = (machine.put(Comparer(id, machine)) for id in ("comp0", "comp1"))
    first.state = second.state = "synced"
    assert machine.colo.replica().id == "comp0"
    second.state = "lost"
    assert machine.colo.replica() == Status("lost", "", 0.0, "comp1")


def test_the_colo_peer_says_it_on_the_secondary(machine: Running) -> None:
    a_secondary(machine)
    machine.add(COLO_PEER, "p0", "chardev=c0,role=secondary")
    machine.reactor.advance(5)
    assert machine.colo.replica() == Status("joining", "the primary is not there", 5.0, "p0")
    machine.colo.lose_heartbeat()
    machine.reactor.advance(1)
    assert machine.colo.replica() == Status("taken-over", BY_REQUEST, 1.0, "p0")


def test_without_a_colo_peer_a_secondary_knows_only_that_it_has_taken_over(machine: Running) -> None:
    a_secondary(machine)
    assert machine.colo.replica() == Status("none", "there is no colo-peer: only the primary knows", 0.0, "")
    machine.colo.lose_heartbeat()
    machine.reactor.advance(3)
    assert machine.colo.replica() == Status("taken-over", BY_REQUEST, 3.0, "")
    comparer = a_primary(machine)
    assert machine.colo.replica().id == comparer.id
    machine.remove("comp0")
    machine.colo.lose_heartbeat()
    assert machine.colo.replica() == Status("none", "", 0.0, "")
