"""query-qmp-schema: closed, complete, and of QEMU's form (system/test_qmp_like_qemu.py compares it with QEMU's)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from twisted.internet.defer import Deferred

from colo_twisted.control.commands import COMMANDS
from colo_twisted.control.commands.declare import Nothing, command
from colo_twisted.control.schema import schema
from colo_twisted.events import ALL_EVENTS, Event
from colo_twisted.options.declare import declarations, prop
from colo_twisted.options.json_values import Anything, TextList
from colo_twisted.options.kinds import Boolean, Choice, Integer, Kind, Size, Switch
from colo_twisted.registry import Registry

Info = dict[str, Any]

ROWS = schema(COMMANDS, ALL_EVENTS, Registry())
BY_NAME = {row["name"]: row for row in ROWS}


def referred_to(row: Info) -> Iterator[str]:
    """The types that an entry names."""
    yield from (row[key] for key in ("arg-type", "ret-type", "element-type") if key in row)
    if row["meta-type"] in ("object", "alternate"):
        yield from (member["type"] for member in row["members"])
    yield from (variant["type"] for variant in row.get("variants", ()))


def members(type: str) -> dict[str, Info]:
    return {member["name"]: member for member in BY_NAME[type]["members"]}


def test_names_are_unique_and_every_type_is_there() -> None:
    assert len(BY_NAME) == len(ROWS)
    for row in ROWS:
        for name in referred_to(row):
            assert BY_NAME[name]["meta-type"] not in ("command", "event"), row


def test_no_type_is_there_in_vain_or_twice() -> None:
    used = {name for row in ROWS for name in referred_to(row)}
    for row in ROWS:
        assert row["name"] in used or row["meta-type"] in ("command", "event", "builtin")
    looks = [repr({**row, "name": ""}) for row in ROWS if row["meta-type"] not in ("command", "event", "builtin")]
    assert len(looks) == len(set(looks))


def test_every_command_and_event_is_there() -> None:
    for meta_type, names in (("command", set(COMMANDS)), ("event", {event.name for event in ALL_EVENTS})):
        assert {row["name"] for row in ROWS if row["meta-type"] == meta_type} == names


def test_each_entry_has_what_its_meta_type_asks_for() -> None:
    keys = {
        "builtin": {"json-type"},
        "enum": {"members", "values"},
        "array": {"element-type"},
        "alternate": {"members"},
        "command": {"arg-type", "ret-type"},
        "event": {"arg-type"},
        "object": {"members"},
    }
    for row in ROWS:
        assert set(row) - {"name", "meta-type", "tag", "variants"} == keys[row["meta-type"]]
        if row["meta-type"] == "array":
            assert row["name"] == f"[{row['element-type']}]"


def test_a_unions_tag_is_an_enum_of_its_cases() -> None:
    unions = [row for row in ROWS if "variants" in row]
    assert unions
    for row in unions:
        tag = members(row["name"])[row["tag"]]
        assert "default" not in tag
        assert BY_NAME[tag["type"]]["values"] == [variant["case"] for variant in row["variants"]]
        assert all(BY_NAME[variant["type"]]["meta-type"] == "object" for variant in row["variants"])


@pytest.mark.parametrize(
    ("name", "option", "tag"),
    [("object-add", "object", "qom-type"), ("netdev_add", "netdev", "type"), ("device_add", "device", "driver")],
)
def test_an_adding_command_is_a_union_of_all_types(name: str, option: str, tag: str) -> None:
    union = BY_NAME[BY_NAME[name]["arg-type"]]
    assert union["tag"] == tag
    assert [variant["case"] for variant in union["variants"]] == list(Registry().all(option))
    for variant in union["variants"]:
        declared = list(declarations(Registry().find(option, variant["case"]).properties))
        flat = {known.name for known in declared if not known.name.startswith("addr.")}
        assert {*members(variant["type"]), *members(union["name"])} == flat | {tag} | (
            {"addr"} if len(flat) < len(declared) else set()
        )


def test_a_backend_is_a_union_within_an_object() -> None:
    backend = BY_NAME[members(BY_NAME["chardev-add"]["arg-type"])["backend"]["type"]]
    (socket,) = (variant["type"] for variant in backend["variants"] if variant["case"] == "socket")
    data = members(members(socket)["data"]["type"])
    assert "default" in data["server"]
    address = BY_NAME[data["addr"]["type"]]
    assert [variant["case"] for variant in address["variants"]] == ["inet", "unix", "fd"]
    inet = members(members(address["variants"][0]["type"])["data"]["type"])
    assert (inet["port"]["type"], "default" in inet["port"], "default" in inet["to"]) == ("str", False, True)


# small ones


@dataclass(frozen=True)
class Asked:
    text: str = prop(Kind(), "")
    texts: tuple[str, ...] = prop(TextList(), "", default=())
    number: int = prop(Integer(0, 1), "", default=0)
    size: int = prop(Size(), "", default=0)
    yes: bool = prop(Boolean(), "", default=False)
    status: bool = prop(Switch(), "", default=False)
    choice: str = prop(Choice("a", "b"), "", default="a")
    any: Any = prop(Anything(), "", default=None)


@dataclass(frozen=True)
class Answered:
    frontend_open: bool
    ago: float
    state: Literal["on", "off"]
    peer: str | None
    default_value: Any = None


@dataclass(frozen=True)
class Happened(Event):
    name: ClassVar[str] = "HAPPENED"
    id: str
    reason: str | None = None


def small() -> tuple[dict[str, Info], Info]:
    """The types and the one command."""

    @command("ask", "asks", Asked)
    def ask(machine: Any, asked: Asked) -> list[Answered]:
        return []

    rows = {row["name"]: row for row in schema({"ask": ask}, [Happened], Registry())}
    return rows, rows["ask"]


def test_arguments_are_of_the_types_that_are_read() -> None:
    rows, ask = small()
    given = {member["name"]: member for member in rows[ask["arg-type"]]["members"]}
    assert "default" not in given["text"]
    assert all("default" in given[name] for name in given if name != "text")
    types = {name: member["type"] for name, member in given.items()}
    assert {name: type for name, type in types.items() if name not in ("size", "status", "choice")} == {
        "text": "str",
        "texts": "[str]",
        "number": "int",
        "yes": "bool",
        "any": "any",
    }
    assert rows[types["size"]]["members"] == [{"type": "int"}, {"type": "str"}]
    assert rows[types["status"]]["values"] == ["on", "off"]
    assert rows[types["choice"]]["members"] == [{"name": "a"}, {"name": "b"}]


def test_answers_are_of_the_types_that_functions_say() -> None:
    rows, ask = small()
    answered = rows[rows[ask["ret-type"]]["element-type"]]["members"]
    assert [(member["name"], "default" in member) for member in answered] == [
        ("frontend-open", False),
        ("ago", False),
        ("state", False),
        ("peer", True),
        ("default-value", True),
    ]
    assert [member["type"] for member in answered if member["name"] != "state"] == ["bool", "number", "str", "any"]


def test_events_are_their_fields() -> None:
    rows, _ = small()
    assert rows[rows["HAPPENED"]["arg-type"]]["members"] == [
        {"name": "id", "type": "str"},
        {"name": "reason", "type": "str", "default": None},
    ]


def test_a_command_that_answers_nothing_returns_an_empty_object() -> None:
    @command("do", "does")
    def do(machine: Any, _: Nothing) -> Deferred[None]:
        raise AssertionError

    rows = {row["name"]: row for row in schema({"do": do}, [], Registry())}
    assert rows["do"]["arg-type"] == rows["do"]["ret-type"]
    assert rows[rows["do"]["ret-type"]]["members"] == []
