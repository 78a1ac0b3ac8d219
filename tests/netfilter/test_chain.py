"""The chain against an obviously right model of QEMU's, its ends, and who makes whom wait."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.interfaces import Direction
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options import StartError
from colo_twisted.packets.announce import Address, address_announcements, arp_announcement
from colo_twisted.packets.batch import Batch
from tests.support.fakes import FakeMachine, FakeNetdev, batch_of, packet

TX, RX = Direction.TX, Direction.RX
Visit = tuple[str, Direction, list[bytes]]

# what a filter may do with packets: let them pass, take all, change them, take some
HABITS: dict[str, Callable[[str, list[bytes]], list[bytes]]] = {
    "pass": lambda id, packets: packets,
    "take": lambda id, packets: [],
    "mark": lambda id, packets: [packet + id.encode() for packet in packets],
    "halve": lambda id, packets: packets[::2],
}


class SeenFilter(Filter):
    """Notes what it sees, and does with it what its habit is."""

    def __init__(self, id: str, visits: list[Visit], habit: str = "pass", **properties: Any) -> None:
        super().__init__(FilterProperties(id=id, netdev="hn0", **properties), FakeMachine())
        self.habit = HABITS[habit]
        self.visits = visits

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        packets = list(batch.packets())
        self.visits.append((self.id, direction, packets))
        kept = self.habit(self.id, packets)
        if kept == packets:
            return batch
        return batch_of(*kept) if kept else None


class QEMUsChain:
    """What QEMU's documents say, in so many words, one packet list at a time."""

    def __init__(self) -> None:
        self.head_first: list[SeenFilter] = []
        self.visits: list[Visit] = []
        self.to_network: list[bytes] = []
        self.to_guest: list[bytes] = []

    def insert(self, new: SeenFilter) -> None:
        """At the head, at the tail, or beside the one that it names."""
        if new.position == "head":
            self.head_first = [new, *self.head_first]
        elif new.position == "tail":
            self.head_first = [*self.head_first, new]
        else:
            named = next(known for known in self.head_first if new.position == f"id={known.id}")
            beside = [new, named] if new.insert == "before" else [named, new]
            at = self.head_first.index(named)
            self.head_first = self.head_first[:at] + beside + self.head_first[at + 1 :]

    def walk(self, direction: Direction, packets: list[bytes], behind: SeenFilter | None = None) -> None:
        """Head to tail for tx, tail to head for rx; what enters at a filter sees those behind it on that way."""
        way = self.head_first if direction is TX else self.head_first[::-1]
        if behind is not None:
            way = way[way.index(behind) + 1 :]
        for known in way:
            if known.status and direction in known.directions:
                self.visits.append((known.id, direction, packets))
                packets = known.habit(known.id, packets)
                if not packets:
                    return
        (self.to_guest if direction is TX else self.to_network).extend(packets)


