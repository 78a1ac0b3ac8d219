"""Objects and their properties: looked at, and changed while they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from colo_twisted.control.commands.declare import command
from colo_twisted.control.commands.qom_tree import Node, Property, TypeInfo, declared, find, qom_type, tree, types
from colo_twisted.control.errors import DEVICE_NOT_FOUND, QMPError
from colo_twisted.machine import Machine
from colo_twisted.options import json_values
from colo_twisted.options.declare import Declaration, prop
from colo_twisted.options.json_values import Anything
from colo_twisted.options.kinds import Boolean, Kind


@dataclass(frozen=True)
class PathArguments:
    path: str = prop(Kind(), "from '/', or what is left of it where that says enough: 'm0'")


@dataclass(frozen=True)
class PropertyInfo:
    """``description`` and ``default_value`` where an option declares it."""

    name: str
    type: str
    description: str | None = None
    default_value: Any = None


@command("qom-list", "the properties and children of an object", PathArguments)
def qom_list(machine: Machine, where: PathArguments) -> list[PropertyInfo]:
    node = find(tree(machine), where.path)
    return [
        *(_property_info(known.name, known.type, known.declaration) for known in node.properties.values()),
        *(PropertyInfo(child.name, f"child<{child.type}>") for child in node.children.values()),
    ]


def _property_info(name: str, type: str, declaration: Declaration | None) -> PropertyInfo:
    if declaration is None:
        return PropertyInfo(name, type)
    settable = "; can be changed (qom-set)" if declaration.settable else ""
    default = None if declaration.required else json_values.to_json(declaration.kind, declaration.default)
    return PropertyInfo(name, type, f"{declaration.help} ({declaration.kind.allowed}{settable})", default)


@dataclass(frozen=True)
class PropertyArguments(PathArguments):
    property: str = prop(Kind(), "its name")


@command("qom-get", "a property's value", PropertyArguments)
def qom_get(machine: Machine, which: PropertyArguments) -> Any:
    node = find(tree(machine), which.path)
    child = node.children.get(which.property)
    return child.path if child is not None else _property(node, which.property).get()


def _property(node: Node, name: str) -> Property:
    if name not in node.properties:
        raise QMPError(f"Property '{node.type}.{name}' not found")
    return node.properties[name]


@dataclass(frozen=True)
class SetArguments(PropertyArguments):
    value: Any = prop(Anything(), "what it is to be")


@command("qom-set", "change a property of an object while it runs", SetArguments)
def qom_set(machine: Machine, wanted: SetArguments) -> None:
    node = find(tree(machine), wanted.path)
    declaration = _property(node, wanted.property).declaration
    if node.id is None or declaration is None or not declaration.settable:
        raise QMPError(f"Property '{node.type}.{wanted.property}' is not writable{_settable(node)}")
    machine.change(node.id, declaration.name, json_values.from_json(declaration, wanted.value, declaration.name))


def _settable(node: Node) -> str:
    names = [name for name, known in node.properties.items() if known.declaration and known.declaration.settable]
    return f" while it runs (these are: {', '.join(names)})" if node.id is not None and names else ""


# types


@dataclass(frozen=True)
class TypesArguments:
    implements: str | None = prop(Kind(), "only what is a kind of this type", default=None)
    abstract: bool = prop(Boolean(), "those too of which nothing can be made", default=False)


@dataclass(frozen=True)
class TypeAnswer:
    name: str
    parent: str | None
    abstract: bool | None


@command("qom-list-types", "what can be made", TypesArguments)
def qom_list_types(machine: Machine, wanted: TypesArguments) -> list[TypeAnswer]:
    known = types(machine)
    return [
        TypeAnswer(type.name, type.parent, True if type.made_by is None else None)
        for type in known.values()
        if (wanted.abstract or type.made_by is not None) and _implements(type, wanted.implements, known)
    ]


def _implements(type: TypeInfo, wanted: str | None, known: dict[str, TypeInfo]) -> bool:
    if wanted is None or (wanted == "user-creatable" and type.user_creatable):
        return True
    ancestor: TypeInfo | None = type
    while ancestor is not None and ancestor.name != wanted:
        ancestor = known[ancestor.parent] if ancestor.parent is not None else None
    return ancestor is not None


@dataclass(frozen=True)
class TypeArguments:
    typename: str = prop(Kind(), "a type's name; those of chardevs begin with 'chardev-'")


@command("qom-list-properties", "the properties that objects of a type have", TypeArguments)
def qom_list_properties(machine: Machine, wanted: TypeArguments) -> list[PropertyInfo]:
    type = types(machine).get(wanted.typename)
    if type is None:
        raise QMPError(f"Class '{wanted.typename}' not found", DEVICE_NOT_FOUND)
    return list(_properties_of(type))


def _properties_of(type: TypeInfo) -> Iterator[PropertyInfo]:
    yield PropertyInfo("type", "string")
    known: Iterable[Declaration] = () if type.made_by is None else declared(type.made_by)
    for declaration in known:
        yield _property_info(declaration.name, qom_type(declaration.kind), declaration)
    if type.parent == "chardev":
        yield PropertyInfo("connected", "bool")


COMMANDS = (qom_list, qom_get, qom_set, qom_list_types, qom_list_properties)
