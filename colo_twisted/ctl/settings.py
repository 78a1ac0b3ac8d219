"""Which properties of the running objects can be changed, what they are, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from colo_twisted.ctl.errors import Refused
from colo_twisted.ctl.naming import OBJECTS, objects

CHANGEABLE = "; can be changed (qom-set)"
"""How a property's description in qom-list says so."""

_TIME = re.compile(r"a time in (s|ms|us)\b")
_WORDS = re.compile(r"([\w-]+)((?:, [\w-]+)*) or ([\w-]+)")


class Setting(NamedTuple):
    """A property that can be changed; ``help`` is what it does, ``takes`` what it may be."""

    name: str
    value: Any
    help: str
    takes: str

    @property
    def text(self) -> str:
        """The value as it is written."""
        if isinstance(self.value, bool):
            return "on" if self.value else "off"
        return "" if self.value is None else str(self.value)

    @property
    def shown(self) -> str:
        """The same for people: with its unit, where it is a bare number of it."""
        return with_unit(self.text, self.takes)

    @property
    def words(self) -> list[str]:
        """What it may be, where that is one of a few words."""
        match = _WORDS.fullmatch(self.takes)
        return [] if match is None else [match[1], *match[2].split(", ")[1:], match[3]]


def with_unit(text: str, takes: str) -> str:
    """'3000 (ms)': a bare number with the unit that the server's words on what a property takes name."""
    time = _TIME.match(takes)
    unit = time[1] if time is not None else "bytes" if takes.startswith("a size") else ""
    return f"{text} ({unit})" if unit and text.isdecimal() else text


def object_ids(client: Any, timeout: float, types: tuple[str, ...] = ()) -> list[str]:
    """The ids of all objects, or of those of some types. Raises Trouble."""
    known = objects(client.execute("qom-list", OBJECTS, timeout=timeout))
    return [thing.id for thing in known if not types or thing.type in types]


def settings(client: Any, id: str | None, timeout: float) -> dict[str, list[Setting]]:
    """By object: of one, or of all that have any. Raises Trouble."""
    found = {one: _of(client, one, timeout) for one in ([id] if id is not None else object_ids(client, timeout))}
    return {one: known for one, known in found.items() if known}


def _of(client: Any, id: str, timeout: float) -> list[Setting]:
    path = f"/objects/{id}"
    found = []
    for known in changeable(client.execute("qom-list", {"path": path}, timeout=timeout)):
        help, takes = taken_apart(known["description"].replace(CHANGEABLE, ""))
        found.append(Setting(known["name"], _value(client, path, known["name"], timeout), help, takes))
    return found


def changeable(properties: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of an answer to qom-list that can be changed."""
    return [known for known in properties if CHANGEABLE in known.get("description", "")]


def changeable_ids(client: Any, timeout: float) -> list[str]:
    """The ids of the objects that have such. Raises Trouble."""
    return [
        id
        for id in object_ids(client, timeout)
        if changeable(client.execute("qom-list", {"path": f"/objects/{id}"}, timeout=timeout))
    ]


def taken_apart(description: str) -> tuple[str, str]:
    """'HELP (TAKES)' as HELP and TAKES, either of which may have brackets."""
    open_ones = 0
    for at in range(len(description) - 1, -1, -1) if description.endswith(")") else ():
        open_ones += (description[at] == ")") - (description[at] == "(")
        if not open_ones:
            return description[:at].rstrip(), description[at + 1 : -1]
    return description, ""


def _value(client: Any, path: str, name: str, timeout: float) -> Any:
    try:
        return client.execute("qom-get", {"path": path, "property": name}, timeout=timeout)
    except Refused:
        return None  # the object has gone meanwhile
