"""Closed is not silent: what connections that end say of the process at their other end, and what they don't."""

from __future__ import annotations

from itertools import permutations

import pytest

from colo_twisted.events import ChardevDisconnected
from colo_twisted.failover.closing import Closing
from colo_twisted.interfaces import Ended
from tests.support.fakes import FakeChardev, FakeMachine

NAMES = ("peer0", "mirror0", "compare1")


class Watch:
    """Three chardevs, all connected and watched."""

    def __init__(self, direct: bool = True) -> None:
        self.machine = FakeMachine()
        self.chardevs = {name: FakeChardev(name) for name in NAMES}
        self.told = 0
        self.closing = Closing(self.machine, direct, self._ended)  # type: ignore[arg-type]
        self.closing.start()
        for chardev in self.chardevs.values():
            chardev.come()
        self.closing.watch(self.chardevs.values())

    def _ended(self) -> None:
        self.told += 1

    def end(self, name: str, ended: Ended) -> None:
        self.chardevs[name].go(ended)
        self.machine.events.emit(ChardevDisconnected(name))


@pytest.mark.parametrize("order", list(permutations(NAMES)))
def test_when_all_have_ended_by_its_doing_it_is_closed(order: tuple[str, ...]) -> None:
    watch = Watch()
    for name in order:
        assert not watch.closing.is_closed
        watch.end(name, Ended.BY_PEER)
    assert watch.closing.is_closed
    assert watch.told == 3


@pytest.mark.parametrize("ended", [Ended.SILENT, Ended.BY_US])
@pytest.mark.parametrize("name", NAMES)
def test_one_that_ended_otherwise_makes_it_silence_for_good(name: str, ended: Ended) -> None:
    watch = Watch()
    watch.end(name, ended)
    watch.chardevs[name].come()  # a stranger takes the place
    for each in NAMES:
        watch.end(each, Ended.BY_PEER)
    assert not watch.closing.is_closed
    for each in watch.chardevs.values():
        each.come()
    watch.closing.watch(watch.chardevs.values())
    for each in NAMES:
        watch.end(each, Ended.BY_PEER)
    assert watch.closing.is_closed


def test_without_the_operators_word_nothing_is_closed() -> None:
    watch = Watch(direct=False)
    for name in NAMES:
        watch.end(name, Ended.BY_PEER)
    assert not watch.closing.is_closed


def test_one_that_was_not_connected_then_says_nothing() -> None:
    watch = Watch()
    watch.chardevs["mirror0"].connected = False
    watch.closing.watch(watch.chardevs.values())
    for name in ("peer0", "compare1"):
        watch.end(name, Ended.BY_PEER)
    watch.chardevs["mirror0"].ended = Ended.BY_PEER
    assert not watch.closing.is_closed


def test_nothing_watched_is_nothing_closed() -> None:
    watch = Watch()
    watch.closing.watch([])
    assert not watch.closing.is_closed
    watch.closing.stop()
    watch.end("peer0", Ended.BY_PEER)
    assert watch.told == 0
