"""What a command is: its name, what it takes, what it answers, and what it does."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred

from colo_twisted.machine import Machine
from colo_twisted.options import json_values
from colo_twisted.options.configuration import Types
from colo_twisted.options.json_values import Shape

A = TypeVar("A")


class Arguments(Protocol):
    """How a command's arguments are read, and how they look."""

    def read(self, machine: Machine, given: Mapping[str, Any]) -> Any:
        """What the command's function is called with. Raises OptionError."""

    def shape(self, types: Types) -> Shape:
        """What a client may give, for query-qmp-schema."""


@dataclasses.dataclass(frozen=True)
class Flat:
    """The arguments are a dataclass of properties."""

    properties: type[Any]

    def read(self, machine: Machine, given: Mapping[str, Any]) -> Any:
        return json_values.read(self.properties, given)

    def shape(self, types: Types) -> Shape:
        return json_values.shape_of(self.properties)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """There are no arguments: any at all is an error."""


@dataclasses.dataclass(frozen=True)
class Command:
    """
    A QMP command.

    ``does`` is called with the machine and what ``arguments`` made of those given; its annotated result is what
    the schema says. A dataclass in a result stands for a JSON object (see as_json); None for an empty one.
    """

    name: str
    help: str
    arguments: Arguments
    does: Callable[[Machine, Any], Any]

    def run(self, machine: Machine, arguments: Mapping[str, Any]) -> Any:
        """
        The answer for JSON, or a Deferred of it.

        Raises, or the Deferred fails with, QMPError, OptionError or StartError.
        """
        result = self.does(machine, self.arguments.read(machine, arguments))
        if isinstance(result, Deferred):
            return result.addCallback(_answer)
        return _answer(result)


def command(
    name: str, help: str, arguments: type[Any] | Arguments = Nothing
) -> Callable[[Callable[[Machine, A], Any]], Command]:
    """Make a function into a command; ``arguments`` may be a dataclass of properties."""

    def declared(does: Callable[[Machine, A], Any]) -> Command:
        return Command(name, help, Flat(arguments) if isinstance(arguments, type) else arguments, does)

    return declared


def _answer(result: Any) -> Any:
    return {} if result is None else as_json(result)


def as_json(value: Any) -> Any:
    """
    A dataclass as a JSON object, wherever it stands in a value.

    Its fields have '-' for '_'; those that are None are left out.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name.replace("_", "-"): as_json(item) for name, item in fields if item is not None}
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    return value
