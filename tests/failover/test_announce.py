"""When announcements go out, for whom, and what ends them."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.failover.announce import (
    ADDRESS_PAUSE,
    MOST_ADDRESS_ROUNDS,
    MOST_AT_ONCE,
    Announcements,
    Announcing,
)
from colo_twisted.netfilter.rewriter import REWRITER
from colo_twisted.options.errors import StartError
from colo_twisted.packets.addresses import MOST, Addresses
from colo_twisted.packets.announce import Address, address_announcements, announcement, arp_announcement, tags_for
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeChain, FakeMachine, batch_of
from tests.support.house import make
from tests.support.segments import ACK, SYN, Segment
from tests.support.segments import Address as Host

MACS = {"hn0": bytes.fromhex("525400000001"), "hn1": bytes.fromhex("525400000002")}


class Chain:
    """Keeps when something was sent to its network, and what."""

    def __init__(self, clock: Clock, address: bytes | None) -> None:
        self.guest: object | None = object()
        self.guest_address = address
        self.addresses = Addresses()
        self.sent: list[tuple[float, bytes]] = []
        self._clock = clock

    def announce(self, batch: Batch) -> None:
        self.sent += [(round(self._clock.seconds(), 3), packet) for packet in batch.packets()]

    @property
    def times(self) -> list[float]:
        """Those of the guest's own announcements."""
        return [time for time, packet in self.sent if packet == announcement(packet[6:12])]

    def times_of(self, packet: bytes) -> list[float]:
        return [time for time, sent in self.sent if sent == packet]

    def learn(self, *known: Address) -> None:
        """As if the guest had said so itself, in this order."""
        for packet in address_announcements(known):
            self.addresses.from_guest(batch_of(packet))


class Network:
    """A machine with two guests, e0 on hn0 and e1 on hn1."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.chains = {id: Chain(self.clock, address) for id, address in MACS.items()}
        self.objects: dict[str, Any] = {}
        machine: Any = SimpleNamespace(
            reactor=self.clock, monotonic=self.clock.seconds, guests=self._guests, objects=self.objects
        )
        self.announcements = Announcements(machine)

    def _guests(self) -> list[tuple[str, str, Chain]]:
        return [(id, id.replace("hn", "e"), chain) for id, chain in self.chains.items()]

    def announce(self, wanted: Announcing) -> None:
        self.announcements.announce(wanted)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.001] * round(seconds * 1000))

    @property
    def times(self) -> list[float]:
        return self.chains["hn0"].times


def about(*times: float) -> Any:
    """The clock's milliseconds add up to a little more or less."""
    return pytest.approx(times, abs=0.005)


@pytest.fixture
def network() -> Network:
    return Network()


def test_the_first_round_is_at_once_and_each_guest_is_announced_to_its_own_network(network: Network) -> None:
    network.announce(Announcing(rounds=1))
    assert {id: chain.sent for id, chain in network.chains.items()} == {
        id: [(0.0, announcement(address))] for id, address in MACS.items()
    }
    assert network.clock.getDelayedCalls() == []


def test_pauses_grow_by_step_up_to_max(network: Network) -> None:
    """As QEMU 7.2 was seen to do with these numbers."""
    network.announce(Announcing(initial=50, max=120, rounds=4, step=50))
    network.pass_time(2)
    assert network.times == [0.0, 0.05, 0.15, 0.27]


def test_unless_told_otherwise_there_are_a_few_within_a_second_and_some_after_it(network: Network) -> None:
    network.announce(Announcing())
    network.pass_time(5)
    assert network.times == about(0.0, 0.05, 0.2, 0.45, 0.8, 1.25, 1.8, 2.35)


@pytest.mark.parametrize(
    ("initial", "most", "pause"), [(-50, 20, 0.01), (100, 20, 0.02), (-50, -1, 0.01), (7, 20, 0.01)]
)
def test_numbers_that_make_no_sense_harm_nobody(initial: int, most: int, pause: float) -> None:
    assert Announcing(initial=initial, max=most).pause(1) == pause


@pytest.mark.parametrize(
    ("interfaces", "announced"),
    [(None, ["hn0", "hn1"]), (("hn1",), ["hn1"]), (("e0",), ["hn0"]), (("e0", "hn0"), ["hn0"]), ((), []), (("x",), [])],
)
def test_interfaces_are_netdevs_or_devices(
    network: Network, interfaces: tuple[str, ...] | None, announced: list[str]
) -> None:
    network.announce(Announcing(rounds=1, interfaces=interfaces))
    assert [id for id, chain in network.chains.items() if chain.sent] == announced


