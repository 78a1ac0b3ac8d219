"""Asking a machine's QMP commands as a session does, without a session."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from colo_twisted.control.commands import COMMANDS
from colo_twisted.control.errors import QMPError, as_qmp
from colo_twisted.machine import Machine
from colo_twisted.options.errors import OptionError, StartError
from tests.support.house import House


def run(machine: Machine, command: str, arguments: dict[str, Any]) -> Any:
    """What a command answers, after a way through JSON. Raises QMPError."""
    try:
        answer = COMMANDS[command].run(machine, json.loads(json.dumps(arguments)))
        if isinstance(answer, Deferred):
            answer = _fired(answer)
    except (OptionError, StartError) as error:
        raise as_qmp(error) from error
    return json.loads(json.dumps(answer))


def _fired(answer: Deferred[Any]) -> Any:
    got: list[Any] = []
    answer.addBoth(got.append)
    assert got, "the command is still at work"
    if hasattr(got[0], "raiseException"):
        got[0].raiseException()
    return got[0]


class Client:
    """Of a house."""

    def __init__(self, house: House) -> None:
        self.house = house

    def __call__(self, command: str, arguments: dict[str, Any] | None = None, /, **more: Any) -> Any:
        return run(self.house.machine, command, {**(arguments or {}), **more})

    def error(self, command: str, arguments: dict[str, Any] | None = None, /, **more: Any) -> str:
        """The class, but for GenericError, and the text of the error that a command must give."""
        with pytest.raises(QMPError) as caught:
            self(command, arguments, **more)
        error = caught.value
        return error.desc if error.error_class == "GenericError" else f"{error.error_class}: {error.desc}"


def a_client(line: str, start: bool = True) -> Client:
    """Of a machine that runs what a command line asks for; the fake types can be added too."""
    house = House(line)
    house.machine.registry = house.types
    return Client(house.start() if start else house)
