"""Properties as JSON: every type's values there and back, and what is said of JSON that doesn't fit."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colo_twisted.interfaces import IObjectType
from colo_twisted.options import OptionError, json_values
from colo_twisted.options.declare import Properties, declarations, parse, prop, unparse
from colo_twisted.options.errors import MissingProperty, UnknownProperty, WrongValue
from colo_twisted.options.json_values import Anything, Member, Shape, TextList, WrongType, shape_of, union_of
from colo_twisted.options.kinds import (
    Boolean,
    Choice,
    Duration,
    Ignored,
    Integer,
    Kind,
    MACAddress,
    OnlyOff,
    Port,
    Reference,
    Size,
    Switch,
    Text,
)
from tests.options.test_declare import TYPES
from tests.support.strategies import properties_of

# devices all take the same
_DIFFERENT = {found.properties: (option, found) for option, found in TYPES}.values()
every_type = pytest.mark.parametrize(
    ("option", "found"), _DIFFERENT, ids=[f"{option} {each.name}" for option, each in _DIFFERENT]
)

json_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
json_things = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@dataclass(frozen=True, kw_only=True)
class ThingProperties(Properties):
    """One of each kind that JSON treats in its own way."""

    outdev: str = prop(Reference("chardev"), "a reference")
    status: bool = prop(Switch(), "a switch", default=True)
    vnet_hdr_support: bool = prop(Boolean(), "a boolean", default=False)
    mux: bool = prop(OnlyOff("it can't"), "off", default=False)
    queue: str = prop(Choice("all", "rx", "tx"), "a choice", default="all")
    maxlen: int = prop(Integer(1, 65536), "an integer", default=65536)
    max_backlog: int = prop(Size(least=1024), "a size", default=1 << 20)
    interval: int = prop(Duration("us", 1, 1 << 31), "a duration", default=1000)
    port: int | None = prop(Port(), "a port", default=None)
    mac: bytes | None = prop(MACAddress(), "an address", default=None)
    rombar: str | None = prop(Ignored(), "anything", default=None)

    def check(self) -> None:
        if self.outdev == self.id:
            raise OptionError("property 'outdev' takes another id than 'id'")


def thing(**members: Any) -> ThingProperties:
    return json_values.read(ThingProperties, {"id": "t0", "outdev": "c0", **members})


def shown(properties: Properties, defaults: bool = True) -> dict[str, Any]:
    """What an object of JSON would say of them, with or without those at their defaults."""
    values = (
        (declaration, getattr(properties, declaration.attribute)) for declaration in declarations(type(properties))
    )
    return {
        declaration.name: json_values.to_json(declaration.kind, value)
        for declaration, value in values
        if defaults or value != declaration.default
    }


@every_type
def test_properties_as_json_are_read_back_the_same(option: str, found: IObjectType) -> None:
    @settings(max_examples=25)
    @given(properties_of(option, found))
    def check(properties: Properties) -> None:
        given = json.loads(json.dumps(shown(properties, defaults=False)))
        assert json_values.read(found.properties, given) == properties

    check()


@every_type
def test_whatever_json_holds_is_read_or_refused_in_a_line(option: str, found: IObjectType) -> None:
    names = [declaration.name for declaration in declarations(found.properties)]

    @settings(max_examples=25)
    @given(st.dictionaries(st.sampled_from(names) | st.text(max_size=4), json_things, max_size=6))
    def check(members: dict[str, Any]) -> None:
        with contextlib.suppress(OptionError):
            properties = json_values.read(found.properties, members)
            assert parse(found.properties, unparse(properties)) == properties

    check()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ({"status": "off"}, False),
        ({"vnet_hdr_support": True}, True),
        ({"mux": False}, False),
        ({"queue": "tx"}, "tx"),
        ({"maxlen": 100}, 100),
        ({"max_backlog": 65536}, 65536),
        ({"max_backlog": "64M"}, 64 << 20),
        ({"interval": "100ms"}, 100_000),
        ({"port": "9003"}, 9003),
        ({"mac": "52:54:00:12:34:56"}, bytes.fromhex("525400123456")),
        ({"rombar": 0}, "0"),
        ({"rombar": True}, "on"),
        ({"rombar": "x"}, "x"),
        ({"rombar": 1.5}, "1.5"),
    ],
)
def test_a_value_is_of_the_json_type_that_qemu_gives_it(member: dict[str, Any], value: Any) -> None:
    (name,) = member
    assert getattr(thing(**member), name) == value


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"status": True}, "string"),
        ({"vnet_hdr_support": "on"}, "boolean"),
        ({"vnet_hdr_support": 1}, "boolean"),
        ({"mux": None}, "boolean"),
        ({"queue": ["tx"]}, "string"),
        ({"maxlen": True}, "integer"),
        ({"maxlen": 1.0}, "integer"),
        ({"interval": None}, "integer"),
        ({"port": 9003}, "string"),
        ({"outdev": {"id": "c0"}}, "string"),
        ({"id": 5}, "string"),
    ],
)
def test_another_json_type_is_refused_in_qemus_words(member: dict[str, Any], expected: str) -> None:
    (name,) = member
    with pytest.raises(WrongType) as caught:
        thing(**member)
    assert str(caught.value) == f"Invalid parameter type for '{name}', expected: {expected}"
    assert (caught.value.name, caught.value.expected) == (name, expected)


def test_a_value_that_is_not_allowed_is_named_with_what_is() -> None:
    with pytest.raises(WrongValue) as caught:
        thing(queue="up")
    assert (caught.value.name, caught.value.allowed, caught.value.got) == ("queue", "all, rx or tx", "up")
    with pytest.raises(WrongValue, match="'maxlen' takes a whole number from 1 to 65536; got '0'"):
        thing(maxlen=0)
    with pytest.raises(WrongValue, match="'mux' takes off only"):
        thing(mux=True)


def test_members_are_missed_before_others_are_unexpected() -> None:
    with pytest.raises(MissingProperty, match="'outdev' is missing"):
        json_values.read(ThingProperties, {"id": "t0", "nope": 1})
    with pytest.raises(UnknownProperty, match="there is no property 'nope'"):
        thing(nope=1)


def test_what_fits_together_is_checked() -> None:
    with pytest.raises(OptionError, match="takes another id"):
        thing(outdev="t0")


def test_what_is_not_set_is_null() -> None:
    properties = thing(status="off", mac="52:54:00:12:34:56")
    assert shown(properties) == {
        "id": "t0",
        "outdev": "c0",
        "status": "off",
        "vnet_hdr_support": False,
        "mux": False,
        "queue": "all",
        "maxlen": 65536,
        "max_backlog": 1 << 20,
        "interval": 1000,
        "port": None,
        "mac": "52:54:00:12:34:56",
        "rombar": None,
    }


@dataclass(frozen=True)
class CommandArguments:
    """Arguments need neither an id nor a check."""

    value: Any = prop(Anything(), "any")
    interfaces: tuple[str, ...] | None = prop(TextList(), "words", default=None)
    name: str = prop(Kind(), "any text, none too", default="x")


@given(json_things)
def test_anything_is_anything(value: Any) -> None:
    assert json_values.read(CommandArguments, {"value": value}).value == value


def test_lists_are_of_texts() -> None:
    assert json_values.read(CommandArguments, {"value": 1, "interfaces": ["a", "b"]}).interfaces == ("a", "b")
    for wrong, words in (("a", "'interfaces', expected: array"), (["a", 1], r"'interfaces\[1\]', expected: string")):
        with pytest.raises(WrongType, match=words):
            json_values.read(CommandArguments, {"value": 1, "interfaces": wrong})
    assert json_values.to_json(TextList(), ("a",)) == ("a",)
    assert json_values.read(CommandArguments, {"value": 1, "name": ""}).name == ""


@pytest.mark.parametrize(
    ("kind", "type"),
    [
        (Switch(), "string"),
        (Boolean(), "boolean"),
        (OnlyOff("no"), "boolean"),
        (Integer(0, 1), "integer"),
        (Size(), "integer"),
        (Duration("ms", 0, 1), "integer"),
        (Ignored(), "value"),
        (Anything(), "value"),
        (TextList(), "array"),
        (Port(), "string"),
        (Text(), "string"),
    ],
)
def test_each_kind_has_a_json_type(kind: Kind, type: str) -> None:
    assert json_values.json_type(kind) == type


# unions


@dataclass(frozen=True)
class Address:
    """A union's members, laid flat."""

    kind: str = prop(Text(), "its type", name="addr.type")
    host: str | None = prop(Text(), "a host", default=None, name="addr.host")
    path: str | None = prop(Text(), "a path", default=None, name="addr.path")


