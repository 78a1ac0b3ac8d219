"""The procedures of QEMU's docs/COLO-FT.txt on one process: it takes over, becomes primary, finds a new secondary."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.events import ColoExit, Event, Failover, ReplicaState
from colo_twisted.failover.mode import BY_REQUEST
from colo_twisted.interfaces import ICheckpointer, Outcome
from colo_twisted.options import ObjectType, Properties
from colo_twisted.options.errors import InUse
from colo_twisted.packets.announce import Address as Announced
from colo_twisted.packets.announce import announcement, arp_announcement
from colo_twisted.packets.sequence import Offsets
from tests.support.fakes import batch_of
from tests.support.house import House, Types
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, SYN, Address, Segment
from tests.support.wires import TYPES as WIRES
from tests.support.wires import Side, flow, plug, pull

SECONDARY = (
    "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,id=e0,netdev=hn0,guest=guest"
    " -chardev fake,id=red0 -chardev fake,id=red1 -chardev wire,id=w0"
    " -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0"
    " -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1"
    " -object filter-rewriter,id=rew0,netdev=hn0,queue=all"
    " -object colo-peer,id=p0,chardev=w0,role=secondary"
)
OTHER_CLIENT = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + 1)
NEW_CLIENT = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + 2)


@implementer(ICheckpointer)
class Maker:
    """Makes a checkpoint at once."""

    def __init__(self, properties: Properties, _: object) -> None:
        self.id = properties.id
        self.counters = Counters()
        self.unasked: Callable[[], None] = lambda: None
        self.pauses_primary = False

    def checkpoint(self, number: int) -> Deferred[Outcome]:
        return succeed(Outcome.DONE)

    def cancel(self) -> None: ...

    def open(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None: ...


TYPES = Types({**WIRES._more, "object": (*WIRES._more["object"], ObjectType("maker", "a Maker", Properties, Maker))})


class Survivor(House):
    """A secondary with two connections open: the guest's ISN is 5000, the dead primary's was 3000."""

    def __init__(self) -> None:
        super().__init__(SECONDARY, types=TYPES)
        self.start()
        self.events: list[Event] = []
        self.machine.events.subscribe(self.events.append)
        for client in (CLIENT, OTHER_CLIENT):
            self.mirrored(Segment(100, flags=SYN), client)
            self.guest_sends(Segment(5000, 101, SYN | ACK), client)
            self.mirrored(Segment(101, 3001), client)

    def mirrored(self, segment: Segment, client: Address = CLIENT) -> None:
        self.chardev("red0").deliver(batch_of(segment.packet(client, GUEST)))

    def client_sends(self, segment: Segment, client: Address = CLIENT) -> None:
        self.netdev("hn0").receive(batch_of(segment.packet(client, GUEST)))
        self.reactor.advance(0)

    def guest_sends(self, segment: Segment, client: Address = CLIENT) -> None:
        self.netdev("guest").receive(batch_of(segment.packet(GUEST, client)))
        self.reactor.advance(0)

    def sent(self, netdev: str) -> list[Segment]:
        """What a netdev has sent, apart from announcements."""
        return [segment for packet in self.netdev(netdev).packets if (segment := Segment.of(packet)) is not None]

    def last(self, netdev: str) -> Segment:
        return self.sent(netdev)[-1]

    def remove(self, option: str, *ids: str) -> None:
        for id in ids:
            done: list[object] = []
            removed: Deferred[None] = self.machine.remove(option, id)
            removed.addCallback(done.append)
            self.reactor.advance(0)
            assert done == [None]

    def fail_over(self) -> Survivor:
        """The secondary failover, then all that it no longer needs is removed."""
        self.machine.colo.lose_heartbeat()
        self.remove("object", "f2", "f1", "p0")
        self.remove("chardev", "red1", "red0")
        return self

    def resume(self, more: str = "") -> Survivor:
        """Become primary; a colo-peer of the other role takes the place of the one that stood there."""
        for line in (
            "fake,id=mirror0",
            "fake,id=compare1",
            "pair,id=compare0,peer=compare0-0",
            "pair,id=compare_out,peer=compare_out0",
        ):
            self.add("chardev", line)
        for line in (
            "filter-mirror,id=m0,insert=before,position=id=rew0,netdev=hn0,queue=tx,outdev=mirror0",
            "filter-redirector,id=redire0,insert=before,position=id=rew0,netdev=hn0,queue=rx,indev=compare_out",
            "filter-redirector,id=redire1,insert=before,position=id=rew0,netdev=hn0,queue=rx,outdev=compare0",
            "iothread,id=iothread1",
            "colo-peer,id=p1,chardev=w0,role=primary",
            "maker,id=k0",
            "colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1"
            + more,
        ):
            self.add("object", line)
        self.reactor.advance(0)
        return self

    def joined(self) -> Side:
        """By a new secondary."""
        secondary = Side("secondary")
        plug(self.chardev("w0"), secondary.end)
        self.talk(secondary)
        return secondary

    def talk(self, secondary: Side) -> None:
        """Let the two colo-peers hear each other."""
        flow(self.chardev("w0"), secondary.end)
        self.reactor.advance(0)


@pytest.fixture
def survivor() -> Survivor:
    return Survivor()


# the secondary failover


def test_before_it_nothing_of_the_guests_reaches_the_network(survivor: Survivor) -> None:
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"))
    assert survivor.netdev("hn0").packets == []
    assert Segment.of(survivor.chardev("red1").packets[-1]) == Segment(3001, 101, payload=b"answer")


def test_known_connections_go_on_in_the_primarys_numbers(survivor: Survivor) -> None:
    survivor.machine.colo.lose_heartbeat()
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"))
    assert survivor.last("hn0") == Segment(3001, 101, payload=b"answer")
    survivor.client_sends(Segment(101, 3007, payload=b"thanks"))
    assert survivor.last("guest") == Segment(101, 5007, payload=b"thanks")


def test_new_connections_are_left_alone(survivor: Survivor) -> None:
    survivor.machine.colo.lose_heartbeat()
    survivor.client_sends(Segment(700, flags=SYN), NEW_CLIENT)
    survivor.guest_sends(Segment(9000, 701, SYN | ACK), NEW_CLIENT)
    survivor.client_sends(Segment(701, 9001), NEW_CLIENT)
    assert survivor.last("hn0") == Segment(9000, 701, SYN | ACK)
    assert survivor.last("guest") == Segment(701, 9001)
    assert survivor.object("rew0").connections(0, 10).total == 2


def test_what_a_late_primary_mirrors_is_dropped_and_what_it_asks_not_answered(survivor: Survivor) -> None:
    primary = Side("primary")
    survivor.machine.colo.lose_heartbeat()
    plug(survivor.chardev("w0"), primary.end)
    flow(survivor.chardev("w0"), primary.end)
    assert primary.peer.overtaken
    asked: list[bool] = []
    primary.peer.protect_new().addCallback(asked.append)
    flow(survivor.chardev("w0"), primary.end)
    assert asked == []
    given = len(survivor.sent("guest"))
    survivor.mirrored(Segment(101, 3001, payload=b"more"))
    assert len(survivor.sent("guest")) == given


def test_it_is_told_and_the_guest_announced(survivor: Survivor) -> None:
    survivor.machine.colo.lose_heartbeat()
    assert survivor.events == [
        ReplicaState("p0", "taken-over", BY_REQUEST),
        Failover("secondary", "request"),
        ColoExit("secondary", "request"),
    ]
    assert survivor.netdev("hn0").packets == [
        announcement(GUEST.mac),
        arp_announcement(Announced(GUEST.ip, GUEST.mac, GUEST.mac)),
    ]
    assert [made.status for made in survivor.machine.chains["hn0"].filters] == [False, False, True]


def test_the_ways_that_are_no_longer_needed_can_be_removed(survivor: Survivor) -> None:
    survivor.fail_over()
    assert [known.id for known in survivor.machine.chains["hn0"].filters] == ["rew0"]
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"))
    assert survivor.last("hn0") == Segment(3001, 101, payload=b"answer")
    assert survivor.machine.colo.last_mode == "secondary"


# the secondary becomes primary


def test_filters_stand_before_the_rewriter_which_goes_on(survivor: Survivor) -> None:
    survivor.fail_over().resume()
    assert [known.id for known in survivor.machine.chains["hn0"].filters] == ["m0", "redire0", "redire1", "rew0"]
    assert (survivor.machine.colo.mode, survivor.machine.colo.last_mode) == ("primary", "primary")
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"))
    assert survivor.last("hn0") == Segment(3001, 101, payload=b"answer")
    survivor.client_sends(Segment(101, 3007, payload=b"thanks"))
    assert Segment.of(survivor.chardev("mirror0").packets[-1]) == Segment(101, 3007, payload=b"thanks")
    assert survivor.last("guest") == Segment(101, 5007, payload=b"thanks")


def test_a_new_secondary_is_found_and_new_connections_are_compared(survivor: Survivor) -> None:
    secondary = survivor.fail_over().resume().joined()
    assert secondary.peer.standing.state == "synced"
    survivor.client_sends(Segment(700, flags=SYN), NEW_CLIENT)
    survivor.guest_sends(Segment(9000, 701, SYN | ACK), NEW_CLIENT)
    sent = len(survivor.sent("hn0"))
    assert sent == 0
    answer = Segment(4000, 701, SYN | ACK).packet(GUEST, NEW_CLIENT)
    survivor.chardev("compare1").deliver(batch_of(answer))
    survivor.reactor.advance(0)
    assert survivor.last("hn0") == Segment(9000, 701, SYN | ACK)


def test_a_connection_that_the_survivor_still_rewrites_is_named_and_passes(survivor: Survivor) -> None:
    """The new secondary's guest knows nothing of it: it would be reset there, and is not compared here."""
    secondary = survivor.fail_over().resume().joined()
    told = len(secondary.told)
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"), OTHER_CLIENT)
    assert survivor.sent("hn0") == [], "not before the secondary has been told"
    survivor.talk(secondary)
    key = GUEST.ip + OTHER_CLIENT.ip + struct.pack(">HH", GUEST.port, OTHER_CLIENT.port)
    assert secondary.told[told:] == [("unprotect", (key,))]
    assert survivor.last("hn0") == Segment(3001, 101, payload=b"answer")
    survivor.guest_sends(Segment(5007, 101, payload=b"more"), OTHER_CLIENT)
    assert survivor.last("hn0") == Segment(3007, 101, payload=b"more")


