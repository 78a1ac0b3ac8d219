"""What must be up, how it is said, and when the secondary counts as silent."""

from __future__ import annotations

from typing import Any

import pytest

from colo_twisted.compare.channels import Channels
from colo_twisted.compare.mirrors import Mirrors
from tests.support.fakes import FakeChardev


class FakeMirror:
    def __init__(self, id: str, status: bool = True) -> None:
        self.id = id
        self.status = status
        self.connected = True
        self.watchers: list[Any] = []


class FakeMachine:
    def __init__(self) -> None:
        self.mirrors: list[FakeMirror] = []

    def providers(self, _: object) -> list[FakeMirror]:
        return list(self.mirrors)


class World:
    """Three chardevs, mirrors, and what was said."""

    def __init__(self) -> None:
        self.machine: Any = FakeMachine()
        self.said: list[tuple[str | None, bool]] = []
        self.mirrors = Mirrors(self.machine, lambda: self.channels.look())
        self.channels = Channels(3.0, self.mirrors, lambda *said: self.said.append(said))
        self.p, self.s, self.o = (FakeChardev(id) for id in "pso")
        for name, chardev in (("primary_in", self.p), ("secondary_in", self.s), ("outdev", self.o)):
            self.channels.add(name, chardev)

    @property
    def new(self) -> list[tuple[str | None, bool]]:
        said = list(self.said)
        self.said.clear()
        return said


@pytest.fixture
def world() -> World:
    world = World()
    world.channels.start()
    assert world.new == [(None, False)]
    return world


def test_nothing_is_said_before_it_starts_and_after_it_stops() -> None:
    world = World()
    world.channels.look()
    assert world.new == []
    world.channels.start()
    world.channels.stop()
    world.s.connected = False
    world.channels.look()
    assert world.new == [(None, False)]


def test_what_is_down_is_said_once_and_anew_when_it_is_something_else(world: World) -> None:
    world.s.connected = False
    world.channels.look()
    world.channels.look()
    world.o.connected = False
    world.channels.look()
    assert world.new == [
        ("secondary_in is not connected", False),
        ("secondary_in and outdev are not connected", False),
    ]
    assert world.channels.rows() == [("primary_in", True), ("secondary_in", False), ("outdev", False)]


def test_mirrors_come_and_go(world: World) -> None:
    world.mirrors.look()
    assert world.new == []
    mirror = FakeMirror("m0", status=False)
    world.machine.mirrors.append(mirror)
    world.mirrors.look()
    assert world.new == [("filter-mirror 'm0' is off", True)]
    mirror.status = True
    mirror.watchers[0](True)
    mirror.connected = False
    mirror.watchers[0](False)
    world.machine.mirrors.clear()
    world.mirrors.look()
    assert world.new == [
        (None, False),
        ("filter-mirror 'm0' is not connected", False),
        ("there is no filter-mirror any more", False),
    ]
    assert mirror.watchers == []


def test_staged_is_only_what_nothing_else_keeps_down(world: World) -> None:
    world.machine.mirrors.append(FakeMirror("m0", status=False))
    world.p.connected = False
    world.mirrors.look()
    assert world.new == [("primary_in is not connected; filter-mirror 'm0' is off", False)]


def test_what_is_left_is_not_watched(world: World) -> None:
    mirror = FakeMirror("m0")
    world.machine.mirrors.append(mirror)
    world.mirrors.look()
    world.mirrors.leave()
    assert mirror.watchers == []


@pytest.mark.parametrize("timeout", [3.0, 1.0])
def test_a_secondary_that_leaves_two_waiting_and_says_nothing_is_silent(world: World, timeout: float) -> None:
    world.channels.change_timeout(timeout)
    world.channels.secondary_heard(100.0)
    world.channels.secondary_missed(100.0 + timeout)
    world.channels.secondary_missed(100.0 + 2 * timeout - 0.1)
    assert world.new == []
    world.channels.secondary_missed(100.0 + 2 * timeout)
    assert world.new == [("secondary_in is silent", False)]
    world.channels.secondary_heard(200.0)
    assert world.new == [(None, False)]


def test_one_that_is_not_connected_is_not_silent_besides(world: World) -> None:
    for _ in range(2):
        world.channels.secondary_missed(100.0)
    world.s.connected = False
    world.channels.look()
    assert [said for said, _ in world.new] == ["secondary_in is silent", "secondary_in is not connected"]


class FakeGuest:
    """A QEMU that is under COLO, or says why it isn't."""

    def __init__(self) -> None:
        self.why_not: str | None = "it is not there"

    @property
    def connected(self) -> bool:
        return self.why_not is None


def test_a_channel_that_knows_why_it_is_down_is_said_in_its_own_words() -> None:
    world, guest = World(), FakeGuest()
    world.channels.add("colo-qemu 'q0'", guest)
    world.s.connected = False
    world.channels.start()
    world.s.connected = True
    world.channels.look()
    guest.why_not = "it has left"
    world.channels.look()
    guest.why_not = None
    world.channels.look()
    assert world.new == [
        ("secondary_in is not connected; colo-qemu 'q0': it is not there", False),
        ("colo-qemu 'q0': it is not there", False),
        ("colo-qemu 'q0': it has left", False),
        (None, False),
    ]


def test_mirrors_that_are_off_are_not_staged_while_such_a_channel_is_down() -> None:
    world, guest = World(), FakeGuest()
    world.channels.add("colo-qemu 'q0'", guest)
    world.machine.mirrors.append(FakeMirror("m0", status=False))
    world.channels.start()
    world.mirrors.look()
    assert world.new[-1] == ("colo-qemu 'q0': it is not there; filter-mirror 'm0' is off", False)
