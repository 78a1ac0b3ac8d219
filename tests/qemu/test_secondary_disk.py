"""A take-over of a guest with a disk: nobody else writes to that any more."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from colo_twisted.link.addresses import UNIXAddress
from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.qemu.primary import PrimaryQEMU
from colo_twisted.qemu.properties import PRIMARY, SECONDARY, ColoQEMUProperties
from colo_twisted.qemu.secondary import SecondaryQEMU
from tests.support.fakes import FakeMachine


def said(make: Any, role: str, answers: dict[str, Exception]) -> list[str]:
    """The commands that QEMU is given when this side goes on without the other; ``answers``: its errors."""
    made = make(ColoQEMUProperties(id="qemu0", qmp=UNIXAddress("a.qmp"), role=role), FakeMachine())
    made.monitor.connected = True
    commands: list[str] = []

    def ask(command: str, **arguments: Any) -> Deferred[Any]:
        commands.append(command)
        return fail(answers[command]) if command in answers else succeed({})

    made.ask = ask
    made.go_on()
    return commands


@pytest.mark.parametrize("error", [None, QEMUError("NBD server not running"), NoAnswer("gone")])
def test_the_secondarys_disk_is_let_out_of_the_primarys_hands_before_the_take_over(error: Exception | None) -> None:
    answers = {} if error is None else {"nbd-server-stop": error}
    assert said(SecondaryQEMU, SECONDARY, answers) == ["nbd-server-stop", "x-colo-lost-heartbeat"]


def test_a_primary_keeps_what_it_serves() -> None:
    assert said(PrimaryQEMU, PRIMARY, {}) == ["x-colo-lost-heartbeat"]
