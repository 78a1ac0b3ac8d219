"""A whole machine in memory: from QEMU's own option strings, with fakes where the outside world would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.task import Clock

from colo_twisted.interfaces import IMachine, IObjectType
from colo_twisted.machine import Machine
from colo_twisted.options import ObjectType, Properties, declare
from colo_twisted.options.commandline import parse_arguments
from colo_twisted.options.configuration import Definition
from colo_twisted.options.keyval import split
from colo_twisted.packets.batch import Batch
from colo_twisted.registry import Registry
from tests.support.fakes import FakeChardev, FakeNetdev


def make(type: ObjectType, text: str, machine: IMachine) -> Any:
    """What a type makes from the properties in an option string (without the type's name)."""
    return type.create(declare.parse(type.properties, split(text)), machine)


class StuckChardev(FakeChardev):
    """Its peer takes nothing until the test calls ``take``; what is written meanwhile is its backlog."""

    def __init__(self, id: str = "c0") -> None:
        super().__init__(id)
        self.pressing = False
        self._waiting: list[Batch] = []

    def write(self, batch: Batch) -> None:
        self._waiting.append(batch)
        self.backlog += len(batch.data)
        if not self.pressing:
            self.pressing = True
            self.press(True)

    def take(self) -> None:
        """The peer takes all."""
        self.written += self._waiting
        self._let_go()

    def disconnect(self, reason: str) -> None:
        super().disconnect(reason)
        self.connected = False
        self._let_go()

    def _let_go(self) -> None:
        self._waiting = []
        self.backlog = 0
        if self.pressing:
            self.pressing = False
            self.press(False)


FAKES: dict[str, tuple[ObjectType, ...]] = {
    "chardev": (
        ObjectType("fake", "a FakeChardev", Properties, lambda properties, _: FakeChardev(properties.id)),
        ObjectType("stuck", "a StuckChardev", Properties, lambda properties, _: StuckChardev(properties.id)),
    ),
    "netdev": (ObjectType("fake", "a FakeNetdev", Properties, lambda properties, _: FakeNetdev(properties.id)),),
}


class Types(Registry):
    """Ours, the fakes, and what a test adds."""

    def __init__(self, more: Mapping[str, tuple[ObjectType, ...]] | None = None) -> None:
        self._more = more or {}

    def find(self, option: str, name: str) -> IObjectType:
        for known in (*self._more.get(option, ()), *FAKES.get(option, ())):
            if known.name == name:
                return known
        return super().find(option, name)


class Turns(Clock):
    """A clock that runs what is due now, and not what that makes due: one turn of a real reactor."""

    def turn(self) -> None:
        for call in [call for call in self.calls if call.getTime() <= self.seconds()]:
            if call in self.calls:  # else one before it has cancelled it
                self.calls.remove(call)
                call.called = 1
                call.func(*call.args, **call.kw)


class House:
    """
    A machine that has been built from a command line, not started.

    ``chardev`` and ``netdev`` find its fakes by id.
    """

    def __init__(self, line: str, reactor: Any = None, types: Types | None = None) -> None:
        self.reactor: Any = reactor or Clock()
        self.types = types or Types()
        monotonic = self.reactor.seconds
        self.machine = Machine(parse_arguments(line.split(), self.types), self.reactor, monotonic)

    def start(self) -> House:
        """Let the frames flow."""
        self.machine.privilegedStartService()
        self.machine.startService()
        return self

    def add(self, option: str, text: str) -> None:
        """One more part while it runs, in the words of a command line."""
        (_, name), *rest = split(text)
        found = self.types.find(option, name)
        properties: Any = declare.parse(found.properties, rest)  # type: ignore[type-var]
        self.machine.add(Definition(option, found, properties, f"-{option} {text}"))

    def chardev(self, id: str) -> Any:
        return self.machine.chardevs[id]

    def netdev(self, id: str) -> Any:
        return self.machine.netdevs[id]

    def object(self, id: str) -> Any:
        return self.machine.objects[id]
