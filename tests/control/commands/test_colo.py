"""COLO mode by command: QEMU's status and lost heartbeat, announcing, and asking for checkpoints."""

from __future__ import annotations

import pytest

from colo_twisted.events import Event
from colo_twisted.packets.announce import announcement
from tests.support.asking import Client, a_client
from tests.support.fakes import batch_of, packet

CABLE = "-netdev fake,id=hn0 -netdev fake,id=g0 -device e1000,id=e0,netdev=hn0,guest=g0"
CHARDEVS = " ".join(f"-chardev fake,id={id}" for id in ("pri", "sec", "out"))
COMPARE = f"{CABLE} {CHARDEVS} -object colo-compare,id=comp0,primary_in=pri,secondary_in=sec,outdev=out"
REWRITER = f"{CABLE} -object filter-rewriter,id=rew0,netdev=hn0"
GUEST = packet("from the guest")
ROUNDS = {"initial": 50, "max": 550, "rounds": 3, "step": 50}


@pytest.mark.parametrize(("line", "mode"), [(CABLE, "none"), (COMPARE, "primary"), (REWRITER, "secondary")])
def test_the_mode_is_that_of_the_parts(line: str, mode: str) -> None:
    assert a_client(line)("query-colo-status") == {"mode": mode, "last-mode": mode, "reason": "none"}


@pytest.mark.parametrize(
    ("line", "mode", "why"),
    [
        (COMPARE, "primary", "this side goes on alone already"),
        (REWRITER, "secondary", "this side has taken over already"),
    ],
)
def test_a_lost_heartbeat_ends_it(line: str, mode: str, why: str) -> None:
    client = a_client(line)
    told: list[Event] = []
    client.house.machine.events.subscribe(told.append)
    assert client("x-colo-lost-heartbeat") == {}
    assert client("query-colo-status") == {"mode": "none", "last-mode": mode, "reason": "request"}
    exits = [event.data for event in told if event.name == "COLO_EXIT"]
    assert exits == [{"mode": mode, "reason": "request"}]
    assert client.error("x-colo-lost-heartbeat") == f"The feature 'colo' is not enabled ({why})"


def test_without_a_pair_no_heartbeat_can_be_lost() -> None:
    assert a_client(CABLE).error("x-colo-lost-heartbeat") == "The feature 'colo' is not enabled"


# announce-self


def announced(client: Client, seconds: float = 10.0) -> int:
    client.house.reactor.pump([0.05] * int(seconds / 0.05))
    packets: list[bytes] = client.house.netdev("hn0").packets
    return packets.count(announcement(GUEST[6:12]))


@pytest.fixture
def speaking() -> Client:
    """Its guest's address is known."""
    client = a_client(CABLE)
    client.house.netdev("g0").receive(batch_of(GUEST))
    return client


@pytest.mark.parametrize(
    ("more", "rounds"),
    [
        ({}, 3),
        ({"interfaces": ["hn0"]}, 3),
        ({"interfaces": ["e0"], "id": "i"}, 3),
        ({"interfaces": []}, 0),
        ({"interfaces": ["no"]}, 0),
        ({"rounds": 0}, 0),
    ],
)
def test_the_guest_is_announced_in_rounds(speaking: Client, more: dict[str, object], rounds: int) -> None:
    assert speaking("announce-self", {**ROUNDS, **more}) == {}
    assert announced(speaking) == rounds


def test_one_with_the_same_id_takes_the_others_place(speaking: Client) -> None:
    speaking("announce-self", ROUNDS)
    speaking("announce-self", {**ROUNDS, "rounds": 0})
    assert announced(speaking) == 1


def test_what_announcing_takes_is_checked(speaking: Client) -> None:
    assert speaking.error("announce-self") == "Parameter 'initial' is missing"
    wrong = {**ROUNDS, "interfaces": "hn0"}
    assert speaking.error("announce-self", wrong) == "Invalid parameter type for 'interfaces', expected: array"
    assert speaking.error("announce-self", {**ROUNDS, "rounds": -1}).startswith("Parameter 'rounds' does not accept")


# colo-checkpoint


def test_a_checkpoint_is_asked_for() -> None:
    client = a_client(f"-chardev fake,id=xen {COMPARE},notify_dev=xen")
    told: list[Event] = []
    client.house.machine.events.subscribe(told.append)
    first = client("colo-checkpoint")["number"]
    assert client("colo-checkpoint", id="comp0") == {"number": first}  # Xen's primary stands still at its end
    assert {event.name for event in told} >= {"COLO_CHECKPOINT_REQUESTED"}


def test_nobody_there_to_make_one_is_an_error_that_says_who_could_be() -> None:
    error = a_client(COMPARE).error("colo-checkpoint")
    assert "checkpoint=" in error
    assert "notify_dev=" in error


def test_the_comparer_must_be_clear() -> None:
    assert a_client(CABLE).error("colo-checkpoint") == "which colo-compare? there is none"
    assert a_client(COMPARE).error("colo-checkpoint", id="rew0") == "object 'rew0' not found"
    more = "-chardev fake,id=p -chardev fake,id=s -chardev fake,id=o"
    two = f"{COMPARE} {more} -object colo-compare,id=comp1,primary_in=p,secondary_in=s,outdev=o"
    assert a_client(two).error("colo-checkpoint") == "which colo-compare? there are 2 (name one: id)"