def test_a_checkpoint_carries_what_the_survivor_adds_and_its_old_connections_are_compared(survivor: Survivor) -> None:
    """The new secondary's guest is the survivor's equal then, and numbers them as that does."""
    survivor.fail_over().resume(",checkpoint=k0")
    survivor.guest_sends(Segment(5001, 101))
    assert survivor.last("hn0") == Segment(3001, 101), "there is no secondary yet"
    secondary = survivor.joined()
    survivor.object("comp0").request_checkpoint("a test")
    survivor.talk(secondary)
    keys = [GUEST.ip + end.ip + struct.pack(">HH", GUEST.port, end.port) for end in (CLIENT, OTHER_CLIENT)]
    _, offsets, marker = next(told for told in secondary.told if told[0] == "end")
    assert offsets == dict.fromkeys(keys, Offsets(2000, 0))
    survivor.chardev("compare1").deliver(batch_of(marker))
    survivor.guest_sends(Segment(5001, 101, payload=b"answer"))
    assert survivor.last("hn0").payload == b""
    answer = Segment(3001, 101, payload=b"answer").packet(GUEST, CLIENT)  # as its rewriter has it
    survivor.chardev("compare1").deliver(batch_of(answer))
    survivor.reactor.advance(0)
    assert survivor.last("hn0") == Segment(3001, 101, payload=b"answer")


# colo-peer comes and goes while all else runs


def test_a_colo_peer_that_is_removed_says_goodbye_and_its_chardev_is_free(survivor: Survivor) -> None:
    primary = Side("primary")
    plug(survivor.chardev("w0"), primary.end)
    flow(survivor.chardev("w0"), primary.end)
    assert primary.peer.connected
    survivor.remove("object", "p0")
    flow(survivor.chardev("w0"))
    assert not primary.peer.connected
    assert survivor.chardev("w0").front_end is None
    pull(primary.end)
    assert survivor.machine.colo.mode == "secondary"


def test_one_that_is_added_greets_who_is_there_already(survivor: Survivor) -> None:
    survivor.remove("object", "p0")
    primary = Side("primary")
    plug(survivor.chardev("w0"), primary.end)
    survivor.add("object", "colo-peer,id=p2,chardev=w0,role=secondary")
    flow(survivor.chardev("w0"), primary.end)
    assert primary.peer.connected


def test_one_that_a_comparer_works_with_stays(survivor: Survivor) -> None:
    survivor.fail_over().resume()
    with pytest.raises(InUse, match="object 'comp0'"):
        survivor.machine.remove("object", "p1")
    survivor.remove("object", "comp0", "p1")