def test_those_with_different_ids_go_on_side_by_side(network: Network) -> None:
    network.announce(Announcing(10, 10, 2, 0, ("hn0",)))
    network.announce(Announcing(20, 20, 2, 0, ("hn1",), id="bob"))
    network.pass_time(1)
    assert network.times == [0.0, 0.01]
    assert network.chains["hn1"].times == [0.0, 0.02]


@pytest.mark.parametrize("id", ["", "bob"])
def test_one_with_the_same_id_takes_the_others_place(network: Network, id: str) -> None:
    network.announce(Announcing(10, 10, 9, 0, id=id))
    network.pass_time(0.015)
    network.announce(Announcing(100, 100, 2, 0, id=id))
    network.pass_time(1)
    assert network.times == [0.0, 0.01, 0.015, 0.115]


def test_so_many_go_on_side_by_side_and_no_more(network: Network) -> None:
    for number in range(MOST_AT_ONCE):
        network.announce(Announcing(rounds=2, id=f"a{number}"))
    with pytest.raises(StartError, match="16 announcements are under way already: wait, or give the id of one"):
        network.announce(Announcing(rounds=2, id="bob"))
    network.announce(Announcing(rounds=2, id="a3"))
    network.announce(Announcing(rounds=1, id="bob"))
    network.pass_time(1)
    network.announce(Announcing(rounds=2, id="bob"))
    assert len(network.clock.getDelayedCalls()) == 1


def test_no_rounds_end_what_goes_on(network: Network) -> None:
    network.announce(Announcing(id="bob"))
    network.announce(Announcing(rounds=0, id="bob"))
    assert network.times == [0.0]
    assert network.clock.getDelayedCalls() == []


def test_stopping_ends_all(network: Network) -> None:
    network.announce(Announcing())
    network.announce(Announcing(id="bob"))
    network.announcements.stop()
    assert network.clock.getDelayedCalls() == []


def test_a_guest_whose_address_nobody_knows_is_named_once_and_announced_when_it_is_known(network: Network) -> None:
    network.chains["hn0"].guest_address = None
    with capturedLogs() as logs:
        network.announce(Announcing(10, 10, 3, 0))
        network.pass_time(0.012)
        network.chains["hn0"].guest_address = MACS["hn0"]
        network.pass_time(1)
    assert network.times == [0.02]
    assert [formatEvent(event) for event in logs] == [
        "announce-self: netdev 'hn0': its guest is not announced: it has sent nothing yet, so nobody knows its address"
    ]


def test_a_netdev_that_has_gone_meanwhile_is_left_out(network: Network) -> None:
    network.announce(Announcing(10, 10, 2, 0))
    gone = network.chains.pop("hn0")
    network.pass_time(1)
    assert (gone.times, network.chains["hn1"].times) == ([0.0], [0.0, 0.01])


# IP addresses

MAC = MACS["hn0"]
V4, V6 = Address(bytes((10, 0, 0, 2)), MAC, MAC), Address(bytes.fromhex("fd" + "00" * 14 + "02"), MAC, MAC)


def said(network: Network) -> list[bytes]:
    """What the first guest's network hears in one round."""
    network.announce(Announcing(rounds=1))
    return [packet for _, packet in network.chains["hn0"].sent]


@pytest.mark.parametrize("known", [V4, V6], ids=["IPv4", "IPv6"])
def test_ip_addresses_are_said_three_times_a_second_apart(network: Network, known: Address) -> None:
    """RFC 4861 section 7.2.6: MAX_NEIGHBOR_ADVERTISEMENT, RetransTimer."""
    network.chains["hn0"].learn(known)
    network.announce(Announcing())
    network.pass_time(5)
    [packet] = address_announcements([known])
    assert network.chains["hn0"].times_of(packet) == about(0.0, 1.25, 2.35)
    assert network.chains["hn1"].times_of(packet) == []


def test_however_many_rounds_there_are(network: Network) -> None:
    network.chains["hn0"].learn(V6)
    network.announce(Announcing(10, 10, 1000, 0))
    network.pass_time(9)
    [packet] = address_announcements([V6])
    times = network.chains["hn0"].times_of(packet)
    assert len(times) == MOST_ADDRESS_ROUNDS == 3
    assert all(later - earlier >= ADDRESS_PAUSE for earlier, later in pairwise(times))


def test_announce_self_as_qemu_has_it_says_no_ip_address(network: Network) -> None:
    network.chains["hn0"].learn(V4, V6, V4._replace(tags=tags_for((7,))))
    network.announce(Announcing(addresses=False))
    network.pass_time(5)
    assert {packet for _, packet in network.chains["hn0"].sent} == {announcement(MAC)}


def test_a_round_is_one_batch_the_guest_itself_first(network: Network) -> None:
    network.chains["hn0"].learn(V4, V6)
    assert said(network) == [announcement(MAC), *address_announcements([V4, V6])]


