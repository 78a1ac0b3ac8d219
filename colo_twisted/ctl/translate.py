"""
QEMU's option strings as QMP arguments.

``filter-mirror,id=m0,vnet_hdr_support=on`` is all text; QMP wants JSON's types and inner objects. Which, the
server's own schema (query-qmp-schema) says, so that types of other packages, or of a QEMU, go the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

COMMANDS = {"object": "object-add", "chardev": "chardev-add", "netdev": "netdev_add", "device": "device_add"}
"""QMP's command for each option."""

_TYPE_KEYS = {"object": "qom-type", "chardev": "backend", "netdev": "type", "device": "driver"}
_BOOLEANS = {"on": True, "yes": True, "true": True, "y": True, "off": False, "no": False, "false": False, "n": False}
_ADDRESSES = {
    "path": ("unix", ("path", "abstract", "tight")),
    "fd": ("fd", ("fd",)),
    "port": ("inet", ("host", "port", "to", "ipv4", "ipv6", "mptcp")),
}
"""The property that tells how a socket chardev is reached: the address's type in QMP, and its properties."""

Given = dict[str, Any]
"""Texts by name, and such dicts where the names had dots in them; None for a word without a value."""


class WrongOption(ValueError):
    """An option string that can't be translated; the text is a line."""


class Schema:
    """What query-qmp-schema answers."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self._entries = {entry["name"]: entry for entry in entries}

    def typed(self, command: str, given: Given) -> dict[str, Any]:
        """A command's arguments with JSON's types in place of texts. Raises WrongOption."""
        entry = self._entries.get(command)
        if entry is None:
            raise WrongOption(f"this server has no command {command}")
        found: dict[str, Any] = self._typed(entry["arg-type"], given, command)
        return found

    def types(self, option: str) -> list[str]:
        """The types that an option knows."""
        entry = self._entries.get(self._entries.get(COMMANDS[option], {}).get("arg-type", ""), {})
        if option == "chardev":
            backend = [member["type"] for member in entry.get("members", ()) if member["name"] == "backend"]
            entry = self._entries.get("".join(backend), {})
        return [variant["case"] for variant in entry.get("variants", ())]

    def events(self) -> list[str]:
        """The names of all events."""
        return sorted(name for name, entry in self._entries.items() if entry.get("meta-type") == "event")

    def arguments(self, command: str) -> dict[str, list[str]]:
        """What a command takes, each with the words that it may be, where these are few."""
        asks = self._entries.get(self._entries.get(command, {}).get("arg-type", ""), {})
        return {member["name"]: self._words(member["type"]) for member in asks.get("members", ())}

    def _words(self, type_name: str) -> list[str]:
        entry = self._entries.get(type_name, {})
        if entry.get("json-type") == "boolean":
            return ["true", "false"]
        return list(entry.get("values", ())) if entry.get("meta-type") == "enum" else []

    def _typed(self, type_name: str, value: Any, name: str) -> Any:
        entry = self._entries.get(type_name, {})
        meta = entry.get("meta-type")
        if isinstance(value, dict) and meta == "object":
            return self._object(entry, value)
        if isinstance(value, dict) and meta == "array":  # a.0=x,a.1=y
            return [self._typed(entry["element-type"], inner, name) for _, inner in sorted(value.items(), key=_index)]
        if meta == "array":
            return [self._typed(entry["element-type"], value, name)]
        return _scalar(entry.get("json-type", "string"), value, name) if not isinstance(value, dict) else value

    def _object(self, entry: Mapping[str, Any], given: Given) -> dict[str, Any]:
        members = {member["name"]: member["type"] for member in self._members(entry, given)}
        found: dict[str, Any] = {}
        for name, value in given.items():
            name, value = self._long_form(name, value, members)
            found[name] = self._typed(members.get(name, "str"), value, name)
        return found

    def _members(self, entry: Mapping[str, Any], given: Given) -> list[Mapping[str, Any]]:
        """An object's members; of a union, those of its case too."""
        members = list(entry.get("members", ()))
        for variant in entry.get("variants", ()):
            if variant["case"] == given.get(entry["tag"]):
                members += self._members(self._entries.get(variant["type"], {}), given)
        return members

    def _long_form(self, name: str, value: Any, members: Mapping[str, str]) -> tuple[str, Any]:
        """``server`` is server=on, ``nowait`` is wait=off."""
        if value is not None:
            return name, value
        rest = name.removeprefix("no")
        return (rest, "off") if name not in members and rest in members else (name, "on")


def _index(item: tuple[str, Any]) -> tuple[int, str]:
    return (int(item[0]) if item[0].isdecimal() else 0, item[0])


def _scalar(json_type: str, text: str, name: str) -> Any:
    if json_type == "boolean":
        if text not in _BOOLEANS:
            raise WrongOption(f"property '{name}' takes on or off; got '{text}'")
        return _BOOLEANS[text]
    if json_type in ("int", "number") and text.removeprefix("-").isdecimal():
        return int(text)
    return text  # a size with its unit, too: the server reads that, or says what it takes


def arguments(option: str, text: str, schema: Schema) -> dict[str, Any]:
    """The arguments of COMMANDS[option] for an option's value, which may be JSON. Raises WrongOption."""
    if text.lstrip().startswith("{"):
        return _from_json(text)
    from colo_twisted.options.keyval import split  # its package imports Twisted: it takes time

    return schema.typed(COMMANDS[option], given_in(option, split(text)))


def _from_json(text: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(text)  # what begins with a brace is an object, or nothing
    except ValueError as error:
        raise WrongOption(f"not JSON: {error}") from None
    return value


def given_in(option: str, pairs: list[tuple[str | None, str]]) -> Given:
    """What the pairs say, in the shape of QMP's arguments but all text. Raises WrongOption."""
    type_key = _TYPE_KEYS[option]
    given: Given = {}
    for at, (key, value) in enumerate(pairs):
        if key is None and at == 0:
            given[type_key] = value
        elif key is None:
            given[value] = None
        else:
            _put(given, key, value)
    if type_key not in given:
        raise WrongOption(f"the type is missing: {option} TYPE,... (add {option} help lists them)")
    return _chardev(given) if option == "chardev" else given


def _put(given: Given, key: str, value: str) -> None:
    """``addr.type=inet`` goes into the inner object addr. Raises WrongOption."""
    *outer, last = key.split(".")
    for name in outer:
        given = given.setdefault(name, {})
        if not isinstance(given, dict):
            raise WrongOption(f"property '{name}' has a value, and '{key}' would be inside of it")
    if isinstance(given.get(last), dict):
        raise WrongOption(f"property '{key}' can't have a value: others are inside of it")
    given[last] = value


def _chardev(given: Given) -> Given:
    """QMP has what a chardev is inside ``backend``, and a socket's address inside of that."""
    data = dict(given)
    type_name = data.pop("backend")
    found: Given = {"backend": {"type": type_name, "data": data}}
    if "id" in data:
        found["id"] = data.pop("id")
    if type_name == "socket":
        data["addr"] = _address(data)
        if not {"server", "noserver"} & set(data):
            data["server"] = "off"  # as on a command line: QMP's own default is on
    return found


def _address(data: Given) -> Given:
    """Take a socket's address out of its properties. Raises WrongOption."""
    for tell, (type_name, names) in _ADDRESSES.items():
        if tell in data:
            address = {name: data.pop(name) for name in names if name in data}
            if type_name == "fd":
                address = {"str": address["fd"]}
            elif type_name == "inet":
                address.setdefault("host", "localhost")
            return {"type": type_name, "data": address}
    raise WrongOption("a socket needs host= and port=, or path=, or fd=")
