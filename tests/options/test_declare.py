"""Declarations: from one place come parsing, defaults, printing and help."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from colo_twisted.interfaces import IObjectType
from colo_twisted.options import OptionError, declare
from colo_twisted.options.commandline import _flattened
from colo_twisted.options.declare import (
    ObjectType,
    Properties,
    declarations,
    help_lines,
    parse,
    prop,
    references,
    unparse,
)
from colo_twisted.options.keyval import join, split
from colo_twisted.options.kinds import Boolean, Integer, OnlyOff, Reference, Text
from colo_twisted.registry import Registry
from tests.support.strategies import properties_of

OPTIONS = ("chardev", "netdev", "device", "object")
TYPES = [(option, found) for option in OPTIONS for found in Registry().all(option).values()]
every_type = pytest.mark.parametrize(
    ("option", "found"), TYPES, ids=[f"{option} {each.name}" for option, each in TYPES]
)


@every_type
def test_properties_that_are_printed_and_parsed_are_the_same(option: str, found: IObjectType) -> None:
    @settings(max_examples=8 if option == "device" else 40)
    @given(properties_of(option, found))
    def check(properties: Properties) -> None:
        printed = unparse(properties)
        assert parse(found.properties, printed) == properties
        assert parse(found.properties, split(join(printed))) == properties
        assert parse(found.properties, list(_flattened(json.loads(json.dumps(dict(printed)))))) == properties

    check()


@every_type
def test_the_order_of_properties_does_not_matter(option: str, found: IObjectType) -> None:
    @settings(max_examples=5)
    @given(properties_of(option, found), st.randoms(use_true_random=False))
    def check(properties: Properties, random: Any) -> None:
        printed = unparse(properties)
        random.shuffle(printed)
        assert parse(found.properties, printed) == properties

    check()


@every_type
def test_help_has_a_line_for_each_property(option: str, found: IObjectType) -> None:
    lines = list(help_lines(found.properties))
    declared = list(declarations(found.properties))
    shown = {line.split("=")[0].strip(): line for line in lines}
    assert len(lines) == len(shown) == len(declared)
    for each in declared:
        line = shown[each.name]
        assert each.help in line
        assert each.kind.allowed in line
        assert line.isprintable()


@every_type
def test_every_default_can_be_written_out(option: str, found: IObjectType) -> None:
    for each in declarations(found.properties):
        if not each.required and each.default not in (None, ""):
            assert each.parse(each.kind.format(each.default)) == each.default


@every_type
def test_a_type_promises_what_the_interface_says(option: str, found: IObjectType) -> None:
    assert verifyObject(IObjectType, found)
    assert found.summary
    assert issubclass(found.properties, Properties)
    assert dataclasses.is_dataclass(found.properties)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SampleProperties(Properties):
    """One of each that matters here."""

    outdev: str = prop(Reference("chardev"), "where to")
    indev: str | None = prop(Reference("chardev"), "where from", default=None)
    size: int = prop(Integer(0, 9), "how much", default=5)
    wait: bool = prop(Boolean(), "patience", default=True)
    nodelay: bool = prop(Boolean(), "haste", default=False)
    vnet_hdr_support: bool = prop(Boolean(), "headers", default=False)
    vhost: bool = prop(OnlyOff("not here"), "refused when on", default=False)
    reconnect_ms: int = prop(Integer(0, 9), "again", default=1, name="reconnect-ms")
    note: str | None = prop(Text(), "a note", default=None)

    def check(self) -> None:
        if self.indev == self.outdev:
            raise OptionError("properties 'indev' and 'outdev' take different chardevs")


def sample(text: str) -> SampleProperties:
    return parse(SampleProperties, split(text))


def test_what_is_not_given_has_its_default() -> None:
    assert sample("id=s0,outdev=c0") == SampleProperties(id="s0", outdev="c0")
    assert sample("id=s0,outdev=c0").size == 5


def test_what_is_given_counts() -> None:
    assert sample("id=s0,outdev=c0,size=7,wait=off,reconnect-ms=3,note=a,,b") == SampleProperties(
        id="s0", outdev="c0", size=7, wait=False, reconnect_ms=3, note="a,b"
    )


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ("wait", "wait", True),
        ("nowait", "wait", False),
        ("nodelay", "nodelay", True),
        ("nonodelay", "nodelay", False),
        ("vnet_hdr_support", "vnet_hdr_support", True),
        ("novnet_hdr_support", "vnet_hdr_support", False),
        ("novhost", "vhost", False),
    ],
)
def test_booleans_have_short_forms(text: str, attribute: str, value: bool) -> None:
    assert getattr(sample(f"id=s0,outdev=c0,{text}"), attribute) is value


@pytest.mark.parametrize(("text", "size"), [("size=1,size=2", 2), ("size=2,size=1", 1), ("size=9,wait,size=5", 5)])
def test_the_last_of_equal_keys_counts(text: str, size: int) -> None:
    assert sample(f"id=s0,outdev=c0,{text}").size == size


def test_the_last_of_equal_keys_counts_for_short_forms_too() -> None:
    assert sample("id=s0,outdev=c0,nowait,wait").wait is True
    assert sample("id=s0,outdev=c0,wait=on,nowait").wait is False


KNOWN = "id, indev, nodelay, note, outdev, reconnect-ms, size, vhost, vnet_hdr_support, wait"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("outdev=c0", "property 'id' is missing: a letter, then letters, digits, '-', '.' and '_'"),
        ("id=s0", "property 'outdev' is missing: the id of a chardev"),
        ("id=s0,outdev=c0,sise=1", f"there is no property 'sise' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,server", f"there is no property 'server' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,nope", f"there is no property 'nope' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,=1", f"there is no property '' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,reconnect_ms=1", f"there is no property 'reconnect_ms' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,size", "property 'size' has no value: size= takes a whole number from 0 to 9"),
        ("id=s0,outdev=c0,size=10", "property 'size' takes a whole number from 0 to 9; got '10'"),
        ("id=s0,outdev=c0,size=", "property 'size' takes a whole number from 0 to 9; got ''"),
        ("id=s0,outdev=c0,size=1,size=x", "property 'size' takes a whole number from 0 to 9; got 'x'"),
        ("id=s0,outdev=c0,size=x,size=1", "property 'size' takes a whole number from 0 to 9; got 'x'"),
        ("id=s0,outdev=c0,vhost", "property 'vhost' takes off only: not here; got 'on'"),
        ("id=s0,outdev=c0,nosize", f"there is no property 'nosize' (there are: {KNOWN})"),
        ("id=s0,outdev=c0,indev=c0", "properties 'indev' and 'outdev' take different chardevs"),
    ],
)
def test_errors_name_the_property_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(OptionError) as raised:
        sample(text)
    assert str(raised.value) == message


def test_references_are_those_that_are_set() -> None:
    def named(text: str) -> list[tuple[str, str]]:
        return [(declaration.name, id) for declaration, _, id in references(sample(text))]

    assert named("id=s0,outdev=c0") == [("outdev", "c0")]
    assert named("id=s0,outdev=c0,indev=c1") == [("outdev", "c0"), ("indev", "c1")]


def test_what_has_its_default_is_not_printed() -> None:
    assert unparse(sample("id=s0,outdev=c0,size=5,wait=on")) == [("id", "s0"), ("outdev", "c0")]
    assert join(unparse(sample("nowait,outdev=c0,id=s0"))) == "id=s0,outdev=c0,wait=off"


def test_help_says_what_is_required_set_or_not() -> None:
    lines = list(help_lines(SampleProperties))
    assert lines[1] == "  outdev=  where to (the id of a chardev; required)"
    assert lines[2] == "  indev=  where from (the id of a chardev; not set)"
    assert lines[3] == "  size=  how much (a whole number from 0 to 9; default 5)"
    assert lines[4] == "  wait=  patience (on or off; default on)"


def test_a_type_makes_what_its_properties_describe() -> None:
    made = ObjectType("sample", "a sample", SampleProperties, lambda properties, machine: (properties.id, machine))
    machine: Any = object()
    assert made.create(sample("id=s0,outdev=c0"), machine) == ("s0", machine)


def test_properties_check_nothing_and_make_one_thing_unless_they_say_so() -> None:
    plain = Properties(id="p0")
    assert plain.check() is None
    assert plain.check_host() is None
    assert plain.also_makes() == ()
    assert plain.claims() == ()
    assert declare.parse(Properties, [("id", "p0")]) == plain