def address_shape() -> Shape:
    _, host, path = (declaration for declaration in declarations(Address))
    inet = Shape((json_values.member_of(host, "host", required=True),))
    unix = Shape((json_values.member_of(path, "path", required=True),))
    union = union_of("type", "its type", {"inet": inet, "unix": unix}, attribute="kind")
    return Shape((Member("addr", union, True),))


def test_a_union_has_the_members_of_one_case() -> None:
    assert address_shape().read({"addr": {"type": "inet", "host": "h"}}) == {"kind": "inet", "host": "h"}
    assert address_shape().read({"addr": {"path": "/p", "type": "unix"}}) == {"kind": "unix", "path": "/p"}


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({}, MissingProperty, "'addr' is missing: an object"),
        ({"addr": "inet"}, WrongType, "'addr', expected: object"),
        ({"addr": {}}, MissingProperty, "'addr.type' is missing"),
        ({"addr": {"type": "fd"}}, WrongValue, "'type' takes inet or unix; got 'fd'"),
        ({"addr": {"type": "inet"}}, MissingProperty, "'addr.host' is missing"),
        ({"addr": {"type": "inet", "host": 5}}, WrongType, "'addr.host', expected: string"),
        (
            {"addr": {"type": "inet", "host": "h", "path": "/p"}},
            UnknownProperty,
            r"'addr.path' \(there are: host, type",
        ),
        ({"addr": {"type": "inet", "host": "h"}, "path": "/p"}, UnknownProperty, "'path'"),
    ],
)
def test_errors_name_the_path(given: dict[str, Any], kind: type[OptionError], words: str) -> None:
    with pytest.raises(kind, match=words):
        address_shape().read(given)


def test_a_shape_can_leave_some_out() -> None:
    assert [member.name for member in shape_of(Address, without=("addr.path",)).members] == ["addr.type", "addr.host"]
