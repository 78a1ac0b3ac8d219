"""
Properties as JSON, for a control protocol: typed values from JSON's and back, by the kind of each.

What a command takes, or a type, is a ``Shape``: a JSON object's members. Reading one gives the typed values by
attribute, wherever in it they stood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, TypeVar

from colo_twisted.options.declare import Declaration, declarations
from colo_twisted.options.errors import MissingProperty, OptionError, UnknownProperty, WrongValue
from colo_twisted.options.kinds import Boolean, Choice, Duration, Ignored, Integer, Kind, Only, Size, Switch

A = TypeVar("A")

NUMBERS = (Integer, Size, Duration)


class WrongType(OptionError):
    """Member ``name`` is of another JSON type than ``expected``. The text is QEMU's, as there is no option string."""

    def __init__(self, name: str, expected: str) -> None:
        super().__init__(f"Invalid parameter type for '{name}', expected: {expected}")
        self.name, self.expected = name, expected


class TextList(Kind):
    """A JSON array of strings."""

    allowed = "an array of strings"


class Anything(Kind):
    """Any JSON value, as it is."""

    allowed = "any JSON value"


# one value


def from_json(declaration: Declaration, value: Any, name: str) -> Any:
    """
    The typed value of a property.

    ``name`` is what errors call it: where it stood. Raises WrongType or WrongValue.
    """
    kind = declaration.kind
    if isinstance(kind, Anything):
        return value
    if isinstance(kind, TextList):
        return _texts(value, name)
    text = _as_text(kind, value, name)
    try:
        return kind.parse(text)
    except ValueError as error:
        leaf = name.rpartition(".")[2] if isinstance(kind, Choice) else name  # as QEMU calls it
        raise WrongValue(leaf, kind.allowed, text, str(error)) from None


def to_json(kind: Kind, value: Any) -> Any:
    """A typed value for JSON; None where it isn't set."""
    if isinstance(kind, Switch):
        return kind.format(value)
    if value is None or isinstance(kind, (Boolean, Anything, TextList, *NUMBERS)):
        return value
    return kind.format(value)


def json_type(kind: Kind) -> str:
    """What a value of this kind is in JSON: string, boolean, integer, array or value (any)."""
    if isinstance(kind, (Anything, Ignored, Only)):
        return "value"
    if isinstance(kind, TextList):
        return "array"
    if isinstance(kind, Boolean) and not isinstance(kind, Switch):
        return "boolean"
    return "integer" if isinstance(kind, NUMBERS) else "string"


def _as_text(kind: Kind, value: Any, name: str) -> str:
    """What would stand on a command line. Raises WrongType."""
    expected = json_type(kind)
    if expected == "boolean" or (expected == "value" and isinstance(value, bool)):
        if not isinstance(value, bool):
            raise WrongType(name, expected)
        return "on" if value else "off"
    if expected == "integer" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if expected == "value" and not isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, str):  # a number too: 64M, 100ms
        return value
    raise WrongType(name, expected)


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise WrongType(name, "array")
    for index, item in enumerate(value):
        if not isinstance(item, str):
            raise WrongType(f"{name}[{index}]", "string")
    return tuple(value)


# objects


@dataclass(frozen=True)
class Member:
    """One member of a JSON object: a property, or an object again."""

    name: str
    of: Declaration | Shape
    required: bool


@dataclass(frozen=True)
class Shape:
    """
    What a JSON object may have.

    One with ``cases`` is a union: its member ``tag``, a Choice of the cases' names, says what else it may have.
    """

    members: tuple[Member, ...] = ()
    tag: str = ""
    cases: Mapping[str, Shape] | None = None

    def read(self, given: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
        """
        The typed values by attribute; what isn't given is left out.

        ``inside`` is the path to this object for errors' sake ('backend.data.'). Raises OptionError.
        """
        values: dict[str, Any] = {}
        known = self._read_members(given, inside, values)
        for name in given:
            if name not in known:
                raise UnknownProperty(inside + name, known)
        return values

    def _read_members(self, given: Mapping[str, Any], inside: str, values: dict[str, Any]) -> list[str]:
        """Fill ``values``; the names of all members that there may be."""
        for member in self.members:
            path = inside + member.name
            if member.name in given:
                values.update(_read(member.of, given[member.name], path))
            elif member.required:
                raise MissingProperty(
                    path, member.of.kind.allowed if isinstance(member.of, Declaration) else "an object"
                )
        known = [member.name for member in self.members]
        if self.cases is not None:
            known += self.cases[given[self.tag]]._read_members(given, inside, values)
        return known


def _read(of: Declaration | Shape, value: Any, path: str) -> dict[str, Any]:
    if isinstance(of, Declaration):
        return {of.attribute: from_json(of, value, path)}
    if not isinstance(value, Mapping):
        raise WrongType(path, "object")
    return of.read(value, f"{path}.")


def member_of(declaration: Declaration, name: str | None = None, required: bool = False) -> Member:
    """A property as a member, under its own name unless another is given."""
    return Member(name or declaration.name, declaration, required or declaration.required)


def shape_of(properties: type[Any], without: Iterable[str] = ()) -> Shape:
    """The flat object of a dataclass of properties, without some of them by name."""
    left_out = set(without)
    return Shape(tuple(member_of(known) for known in declarations(properties) if known.name not in left_out))


def union_of(tag: str, help: str, cases: Mapping[str, Shape], attribute: str | None = None) -> Shape:
    """A union whose tag is kept as ``attribute``, or under its own name."""
    return Shape((member_of(Declaration(tag, attribute or tag, Choice(*cases), MISSING, help)),), tag, cases)


def make(properties: Callable[..., A], values: Mapping[str, Any]) -> A:
    """The checked instance of a dataclass of properties. Raises OptionError."""
    made = properties(**values)
    check = getattr(made, "check", None)
    if check is not None:
        check()
    return made


def read(properties: type[A], given: Mapping[str, Any]) -> A:
    """The instance that a flat JSON object asks for. Raises OptionError."""
    return make(properties, shape_of(properties).read(given))
