"""
query-qmp-schema: what can be said, in the form of QEMU's introspection.

All of it is drawn from the declarations that arguments are read by, from the annotations of what commands answer
and from the events' fields. Types are known by numbers, as in QEMU; equal ones are one.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from twisted.internet.defer import Deferred

from colo_twisted.events import Event
from colo_twisted.options.configuration import Types
from colo_twisted.options.declare import Declaration
from colo_twisted.options.json_values import Member, Shape, json_type
from colo_twisted.options.kinds import Choice, Duration, Kind, Size, Switch

if typing.TYPE_CHECKING:
    from colo_twisted.control.commands.declare import Command

# QEMU's name of a builtin type, and what it is in JSON
_BUILTINS = {"str": "string", "int": "int", "number": "number", "bool": "boolean", "any": "value"}
_BY_JSON_TYPE = {"string": "str", "integer": "int", "boolean": "bool", "value": "any"}
_BY_CLASS = {str: "str", int: "int", float: "number", bool: "bool"}

Info = dict[str, Any]


def schema(commands: Mapping[str, Command], events: Iterable[type[Event]], registry: Types) -> list[Info]:
    """Commands and events first, then the types that they refer to."""
    known = _Types()
    entries = [known.of_command(command, registry) for command in commands.values()]
    entries += [{"name": event.name, "meta-type": "event", "arg-type": known.of_class(event)} for event in events]
    return entries + known.entries


class _Types:
    """Numbers types as they are met."""

    def __init__(self) -> None:
        self.entries: list[Info] = []
        self._names: dict[str, str] = {}  # by what it looks like
        for name, json in _BUILTINS.items():
            self.entries.append({"name": name, "meta-type": "builtin", "json-type": json})

    def _named(self, info: Info, name: str | None = None) -> str:
        """The name of the type that looks so."""
        looks = repr(info)
        if looks not in self._names:
            self._names[looks] = name or str(len(self._names))
            self.entries.append({"name": self._names[looks], **info})
        return self._names[looks]

    def _object(self, members: list[Info], **union: Any) -> str:
        return self._named({"meta-type": "object", "members": members, **union})

    def _enum(self, words: Iterable[str]) -> str:
        values = list(words)
        return self._named({"meta-type": "enum", "members": [{"name": word} for word in values], "values": values})

    def _array(self, of: str) -> str:
        return self._named({"meta-type": "array", "element-type": of}, f"[{of}]")

    def _either(self, *types: str) -> str:
        return self._named({"meta-type": "alternate", "members": [{"type": type} for type in types]})

    def of_command(self, command: Command, registry: Types) -> Info:
        """Its own entry."""
        asks = self.of_shape(command.arguments.shape(registry))
        answers = self.of_annotation(typing.get_type_hints(command.does)["return"])
        return {"name": command.name, "meta-type": "command", "arg-type": asks, "ret-type": answers}

    # what is given

    def of_shape(self, shape: Shape) -> str:
        """An object that is read."""
        members = [self._member(member) for member in shape.members]
        if shape.cases is None:
            return self._object(members)
        variants = [{"case": case, "type": self.of_shape(inner)} for case, inner in shape.cases.items()]
        return self._object(members, tag=shape.tag, variants=variants)

    def _member(self, member: Member) -> Info:
        of = member.of
        type = self.of_kind(of.kind) if isinstance(of, Declaration) else self.of_shape(of)
        return {"name": member.name, "type": type, **({} if member.required else {"default": None})}

    def of_kind(self, kind: Kind) -> str:
        """A property."""
        if isinstance(kind, Choice):
            return self._enum(kind.words)
        if isinstance(kind, Switch):
            return self._enum(("on", "off"))
        if isinstance(kind, (Size, Duration)):
            return self._either("int", "str")  # a unit may stand behind the number
        type = json_type(kind)
        return self._array("str") if type == "array" else _BY_JSON_TYPE[type]

    # what is answered

    def of_class(self, of: type[Any]) -> str:
        """A dataclass that is answered, or an event."""
        hints = typing.get_type_hints(of)
        return self._object([self._field(field, hints[field.name]) for field in dataclasses.fields(of)])

    def _field(self, field: dataclasses.Field[Any], annotation: Any) -> Info:
        """What is None is left out of an answer."""
        optional = type(None) in typing.get_args(annotation) or field.default is None
        name, type_name = field.name.replace("_", "-"), self.of_annotation(annotation)
        return {"name": name, "type": type_name, **({"default": None} if optional else {})}

    def of_annotation(self, annotation: Any) -> str:
        """What a function answers."""
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if annotation in (None, type(None)):
            return self._object([])
        if annotation in _BY_CLASS:
            return _BY_CLASS[annotation]
        if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
            return self.of_class(annotation)
        if origin is Literal:
            return self._enum(arguments)
        if origin is list:
            return self._array(self.of_annotation(arguments[0]))
        if origin in (types.UnionType, typing.Union):
            (inner,) = (each for each in arguments if each is not type(None))
            return self.of_annotation(inner)
        if origin is Deferred:
            return self.of_annotation(arguments[0])
        return "any"
