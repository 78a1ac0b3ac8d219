"""
What there is as a tree of objects with properties, in QEMU's manner (QOM).

    /objects/ID, /chardevs/ID, /machine/peripheral/ID (or peripheral-anon for a device without an id of its own)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from colo_twisted.control.errors import QMPError, device_not_found
from colo_twisted.interfaces import IChardev, IObjectType
from colo_twisted.machine import Machine
from colo_twisted.netfilter.base import FilterProperties
from colo_twisted.options import json_values
from colo_twisted.options.configuration import Definition
from colo_twisted.options.declare import Declaration, declarations
from colo_twisted.options.kinds import Integer, Kind, Size

CONTAINER = "container"
_UINT32 = (1 << 32) - 1


@dataclass(frozen=True)
class Property:
    """``type`` in QOM's words; ``declaration`` is None for what is no option's."""

    name: str
    type: str
    get: Callable[[], Any]
    declaration: Declaration | None = None


@dataclass(frozen=True)
class Node:
    """``id`` is what a property that is set belongs to: an object's; None for what has no settable ones."""

    path: str
    type: str
    properties: Mapping[str, Property] = field(default_factory=dict)
    children: Mapping[str, Node] = field(default_factory=dict)
    id: str | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator[Node]:
        """This one and all below, each before its children."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def below(self, names: list[str]) -> Node | None:
        node: Node | None = self
        for name in names:
            node = None if node is None else node.children.get(name)
        return node


def tree(machine: Machine) -> Node:
    """All that there is now."""
    objects = [_made(f"/objects/{id}", machine.definitions["object", id], id) for id in machine.objects]
    chardevs = [_chardev(machine.definitions["chardev", id], chardev) for id, chardev in machine.chardevs.items()]
    whole = _container("/machine", *_devices(machine), type="colo-machine")
    return _container("/", whole, _container("/objects", *objects), _container("/chardevs", *chardevs))


def find(root: Node, path: str) -> Node:
    """
    The object at a path from the root, or the only one at a partial path from wherever ('m0').

    Raises QMPError.
    """
    names = [name for name in path.split("/") if name]
    starts = [root] if path.startswith("/") else root.walk()
    there = [node for start in starts if (node := start.below(names)) is not None]
    if len(there) > 1:
        raise QMPError(f"Path '{path}' is ambiguous")
    if not there:
        raise device_not_found(path)
    return there[0]


def _container(path: str, *children: Node, type: str = CONTAINER) -> Node:
    return Node(path, type, {"type": _type_property(type)}, {child.name: child for child in children})


def _type_property(type: str) -> Property:
    return Property("type", "string", lambda: type)


def _made(path: str, definition: Definition, id: str | None = None) -> Node:
    """What an option made, with the properties that it declares."""
    type = type_name(definition.option, definition.type)
    properties = {"type": _type_property(type)}
    for declaration in declared(definition.type):
        properties[declaration.name] = _option_property(declaration, definition)
    return Node(path, type, properties, id=id)


def type_name(option: str, type: IObjectType) -> str:
    """QOM's: QEMU's chardevs have a word before theirs."""
    return f"chardev-{type.name}" if option == "chardev" else type.name


def declared(type: IObjectType) -> Iterator[Declaration]:
    """A type's properties but for the id, which is the node's name."""
    return (known for known in declarations(type.properties) if known.name != "id")


def _option_property(declaration: Declaration, definition: Definition) -> Property:
    value = getattr(definition.properties, declaration.attribute)
    type = qom_type(declaration.kind)
    shown = json_values.to_json(declaration.kind, value)
    if shown is None and type == "string":
        shown = ""  # as QEMU has it where a text isn't set
    return Property(declaration.name, type, lambda: shown, declaration)


def qom_type(kind: Kind) -> str:
    """QEMU's name for the type of a property of this kind."""
    named = {"boolean": "bool", "array": "[str]", "value": "string", "string": "string"}
    type = json_values.json_type(kind)
    if type in named:
        return named[type]
    if isinstance(kind, Integer) and kind.least < 0:
        return "int"
    if isinstance(kind, Size):
        return "size"
    return "uint32" if kind.most <= _UINT32 else "uint64"  # type: ignore[attr-defined]


def _devices(machine: Machine) -> Iterator[Node]:
    """Two containers, as in QEMU: of those with an id of their own, and of the others."""
    for path, with_id in (("/machine/peripheral", True), ("/machine/peripheral-anon", False)):
        devices = (device for device in machine.devices.values() if bool(device.definition.properties.id) is with_id)
        yield _container(path, *[_made(f"{path}/{device.id}", device.definition) for device in devices])


def _chardev(definition: Definition, chardev: IChardev) -> Node:
    node = _made(f"/chardevs/{chardev.id}", definition)
    connected = Property("connected", "bool", lambda: chardev.connected)
    return Node(node.path, node.type, {**node.properties, "connected": connected})


# types


@dataclass(frozen=True)
class TypeInfo:
    """A type's name, and that of what it is a kind of; ``made_by`` is None for abstract ones."""

    name: str
    parent: str | None
    made_by: IObjectType | None = None
    user_creatable: bool = False


# option: its types' parent
_PARENTS = {"object": "object", "chardev": "chardev", "device": "device"}
_ABSTRACT = {"object": None, CONTAINER: "object", "device": "object", "chardev": "object", "netfilter": "object"}


def types(machine: Machine) -> dict[str, TypeInfo]:
    """All by name: abstract ones, then what an option can make."""
    known = {name: TypeInfo(name, parent) for name, parent in _ABSTRACT.items()}
    for option, parent in _PARENTS.items():
        for found in machine.registry.all(option).values():
            name = type_name(option, found)
            above = "netfilter" if issubclass(found.properties, FilterProperties) else parent
            known[name] = TypeInfo(name, above, found, user_creatable=option == "object")
    return known