def test_switches_learn_it_in_each_vlan_and_for_each_of_its_ethernet_addresses(network: Network) -> None:
    other = bytes.fromhex("525400000022")
    tags = tags_for((7,))
    network.chains["hn0"].learn(
        V4._replace(tags=tags), V6._replace(tags=tags), V4._replace(tags=tags, source=other), V4._replace(ip=b"\x0a003")
    )
    network.announce(Announcing(rounds=2))
    network.pass_time(1)
    first, second = ([packet for time, packet in network.chains["hn0"].sent if time == at] for at in (0.0, 0.05))
    assert second[0] == announcement(MAC)
    assert set(second) == {announcement(MAC), announcement(MAC, tags), announcement(other, tags)}
    assert first[: len(second)] == second
    assert len(first) == len(second) + 3


def test_what_is_learnt_meanwhile_is_said_in_the_next_round(network: Network) -> None:
    network.announce(Announcing())
    network.pass_time(0.5)
    network.chains["hn0"].learn(V4)
    network.pass_time(5)
    assert network.chains["hn0"].times_of(arp_announcement(V4)) == about(1.25, 2.35)


def test_a_chain_that_learns_nothing_is_announced_as_ever(network: Network) -> None:
    del network.chains["hn0"].addresses
    assert said(network) == [announcement(MAC)]


# of open connections


CLIENT = Host(bytes.fromhex("525400000077"), bytes((10, 0, 0, 1)), 40000)


def with_rewriter(network: Network, *guests: Host, netdev: str = "hn0", vlan: int | None = None) -> Any:
    """A rewriter that has seen these ends of the guest's answer a client."""
    rewriter = make(REWRITER, f"id=rew-{netdev},netdev={netdev}", FakeMachine(FakeChain()))
    network.objects[rewriter.id] = rewriter
    for guest in guests:
        packets = Segment(100, flags=SYN).packet(CLIENT, guest), Segment(500, 101, SYN | ACK).packet(guest, CLIENT)
        if vlan is not None:
            packets = tuple(packet[:12] + tags_for((vlan,)) + packet[12:] for packet in packets)
        rewriter.rewriter.to_guest(batch_of(packets[0]), 0.0)
        rewriter.rewriter.from_guest(batch_of(packets[1]), 0.0)
    return rewriter


def guest_at(number: int) -> Host:
    return Host(MAC, bytes((10, 0, number >> 8, number & 0xFF)), 80)


def test_a_guest_that_has_asked_for_nobody_is_known_by_its_connections(network: Network) -> None:
    network.chains["hn0"].learn(V4)
    with_rewriter(network, guest_at(2), guest_at(3))
    more = Address(guest_at(3).ip, MAC, MAC)
    assert said(network) == [announcement(MAC), *address_announcements([V4, more])]
    assert [packet for _, packet in network.chains["hn1"].sent] == [announcement(MACS["hn1"])]


def test_one_that_it_has_not_answered_says_nothing_of_it(network: Network) -> None:
    """A switch may have sent everybody what was for somebody else."""
    rewriter = with_rewriter(network)
    rewriter.rewriter.to_guest(batch_of(Segment(100, flags=SYN).packet(CLIENT, guest_at(9))), 0.0)
    assert said(network) == [announcement(MAC)]


@pytest.mark.parametrize(("heard", "tags"), [("81000007", "81000007"), ("88a80007", "88a80007"), ("", "81000007")])
def test_in_a_vlan_they_have_the_tags_that_the_guest_has_been_heard_with(
    network: Network, heard: str, tags: str
) -> None:
    if heard:
        network.chains["hn0"].learn(V4._replace(tags=bytes.fromhex(heard)))
    with_rewriter(network, guest_at(3), vlan=7)
    network.announce(Announcing(rounds=1))
    more = Address(guest_at(3).ip, MAC, MAC, bytes.fromhex(tags))
    assert network.chains["hn0"].times_of(arp_announcement(more)) == [0.0]


def test_there_are_no_more_than_so_many(network: Network) -> None:
    network.chains["hn0"].learn(V4._replace(ip=bytes((10, 9, 9, 9))))
    with_rewriter(network, *[guest_at(number) for number in range(300)])
    assert len(said(network)) == 1 + MOST


def test_the_table_is_looked_through_once(network: Network) -> None:
    rewriter = with_rewriter(network, guest_at(2))
    network.announce(Announcing())
    following = rewriter.rewriter.following
    for known in following.all():
        following.forget(known)
    network.pass_time(5)
    assert network.chains["hn0"].times_of(arp_announcement(V4)) == about(0.0, 1.25, 2.35)
