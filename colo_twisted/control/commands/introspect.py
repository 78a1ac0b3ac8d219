"""What a client can ask for: the commands themselves, and their schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from colo_twisted.control.commands.declare import Command, Nothing, command
from colo_twisted.control.schema import schema
from colo_twisted.control.session import NEGOTIATE, Capabilities
from colo_twisted.events import ALL_EVENTS
from colo_twisted.machine import Machine
from colo_twisted.options.configuration import Types


@command(NEGOTIATE, "end the negotiation, which comes before all other commands", Capabilities)
def qmp_capabilities(machine: Machine, _: Capabilities) -> None:
    """The session does it, and it never comes here; but it is a command like any other to those who ask."""


@dataclass(frozen=True)
class CommandInfo:
    name: str


def introspection(others: Mapping[str, Command]) -> tuple[Command, ...]:
    """The commands that speak of all commands: ``others`` and themselves."""

    def known() -> dict[str, Command]:
        return {**others, **{each.name: each for each in these}}

    @command("query-commands", "the names of all commands")
    def query_commands(machine: Machine, _: Nothing) -> list[CommandInfo]:
        return [CommandInfo(name) for name in known()]

    made: WeakKeyDictionary[Types, list[Any]] = WeakKeyDictionary()  # it takes long enough for frames to wait

    @command("query-qmp-schema", "all commands, events and types, in the form of QEMU's")
    def query_qmp_schema(machine: Machine, _: Nothing) -> list[Any]:
        if machine.registry not in made:
            made[machine.registry] = schema(known(), ALL_EVENTS, machine.registry)
        return made[machine.registry]

    these = (qmp_capabilities, query_commands, query_qmp_schema)
    return these
