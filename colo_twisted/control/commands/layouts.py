"""
How the arguments of QEMU's adding commands lie in JSON.

object-add and device_add are flat, netdev_add has a stream's address in an object of its own, chardev-add wraps
everything once more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any

from colo_twisted.interfaces import IObjectType
from colo_twisted.machine import Machine
from colo_twisted.options.commandline import TYPE_KEYS
from colo_twisted.options.configuration import Definition, Types
from colo_twisted.options.declare import Declaration, declarations, unparse
from colo_twisted.options.errors import MissingProperty, UnknownProperty
from colo_twisted.options.json_values import Member, Shape, WrongType, make, member_of, shape_of, union_of
from colo_twisted.options.keyval import join
from colo_twisted.options.kinds import Identifier

# QEMU's SocketAddress: what each type of address has, and whether it must
_ADDRESSES: Mapping[str, Mapping[str, bool]] = {
    "inet": {"host": True, "port": True, "to": False, "ipv4": False, "ipv6": False},
    "unix": {"path": True, "abstract": False, "tight": False},
    "fd": {"str": True},
}
_BACKEND = "the backend's type"  # no attribute has this name

_ID = Declaration("id", "id", Identifier(), MISSING, "its name")


class Flat:
    """The type and the id stand beside the properties. Read, it is a Definition."""

    def __init__(self, option: str) -> None:
        self._option = option
        self._tag = TYPE_KEYS[option]

    def read(self, machine: Machine, given: Mapping[str, Any]) -> Definition:
        type = machine.registry.find(self._option, _word(self._tag, given))
        rest = {name: value for name, value in given.items() if name != self._tag}
        return _definition(self._option, type, _shape(type).read(rest))

    def shape(self, types: Types) -> Shape:
        cases = {name: _shape(found, without_id=True) for name, found in types.all(self._option).items()}
        union = union_of(self._tag, "which type", cases)
        id = Member("id", _ID, self._option != "device")
        return Shape((*union.members, id), union.tag, union.cases)


class WithProps(Flat):
    """Flat, or all but type and id in an object 'props', as QEMU had it before 6.0."""

    def read(self, machine: Machine, given: Mapping[str, Any]) -> Definition:
        return super().read(machine, self._flat(given) if "props" in given else given)

    def _flat(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        outside = (self._tag, "id")
        for name in given:
            if name not in (*outside, "props"):
                raise UnknownProperty(name, (*outside, "props"))
        props = given["props"]
        if not isinstance(props, Mapping):
            raise WrongType("props", "object")
        for name in outside:
            if name in props:
                raise UnknownProperty(f"props.{name}", ())
        return {**props, **{name: given[name] for name in outside if name in given}}


class Backend:
    """chardev-add's: {id, backend: {type, data: {...}}}."""

    # where QEMU's differ from those of its command line
    _defaults: Mapping[str, Mapping[str, Any]] = {"socket": {"server": True, "wait": False}}

    def read(self, machine: Machine, given: Mapping[str, Any]) -> Definition:
        values = self.shape(machine.registry).read(given)
        type = machine.registry.find("chardev", values[_BACKEND])
        return _definition("chardev", type, {**self._defaults.get(type.name, {}), **values})

    def shape(self, types: Types) -> Shape:
        cases = {name: _wrapped(_data(found)) for name, found in types.all("chardev").items()}
        backend = union_of("type", "which type", cases, attribute=_BACKEND)
        return Shape((member_of(_ID), Member("backend", backend, True)))


def _word(name: str, given: Mapping[str, Any]) -> str:
    if name not in given:
        raise MissingProperty(name, "a type's name")
    if not isinstance(given[name], str):
        raise WrongType(name, "string")
    return str(given[name])


def _definition(option: str, type: IObjectType, values: Mapping[str, Any]) -> Definition:
    """What the values by attribute define; those of unions' tags are passed over."""
    attributes = {known.attribute for known in declarations(type.properties)}
    properties = make(type.properties, {name: value for name, value in values.items() if name in attributes})
    return Definition(option, type, properties, f"-{option} {join([(None, type.name), *unparse(properties)])}")


def _shape(type: IObjectType, without_id: bool = False) -> Shape:
    """A type's properties, with those whose names begin with 'addr.' in an object 'addr'."""
    flat = shape_of(type.properties, ("id",) if without_id else ())
    inside = {member.name: member.of for member in flat.members if member.name.startswith("addr.")}
    if not inside:
        return flat
    known = {name: of for name, of in inside.items() if isinstance(of, Declaration)}
    address = _address({name.removeprefix("addr."): of for name, of in known.items()}, known["addr.type"].attribute)
    rest = tuple(member for member in flat.members if member.name not in inside)
    return Shape((*rest, Member("addr", address, True)))


def _data(type: IObjectType) -> Shape:
    """What stands in a backend's 'data': a socket's address in an object 'addr', which wraps its own data."""
    flat = shape_of(type.properties, ("id",))
    if type.name != "socket":
        return flat
    known = {member.name: member.of for member in flat.members if isinstance(member.of, Declaration)}
    known["str"] = known.pop("fd")
    address = _address(known, "the address's type", wrapped=True)
    within = {name for members in _ADDRESSES.values() for name in members} | {"fd"}
    rest = tuple(member for member in flat.members if member.name not in within)
    return Shape((Member("addr", address, True), *rest))


def _address(known: Mapping[str, Declaration], attribute: str, wrapped: bool = False) -> Shape:
    cases = {}
    for type, names in _ADDRESSES.items():
        members = tuple(member_of(known[name], name, must) for name, must in names.items() if name in known)
        cases[type] = _wrapped(Shape(members)) if wrapped else Shape(members)
    return union_of("type", "TCP, a unix socket or an inherited one", cases, attribute=attribute)


def _wrapped(data: Shape) -> Shape:
    return Shape((Member("data", data, True),))
