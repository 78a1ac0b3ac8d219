"""
What `colo-ctl resume` looks at, and what is left over there from before.

Pure functions of the answers.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.naming import Thing
from colo_twisted.ctl.status import user

MIRROR, SECONDARY_IN, PEER = range(3)
"""What the three sockets are for, as an index."""

SOCKETS = ("mirror0", "compare1", "peer0")
PORTS = ("9003", "9004", "9005")
PAIRS = (("compare0", "compare0-0"), ("compare_out", "compare_out0"))
"""Chardevs between filters and comparer: the filter's end, and the comparer's."""

_BARRIERS = ("filter-redirector", "filter-drop", "filter-mirror")
_PASSED_ON = (
    *("state-file", "fence", "fence-timeout", "takeover", "alone"),
    *("interval", "timeout", "direct", "announce", "guest-watch"),
)
"""Properties of a secondary's colo-peer that hold for a primary's, too."""

_NOT_SET: tuple[Any, ...] = (None, "", {})
"""What qom-get answers where nothing is set."""

_SOCKET = re.compile(
    r"(?:disconnected:)?tcp:(?:\[(?P<six>[^]]+)\]|(?P<host>[^,]+)):(?P<port>\d+)(?P<server>,server=on)?"
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """
    What there is: answers, and what has an id.

    ``properties``: by name, with their values, of each filter, colo-peer and comparer; ``defaults``: likewise, of a
    colo-peer.
    """

    replica: Row
    chains: list[Any]
    chardevs: list[Any]
    things: list[Thing]
    properties: Mapping[str, Mapping[str, Any]]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def of_type(self, type: str) -> list[str]:
        """The ids of the objects of a type."""
        return [thing.id for thing in self.things if thing.type == type]

    def beyond(self, chardev: str) -> str | None:
        """The id of what uses the other end of a pair, '' where nothing does; None where it is no pair."""
        filenames = {row["label"]: row.get("filename", "") for row in self.chardevs}
        kind, _, other = filenames.get(chardev, "").partition(":")
        users = [user(row) for row in self.chardevs if row["label"] == other]
        return users[0] if kind == "pair" and users else None


@dataclass(frozen=True)
class Wishes:
    """The options, as they were given."""

    netdev: str | None = None
    listen: str | None = None
    ports: str | None = None
    vnet: bool | None = None
    peer: str | None = None
    compare: str | None = None


class Step(NamedTuple):
    """``words`` are those of a colo-ctl command; ``undo`` likewise, None where nothing can be taken back."""

    words: tuple[str, ...]
    id: str
    undo: tuple[str, ...] | None = None

    @property
    def line(self) -> str:
        """As it is typed."""
        return f"colo-ctl {shlex.join(self.words)}"


def rewriter_of(chain: Row) -> str | None:
    """The id of its filter-rewriter, that of a side which is, or was, a secondary."""
    return next((known["id"] for known in chain["filters"] if known["type"] == "filter-rewriter"), None)


class LeftOver:
    """
    From before the take-over, or the removal of a primary's parts.

    @ivar filters: those that are off, the guest's end first, as QEMU's procedure has it.
    @ivar kept_peer: a primary's colo-peer that is there, or None.
    @ivar passed_on: what the new colo-peer has of the old one; None where no old one is there.
    @ivar gone: the ids of all that is removed.
    @ivar ports: of the three sockets.
    """

    def __init__(self, seen: Seen, chain: Row, wishes: Wishes) -> None:
        self._seen = seen
        self._listen = wishes.listen
        off = [known["id"] for known in chain["filters"] if known["type"] in _BARRIERS and known["status"] == "off"]
        self.filters: list[str] = off[::-1]
        peers = {id: seen.properties[id].get("role") for id in seen.of_type("colo-peer")}
        old = [id for id, role in peers.items() if role == "secondary"]
        self.kept_peer = next((id for id in peers if id not in old), None)
        self.passed_on = _passed_on(seen.properties[old[0]], seen.defaults) if old else None
        self._was_secondary = rewriter_of(chain) is not None
        self._objects = [*self.filters, *old]
        self._theirs = [row for row in seen.chardevs if user(row) in self._objects]
        self._told = dict(self._addresses())
        self.ports = self._ports(wishes.ports)
        chardevs = _without_second_ends([*self._theirs, *self._unused()])
        self.gone = {*self._objects, *(id for chardev in chardevs for id in _ids(chardev))}
        self.removals = [Step(("del", "object", id), id) for id in self._objects]
        self.removals += [Step(("del", "chardev", row["label"]), row["label"]) for row in chardevs]

    def hosts(self) -> list[str]:
        """Where the three listen. Raises Trouble where nothing tells."""
        if self._listen is not None:
            return _three("--listen", self._listen)
        told = {at: known.host for at, known in self._told.items() if known.is_server}
        if not told:
            raise Trouble(
                "say --listen ADDRESS: one of this host's own, that the new secondary connects to (0.0.0.0: all)"
            )
        return [told.get(at, next(iter(told.values()))) for at in range(len(PORTS))]

    def _ports(self, wished: str | None) -> list[str]:
        """Those wished for; else those of the old chardevs for the same, which the other side knows."""
        if wished is not None:
            return _three("--ports", wished, repeated=False)
        return [self._told[at].port if at in self._told else port for at, port in enumerate(PORTS)]

    def _addresses(self) -> Iterator[tuple[int, _Socket]]:
        """Of old chardevs, with what each was for."""
        for chardev in self._seen.chardevs:
            known, at = _socket(chardev), self._purpose(chardev)
            if known is not None and at is not None:
                yield at, known

    def _purpose(self, chardev: Row) -> int | None:
        """What an old chardev was for: by its id, or on a side that was a secondary by its user's property."""
        label, its_user = chardev["label"], user(chardev)
        if its_user and its_user not in (*self._objects, self.kept_peer):
            return None
        if label in SOCKETS:
            return SOCKETS.index(label)
        properties = ("indev", "outdev", "chardev") if self._was_secondary else ()
        known = self._seen.properties.get(its_user, {})
        return next((at for at, name in enumerate(properties) if known.get(name) == label), None)

    def _unused(self) -> list[Row]:
        """Chardevs that nothing uses, and that have the id, or listen at the port, of one that is to come."""
        free = [row for row in self._seen.chardevs if not row.get("used-by")]
        labels = {row["label"] for row in free}
        named = {*SOCKETS, *(id for pair in PAIRS for id in pair)}
        return [row for row in free if _ids(row) <= labels and (row["label"] in named or self._listens_there(row))]

    def _listens_there(self, chardev: Row) -> bool:
        known = _socket(chardev)
        return known is not None and known.is_server and known.port in self.ports


