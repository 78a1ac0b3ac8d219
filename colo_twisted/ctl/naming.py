"""What has an id, and what the server's errors about ids and types mean: in the words of colo-ctl's own line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.words import said

_TAKEN = re.compile(
    r"duplicate property '([^']+)' to object|Chardev with id '([^']+)' already exists|Duplicate ID '([^']+)'"
)
_NO_TYPE = re.compile(
    r"Parameter '(?:qom-type|type)' does not accept value '([^']*)'|'([^']*)' is not a valid device model name"
)
_NOT_THERE = re.compile(r"[Nn]ot found")


OBJECTS = {"path": "/objects"}
"""The arguments of qom-list that has all objects."""


class Thing(NamedTuple):
    """``option`` is what makes it (object, chardev, netdev, device); ``type`` an object's type, else the same word."""

    option: str
    id: str
    type: str


def things(client: Any) -> list[Thing]:
    """All that has an id, as far as the server says. Raises Trouble, but not Refused."""
    chardevs = [Thing("chardev", chardev["label"], "chardev") for chardev in _asked(client, "query-chardev")]
    return [*objects(_asked(client, "qom-list", OBJECTS)), *chardevs, *ends(_asked(client, "query-chain"))]


def _asked(client: Any, command: str, arguments: dict[str, Any] | None = None) -> Any:
    try:
        return client.execute(command, arguments)
    except Refused:
        return []


def objects(children: Iterable[Any]) -> list[Thing]:
    """Those in an answer to qom-list of OBJECTS."""
    found = (child for child in children if str(child.get("type", "")).startswith("child<"))
    return [Thing("object", child["name"], child["type"][len("child<") : -1]) for child in found]


def ends(chains: Iterable[Any]) -> Iterator[Thing]:
    """The netdevs and devices in an answer to query-chain; the TAP that came with a device is no netdev of its own."""
    for chain in chains:
        yield Thing("netdev", chain["netdev"], "netdev")
        if chain.get("device"):
            yield Thing("device", chain["device"], "device")
        if chain.get("guest") not in (None, chain.get("device")):
            yield Thing("netdev", chain["guest"], "netdev")


@contextmanager
def named(client: Any, id: str | None, *types: str) -> Iterator[None]:
    """What is refused because of an id that is of none of these types is said so. Raises Trouble."""
    try:
        yield
    except Refused as refused:
        if id is None or refused.unknown:
            raise
        known = things(client)
        if any(thing.id == id and thing.type in types for thing in known):
            raise
        there = ", ".join(said(thing.id) for thing in known if thing.type in types)
        raise Trouble(f"{_no_such(known, id, ' or '.join(types))} (there is {there or 'none'})") from None


def _no_such(known: Iterable[Thing], id: str, wanted: str) -> str:
    found = next((thing for thing in known if thing.id == id), None)
    return f"there is no {wanted} '{id}'" if found is None else f"'{id}' is a {said(found.type)}, no {wanted}"


def not_an_object(client: Any, id: str, refused: Refused) -> Trouble:
    """Why an id that is to be changed can't be; what was refused itself where it is an object's."""
    known = things(client)
    objects = [said(thing.id) for thing in known if thing.option == "object"]
    if id in objects:
        return refused
    return Trouble(f"{_no_such(known, id, 'object')} (there is {', '.join(objects) or 'none'})")


def not_removed(client: Any, what: str, id: str, refused: Refused) -> Trouble:
    """Why something could not be removed: the server's reason, or where it is to be found."""
    if not _NOT_THERE.search(refused.description):
        return refused
    found = [thing for thing in things(client) if thing.id == id]
    if any(thing.option == what for thing in found):
        return refused
    if found:
        return Trouble(f"'{id}' is a {said(found[0].type)}, no {what}: colo-ctl del {found[0].option} {id}")
    return Trouble(f"there is no {what} '{id}'")


def not_added(client: Any, what: str, types: Iterable[str], refused: Refused) -> Trouble:
    """Why something could not be added: the server's reason, or that a type isn't there or an id is taken."""
    taken = _TAKEN.search(refused.description)
    if taken is not None:
        id = next(filter(None, taken.groups()))
        by = [said(thing.type) for thing in things(client) if thing.id == id and thing.option in (what, "netdev")]
        return Trouble(
            f"the id {said(id)} is taken{f' by a {by[0]}' if by else ''}: choose another, or remove that first"
        )
    no_type = _NO_TYPE.search(refused.description)
    if no_type is not None:
        known = sorted(types) or _device_types(client, what)
        if known:
            type = said(no_type[1] or no_type[2] or "")
            return Trouble(f"there is no {what} of type '{type}'; the types are: {', '.join(map(said, known))}")
    return refused


def _device_types(client: Any, what: str) -> list[str]:
    """The schema doesn't list those of devices."""
    found = _asked(client, "qom-list-types", {"implements": "device"}) if what == "device" else []
    return sorted(type["name"] for type in found)
