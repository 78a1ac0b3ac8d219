"""A guest with a disk, when one side goes on without the other: nobody else writes to that, and it waits for nobody."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from colo_twisted.link.addresses import UNIXAddress
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.qemu.primary import PrimaryQEMU
from colo_twisted.qemu.properties import PRIMARY, SECONDARY, ColoQEMUProperties, NodeNames
from colo_twisted.qemu.secondary import SecondaryQEMU
from tests.support.fakes import FakeMachine

LOST = "x-colo-lost-heartbeat"
YANK = "yank [{{'type': 'block-node', 'node-name': '{}'}}]"


class Said:
    """What a QEMU is given; it answers x-colo-lost-heartbeat, and the rest with an error if there is one."""

    def __init__(self, make: Any, role: str, nbd: str = "", error: Exception | None = None) -> None:
        self.commands: list[str] = []
        self.properties = ColoQEMUProperties(id="q", qmp=UNIXAddress("q"), role=role, nbd=NodeNames().parse(nbd))
        self.made = make(self.properties, FakeMachine())
        self.made.monitor.connected = True
        self.made.ask = self._ask
        self._error = error

    def _ask(self, command: str, **arguments: Any) -> Deferred[Any]:
        self.commands.append(" ".join([command, *map(str, arguments.values())]))
        return succeed({}) if self._error is None or command == LOST else fail(self._error)


each_answer = pytest.mark.parametrize("error", [None, QEMUError("there is none"), NoAnswer("gone")])


@each_answer
def test_a_secondarys_disk_is_out_of_the_primarys_hands_before_the_take_over(error: Exception | None) -> None:
    said = Said(SecondaryQEMU, SECONDARY, "nbd0", error)
    said.made.go_on()
    assert said.commands == ["nbd-server-stop", LOST]


@each_answer
def test_a_primary_gives_up_the_way_to_the_others_disk_first(error: Exception | None) -> None:
    said = Said(PrimaryQEMU, PRIMARY, "nbd0 nbd1", error)
    said.made.go_on()
    assert said.commands == [YANK.format("nbd0"), YANK.format("nbd1"), LOST]


def test_which_ways_these_are_can_be_changed() -> None:
    said = Said(PrimaryQEMU, PRIMARY)
    said.made.change(dataclasses.replace(said.properties, nbd=("nbd7",)))
    said.made.go_on()
    assert said.commands == [YANK.format("nbd7"), LOST]


def test_a_primary_without_a_disk_has_none() -> None:
    said = Said(PrimaryQEMU, PRIMARY)
    said.made.go_on()
    assert said.commands == [LOST]


def test_node_names_are_written_as_they_are_read() -> None:
    assert NodeNames().format(NodeNames().parse(" nbd0  nbd1 ")) == "nbd0 nbd1"
