"""Which properties of the running objects can be changed, what they are, and what they mean."""

from __future__ import annotations

from typing import Any, NamedTuple

from colo_twisted.ctl.errors import Refused

CHANGEABLE = "; can be changed (qom-set)"
"""How a property's description in qom-list says so."""


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


def object_ids(client: Any, timeout: float) -> list[str]:
    """The ids of all objects. Raises Trouble."""
    children = client.execute("qom-list", {"path": "/objects"}, timeout=timeout)
    return [child["name"] for child in children if str(child.get("type", "")).startswith("child<")]


def settings(client: Any, id: str | None, timeout: float) -> dict[str, list[Setting]]:
    """By object: of one, or of all that have any. Raises Trouble."""
    found = {one: _of(client, one, timeout) for one in ([id] if id is not None else object_ids(client, timeout))}
    return {one: known for one, known in found.items() if known}


def _of(client: Any, id: str, timeout: float) -> list[Setting]:
    path = f"/objects/{id}"
    found = []
    for known in client.execute("qom-list", {"path": path}, timeout=timeout):
        name, description = known["name"], known.get("description", "")
        if CHANGEABLE in description:
            help, takes = taken_apart(description.replace(CHANGEABLE, ""))
            found.append(Setting(name, _value(client, path, name, timeout), help, takes))
    return found


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