@st.composite
def filters(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Filters in the order of a command line, each with a place that exists by then."""
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 7))):
        ids = [f"id={known['id']}" for known in made]
        made.append(
            {
                "id": f"f{number}",
                "queue": draw(st.sampled_from(["all", "all", "rx", "tx"])),
                "status": draw(st.sampled_from([True, True, True, False])),
                "position": draw(st.sampled_from(["head", "tail", *ids])),
                "insert": draw(st.sampled_from(["before", "behind"])),
                "habit": draw(st.sampled_from(["pass", "pass", "pass", "mark", "mark", "halve", "take"])),
            }
        )
    return made


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["frames", "frames", "inject", "inject", "switch", "remove"]),
        st.sampled_from(list(Direction)),
        st.integers(1, 4),  # packets
        st.integers(0, 6),  # which filter
    ),
    max_size=12,
)


@settings(max_examples=400, deadline=None)
@given(filters(), EVENTS)
def test_every_packet_goes_the_way_that_it_goes_in_qemu(
    given_filters: list[dict[str, Any]], events: list[tuple[str, Direction, int, int]]
) -> None:
    network, guest, visits, model = FakeNetdev("hn0"), FakeNetdev("guest"), [], QEMUsChain()
    chain = Chain(network, guest)
    chain.start()
    for properties in given_filters:
        new = SeenFilter(visits=visits, **properties)
        chain.insert(new)
        model.insert(new)
    assert chain.filters == model.head_first

    numbers = itertools.count()
    for what, direction, count, index in events:
        packets = [packet(f"packet {next(numbers)}") for _ in range(count)]
        known = model.head_first[index % len(model.head_first)] if model.head_first else None
        if what == "frames":
            (network if direction is TX else guest).receive(batch_of(*packets))
            model.walk(direction, packets)
        elif known is not None and what == "inject":
            chain.inject(known, direction, batch_of(*packets))
            model.walk(direction, packets, behind=known)
        elif known is not None and what == "switch":
            known.status = not known.status
            chain.refresh()
        elif known is not None:
            chain.remove(known)
            model.head_first.remove(known)

    assert visits == model.visits
    assert network.packets == model.to_network
    assert guest.packets == model.to_guest


def test_a_batch_that_nobody_changes_is_handed_on_as_it_is() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("guest")
    chain = Chain(network, guest)
    chain.insert(SeenFilter("f0", []))
    chain.start()
    batch = batch_of(packet("one"), packet("two"))
    network.receive(batch)
    guest.receive(batch)
    assert guest.sent[0] is batch
    assert network.sent[0] is batch


def test_a_filter_beside_one_that_is_not_there_is_an_error_that_names_both() -> None:
    chain = Chain(FakeNetdev("hn0"), None)
    with pytest.raises(
        StartError, match=r"^-object \.\.\.,id=f1: property 'position': netdev 'hn0' has no filter 'f9'$"
    ):
        chain.insert(SeenFilter("f1", [], position="id=f9"))
    assert chain.filters == []


def test_frames_for_a_guest_that_is_not_there_are_dropped_by_name() -> None:
    network = FakeNetdev()
    chain = Chain(network, None)
    chain.start()
    network.receive(batch_of(packet("one"), packet("two")))
    assert chain.counters.dropped_no_guest == 2
    assert network.sent == []


# making the source wait


def held_chain() -> tuple[Chain, FakeNetdev, FakeNetdev]:
    network, guest = FakeNetdev("hn0"), FakeNetdev("guest")
    chain = Chain(network, guest)
    chain.start()
    return chain, network, guest


def test_tx_is_held_at_the_network_and_rx_at_the_guest() -> None:
    chain, network, guest = held_chain()
    chain.hold("f0", TX)
    assert (network.paused, guest.paused) == (True, False)
    chain.let_go("f0", TX)
    chain.hold("f0", RX)
    assert (network.paused, guest.paused) == (False, True)


HOLDS = st.lists(st.tuples(st.booleans(), st.sampled_from(["f0", "f1", "f2"]), st.sampled_from(list(Direction))))


@given(HOLDS)
def test_a_source_waits_while_anybody_holds_it(steps: list[tuple[bool, str, Direction]]) -> None:
    chain, network, guest = held_chain()
    holders: dict[Direction, set[str]] = {TX: set(), RX: set()}
    for hold, holder, direction in steps:
        chain.press(holder, direction, hold)
        (holders[direction].add if hold else holders[direction].discard)(holder)
        assert network.paused == bool(holders[TX])
        assert guest.paused == bool(holders[RX])


class StrictNetdev(FakeNetdev):
    """Is told once to pause and once to resume."""

    def pause(self) -> None:
        assert not self.paused
        super().pause()

    def resume(self) -> None:
        assert self.paused
        super().resume()


def test_a_source_is_told_only_what_it_was_not_told_before() -> None:
    network = StrictNetdev()
    chain = Chain(network, None)
    chain.let_go("f0", TX)
    for _ in range(2):
        for holder in ("f0", "f1"):
            chain.hold(holder, TX)
        for holder in ("f0", "f1"):
            chain.let_go(holder, TX)
    assert not network.paused


def test_holding_where_there_is_no_source_is_harmless() -> None:
    chain = Chain(FakeNetdev(), None)
    chain.hold("f0", RX)
    chain.let_go("f0", RX)
    assert not chain.network.paused  # type: ignore[attr-defined]


def test_a_removed_filter_holds_nothing_more() -> None:
    chain, network, guest = held_chain()
    old = SeenFilter("f0", [])
    chain.insert(old)
    for direction in Direction:
        chain.hold("f0", direction)
    chain.hold("f1", RX)
    chain.remove(old)
    assert (network.paused, guest.paused) == (False, True)


def test_an_end_that_is_full_makes_the_other_end_wait() -> None:
    _, network, guest = held_chain()
    guest.pressure_changed(True)
    assert (network.paused, guest.paused) == (True, False)
    network.pressure_changed(True)
    assert (network.paused, guest.paused) == (True, True)
    guest.pressure_changed(False)
    network.pressure_changed(False)
    assert (network.paused, guest.paused) == (False, False)


def test_frames_of_the_guest_are_taken_while_the_network_side_is_held() -> None:
    chain, network, guest = held_chain()
    chain.hold("f0", TX)
    guest.receive(batch_of(packet("answer")))
    assert network.packets == [packet("answer")]


# vnet headers


@pytest.mark.parametrize(
    "missing", ["nothing", "the network could not", "the guest could not", "a filter does not", "the guest need not"]
)
def test_offloads_are_on_when_all_carry_vnet_headers(missing: str) -> None:
    network = FakeNetdev("hn0", vnet_hdr=missing != "the network could not")
    guest = FakeNetdev("guest", vnet_hdr=missing != "the guest could not")
    looker = SeenFilter("f0", [])
    looker.vnet_hdr_support = missing != "a filter does not"
    chain = Chain(network, guest)
    chain.insert(looker)
    assert chain.carries_vnet_hdr is (missing in ("nothing", "the guest need not"))
    guest.vnet_hdr &= missing != "the guest need not"  # vnet_hdr=off
    chain.settle_offloads()
    assert network.offloads is guest.offloads is (missing == "nothing")


def test_offloads_do_not_wait_for_a_guest_that_is_not_there() -> None:
    network = FakeNetdev(vnet_hdr=True)
    Chain(network, None).settle_offloads()
    assert network.offloads is True


def test_a_filter_that_fails_costs_its_frames_and_nothing_else() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    failing = SeenFilter("f0", [], "pass")
    chain.insert(failing)
    chain.start()
    failing.habit = lambda id, packets: packets if packets[0] == packet("good") else [][1]
    with capturedLogs() as events:
        for _ in range(20):
            network.receive(batch_of(packet("bad"), packet("bad")))
    network.receive(batch_of(packet("good")))
    assert guest.packets == [packet("good")]
    assert chain.counters.dropped_filter_failed == 40
    lines = [formatEvent(event) for event in events]
    assert len([line for line in lines if "filter 'f0' failed" in line and "IndexError" in line]) == 5
    assert len([event for event in events if "log_failure" in event]) == 1


# changes while frames flow


class KernelsQueue(FakeNetdev):
    """Has frames in its queue that are received when it is drained; notes whether offloads were on then."""

    def __init__(self, id: str, *packets: bytes) -> None:
        super().__init__(id, vnet_hdr=True)
        self.queue = [batch_of(packet) for packet in packets]
        self.offloads_when_drained: list[bool | None] = []

    def drain(self) -> None:
        self.offloads_when_drained.append(self.offloads)
        while self.queue:
            self.receive(self.queue.pop(0))


def test_what_was_queued_with_offloads_goes_before_a_filter_that_knows_none() -> None:
    network, guest = KernelsQueue("hn0", packet("from the network")), KernelsQueue("g0", packet("from the guest"))
    chain = Chain(network, guest)
    chain.settle_offloads()
    chain.start()
    assert chain.offloads
    visits: list[Visit] = []
    plain = SeenFilter("m0", visits)
    plain.vnet_hdr_support = False
    chain.insert(plain)
    assert visits == []
    assert guest.packets == [packet("from the network")]
    assert network.packets == [packet("from the guest")]
    assert network.offloads_when_drained == guest.offloads_when_drained == [False]
    assert not chain.offloads
    chain.remove(plain)
    assert chain.offloads
    assert guest.offloads


def test_a_guest_without_offloads_turns_them_off() -> None:
    network = KernelsQueue("hn0", packet("early"))
    chain = Chain(network, None)
    chain.settle_offloads()
    chain.start()
    guest = FakeNetdev("g0")
    chain.plug_in(guest)
    chain.settle_offloads()
    assert network.offloads_when_drained == [False]
    assert not chain.offloads
    assert guest.packets == []
    assert chain.counters.dropped_no_guest == 1


def test_a_guest_that_is_plugged_in_under_pressure_waits() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, None)
    chain.start()
    chain.hold("somebody", RX)
    chain.plug_in(guest)
    assert guest.paused
    chain.unplug()
    assert not guest.paused
    chain.let_go("somebody", RX)


def test_a_guests_address_is_given_or_learnt() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, None)
    chain.start()
    chain.plug_in(guest)
    chain.start_guest()
    guest.receive(batch_of(packet("one")))
    assert chain.guest_address == packet()[6:12]
    chain.unplug()
    assert chain.guest_address is None
    chain.plug_in(guest, b"\x52\xa4\0\x12\x78\x66")
    guest.receive(batch_of(packet("one")))
    assert chain.guest_address == b"\x52\xa4\0\x12\x78\x66"


MAC, OTHER_MAC = bytes.fromhex("525400000001"), bytes.fromhex("525400000009")
V4, V6 = Address(bytes((10, 0, 0, 2)), MAC, MAC), Address(bytes.fromhex("fd" + "00" * 14 + "02"), MAC, MAC)


def test_a_guests_ip_addresses_are_learnt_whatever_becomes_of_what_it_says() -> None:
    """On a secondary a gate or a redirector takes it; and it is learnt while a cable is out."""
    chain, network, guest = held_chain()
    chain.insert(SeenFilter("gate", [], habit="take"))
    guest.receive(batch_of(*address_announcements([V4])))
    chain.set_link(RX, False)
    guest.receive(batch_of(packet("data"), *address_announcements([V6])))
    assert network.packets == []
    assert chain.addresses.all() == [V4, V6]


def test_what_its_network_says_or_is_announced_for_it_teaches_nothing() -> None:
    chain, network, _ = held_chain()
    network.receive(batch_of(*address_announcements([V4, V6])))
    chain.announce(batch_of(*address_announcements([V4, V6])))
    assert chain.addresses.all() == []


@pytest.mark.parametrize("injected", [False, True])
def test_an_address_that_the_guest_hears_another_claim_is_forgotten(injected: bool) -> None:
    """On a secondary what the network says comes by a redirector."""
    chain, network, guest = held_chain()
    redirector = SeenFilter("f1", [])
    chain.insert(redirector)
    guest.receive(batch_of(*address_announcements([V4, V6])))
    claim = batch_of(arp_announcement(V4._replace(hardware=OTHER_MAC, source=OTHER_MAC)))
    if injected:
        chain.inject(redirector, TX, claim)
    else:
        network.receive(claim)
    assert chain.addresses.all() == [V6]


def test_another_guests_ip_addresses_are_its_own() -> None:
    chain, _, guest = held_chain()
    guest.receive(batch_of(*address_announcements([V4])))
    chain.unplug()
    assert chain.addresses.all() == []


def test_an_announcement_goes_through_the_filters() -> None:
    """A secondary that must not speak doesn't do so by that way either."""
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    visits: list[Visit] = []
    gate = SeenFilter("gate", visits, habit="take")
    chain.insert(gate)
    chain.announce(batch_of(packet("here")))
    assert visits == [("gate", RX, [packet("here")])]
    assert network.packets == []
    chain.remove(gate)
    chain.announce(batch_of(packet("here")))
    chain.set_link(RX, False)
    chain.announce(batch_of(packet("not here")))
    assert network.packets == [packet("here")]


# answers


def test_an_answer_that_is_there_at_once_goes_back_in_the_same_turn() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    guest.answers.append(batch_of(packet("answer")))
    network.receive(batch_of(packet("question")))
    assert (guest.packets, network.packets) == ([packet("question")], [packet("answer")])


def test_the_guests_question_is_answered_so_too() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    network.answers.append(batch_of(packet("answer")))
    guest.receive(batch_of(packet("question")))
    assert (guest.packets, network.packets) == ([packet("answer")], [packet("question")])


@pytest.mark.parametrize("first", ["network", "guest"])
def test_two_ends_that_answer_each_other_for_ever_get_one_answer_a_turn(first: str) -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    for end in (network, guest):
        end.answers += [batch_of(packet(f"{n}")) for n in range(100)]
    asking = network if first == "network" else guest
    for turn in range(1, 4):
        asking.receive(batch_of(packet("question")))
        assert len(network.packets) == len(guest.packets) == turn


def test_nobody_is_asked_for_an_answer_over_a_cable_that_is_out() -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    chain.set_link(TX, False)
    guest.answers.append(batch_of(packet("later")))
    network.receive(batch_of(packet("lost")))
    assert len(guest.answers) == 1


@pytest.mark.parametrize("first", ["network", "guest"])
def test_what_is_to_be_done_afterwards_comes_behind_the_answers_once_and_in_order(first: str) -> None:
    network, guest = FakeNetdev("hn0"), FakeNetdev("g0")
    chain = Chain(network, guest)
    chain.start()
    asking, asked = (network, guest) if first == "network" else (guest, network)
    done: list[str] = []

    def note(number: str) -> None:
        done.append(f"{number} behind {len(asking.packets)}")

    def send(batch: Batch) -> None:
        for number in "12":
            chain.afterwards(partial(note, number))

    asked.answers.append(batch_of(packet("answer")))
    asked.send = send  # type: ignore[method-assign]
    for _ in range(2):
        asking.receive(batch_of(packet("question")))
    assert done == ["1 behind 1", "2 behind 1"] * 2


def test_what_is_to_be_done_afterwards_is_done_at_once_where_nothing_is_in_hand() -> None:
    chain = Chain(FakeNetdev("hn0"), FakeNetdev("g0"))
    done: list[int] = []
    chain.afterwards(lambda: done.append(1))
    assert done == [1]
