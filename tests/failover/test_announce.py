"""When announcements go out, for whom, and what ends them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.failover.announce import MOST_AT_ONCE, Announcements, Announcing
from colo_twisted.options.errors import StartError
from colo_twisted.packets.announce import announcement
from colo_twisted.packets.batch import Batch

MACS = {"hn0": bytes.fromhex("525400000001"), "hn1": bytes.fromhex("525400000002")}


class Chain:
    """Keeps when something was sent to its network, and what."""

    def __init__(self, clock: Clock, address: bytes | None) -> None:
        self.guest: object | None = object()
        self.guest_address = address
        self.sent: list[tuple[float, bytes]] = []
        self._clock = clock

    def announce(self, batch: Batch) -> None:
        self.sent += [(round(self._clock.seconds(), 3), packet) for packet in batch.packets()]

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.sent]


class Network:
    """A machine with two guests, e0 on hn0 and e1 on hn1."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.chains = {id: Chain(self.clock, address) for id, address in MACS.items()}
        machine: Any = SimpleNamespace(reactor=self.clock, guests=self._guests)
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


def test_unless_told_otherwise_there_are_a_few_within_a_second(network: Network) -> None:
    network.announce(Announcing())
    network.pass_time(5)
    assert network.times == [0.0, 0.05, 0.2, 0.45, 0.8]


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
