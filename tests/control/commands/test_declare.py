"""What a command is made of, and how its answer becomes JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from colo_twisted.control.commands.declare import Nothing, as_json, command
from colo_twisted.options.declare import prop
from colo_twisted.options.errors import MissingProperty, UnknownProperty
from colo_twisted.options.kinds import Boolean, Kind
from tests.support.house import House


@dataclass(frozen=True)
class Inner:
    frontend_open: bool
    peer: str | None = None


@dataclass(frozen=True)
class Outer:
    list_of: list[Inner]
    by_name: dict[str, int]
    anything: Any


@dataclass(frozen=True)
class Asked:
    some_text: str = prop(Kind(), "a text", name="some-text")
    more: bool = prop(Boolean(), "a boolean", default=False)


def test_a_dataclass_is_an_object_with_dashes_and_without_what_is_none() -> None:
    answer = Outer([Inner(True), Inner(False, "h")], {"frames_in": 1}, [(1, None)])
    assert as_json(answer) == {
        "list-of": [{"frontend-open": True}, {"frontend-open": False, "peer": "h"}],
        "by-name": {"frames_in": 1},
        "anything": [[1, None]],
    }


def test_a_class_is_none_of_ours_to_take_apart() -> None:
    assert as_json(Inner) is Inner


def test_arguments_come_typed() -> None:
    @command("ask", "asks", Asked)
    def ask(machine: Any, asked: Asked) -> list[Any]:
        return [machine, asked]

    machine: Any = "the machine"
    assert (ask.name, ask.help) == ("ask", "asks")
    assert ask.does(machine, Asked("x")) == [machine, Asked("x")]
    assert ask.run(machine, {"some-text": "x", "more": True}) == [machine, {"some-text": "x", "more": True}]
    with pytest.raises(MissingProperty):
        ask.run(machine, {"some_text": "x"})
    with pytest.raises(UnknownProperty):
        ask.run(machine, {"some-text": "x", "less": True})


def test_nothing_answers_an_empty_object() -> None:
    @command("do", "does")
    def do(machine: Any, _: Nothing) -> None: ...

    machine = House("-netdev fake,id=hn0").machine
    assert do.run(machine, {}) == {}
    with pytest.raises(UnknownProperty, match="'x'"):
        do.run(machine, {"x": 1})


def test_an_answer_may_come_later() -> None:
    later: Deferred[Any] = Deferred()

    @command("wait", "waits")
    def wait(machine: Any, _: Nothing) -> Deferred[Any]:
        return later

    got: list[Any] = []
    machine: Any = None
    wait.run(machine, {}).addCallback(got.append)
    assert got == []
    later.callback(Inner(True))
    assert got == [{"frontend-open": True}]