class _Socket(NamedTuple):
    host: str
    port: str
    is_server: bool


def _socket(chardev: Row) -> _Socket | None:
    """What a chardev's filename says of a TCP socket's address."""
    match = _SOCKET.match(chardev.get("filename", ""))
    return _Socket(match["six"] or match["host"], match["port"], match["server"] is not None) if match else None


def _ids(chardev: Row) -> set[str]:
    """Its own; of a pair both ends'."""
    other = chardev.get("filename", "")
    return {chardev["label"], *([other[len("pair:") :]] if other.startswith("pair:") else [])}


def _without_second_ends(chardevs: Iterable[Row]) -> list[Row]:
    """Each pair once: its ends go together."""
    gone: set[str] = set()
    kept = []
    for chardev in chardevs:
        if chardev["label"] not in gone:
            kept.append(chardev)
            gone |= _ids(chardev)
    return kept


def _passed_on(old: Row, defaults: Row) -> list[tuple[str | None, str]]:
    values = {name: old.get(name) for name in _PASSED_ON}
    return [
        (name, _text(value)) for name, value in values.items() if value not in _NOT_SET and value != defaults.get(name)
    ]


def _text(value: Any) -> str:
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


def _three(option: str, text: str, repeated: bool = True) -> list[str]:
    """One for each socket, or the same for all. Raises Trouble."""
    found = [part.strip() for part in text.split(",")]
    if len(found) == 1 and repeated:
        found *= 3
    if len(found) != 3 or not all(found):
        raise Trouble(
            f"{option} takes {'one, or ' if repeated else ''}three: mirror,secondary_in,colo-peer; got {text}"
        )
    return found
