"""
What attaches a new secondary to this side: what is in the way of it, what is left over, what is added.

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
from colo_twisted.ctl.words import said

PORTS = ("9003", "9004", "9005")
MIRROR, SECONDARY_IN, PEER = range(3)
"""What the three sockets are for, as an index."""

_SOCKETS = ("mirror0", "compare1", "peer0")
_PAIRS = (("compare0", "compare0-0"), ("compare_out", "compare_out0"))
_BARRIERS = ("filter-redirector", "filter-drop", "filter-mirror")
_PASSED_ON = (
    *("state-file", "fence", "fence-timeout", "takeover", "alone"),
    *("interval", "timeout", "direct", "announce", "guest-watch"),
)
"""Properties of a secondary's colo-peer that hold for a primary's, too."""

_NOT_SET: tuple[Any, ...] = (None, "", {})
"""What qom-get answers where nothing is set."""

_OURS = {
    "--peer": ("id", "chardev", "role"),
    "--compare": ("id", "primary_in", "secondary_in", "outdev", "vnet_hdr_support"),
}
_SOCKET = re.compile(
    r"(?:disconnected:)?tcp:(?:\[(?P<six>[^]]+)\]|(?P<host>[^,]+)):(?P<port>\d+)(?P<server>,server=on)?"
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Seen:
    """
    What there is: answers, and what has an id.

    ``properties``: by name, with their values, of each filter and colo-peer; ``defaults``: likewise, of a colo-peer.
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


@dataclass(frozen=True)
class Plan:
    """``last`` lets the guest's output into the comparer; ``fence`` is the old colo-peer's that the new one has."""

    netdev: str
    removals: list[Step]
    additions: list[Step]
    last: Step
    again: str  # the line that says the same a second time
    fence: str | None = None


def plan(seen: Seen, wishes: Wishes) -> Plan:
    """Raises Trouble where it must not be, or is not known well enough."""
    check(seen)
    chain = _chain(seen, wishes)
    left = LeftOver(seen, chain, wishes)
    vnet = _vnet(seen, chain, left, wishes)
    hosts, ports = left.hosts(), left.ports
    passed_on = _given("--peer", wishes.peer) if wishes.peer is not None else left.passed_on
    compare = _given("--compare", wishes.compare or "")
    if left.kept_peer is not None and wishes.peer is not None:
        raise Trouble(f"colo-peer {said(left.kept_peer)} is there and stays: --peer is for a new one")
    names = _Names(thing.id for thing in seen.things if thing.id not in left.gone)
    parts = _Parts(chain, left.kept_peer, vnet, names)
    given = passed_on if left.kept_peer is None else []
    return Plan(
        chain["netdev"],
        left.removals,
        [*parts.chardevs(hosts, ports), *parts.objects(passed_on, compare), *parts.switches[:-1]],
        parts.switches[-1],
        _again(wishes, hosts, ports, vnet, given),
        dict(given).get("fence") if wishes.peer is None else None,
    )


# what is in the way


def check(seen: Seen) -> None:
    """Raises Trouble where a comparer is there, or this side is a secondary still."""
    state = said(seen.replica["state"])
    comparers = seen.of_type("colo-compare")
    if comparers:
        raise Trouble(
            f"refused: comparer {said(comparers[0])} is there already (the state is {state}): a new secondary has only"
            " to connect; to make its parts anew remove it first (colo-ctl del object)"
        )
    if seen.replica["mode"] == "secondary":
        raise Trouble(
            f"refused: this side is a secondary that has not taken over (the state is {state}): colo-ctl failover"
            " does that, where the primary is off for good"
        )


def _chain(seen: Seen, wishes: Wishes) -> Row:
    with_guest: dict[str, Row] = {chain["netdev"]: chain for chain in seen.chains if chain.get("guest")}
    there = ", ".join(map(said, with_guest)) or "none"
    if wishes.netdev is not None:
        if wishes.netdev not in with_guest:
            raise Trouble(f"there is no netdev '{wishes.netdev}' with a guest behind it (there is {there})")
        return with_guest[wishes.netdev]
    if len(with_guest) != 1:
        raise Trouble(f"name the netdev with --netdev: those with a guest are {there}")
    return next(iter(with_guest.values()))


def _vnet(seen: Seen, chain: Row, left: LeftOver, wishes: Wishes) -> bool:
    """As the rewriter has it, for the chardevs carry what the secondary's filters expect; else what is left over."""
    if wishes.vnet is not None:
        return wishes.vnet
    rewriter = _rewriter(chain)
    ids = [rewriter] if rewriter is not None else left.filters
    known = {seen.properties[id].get("vnet_hdr_support") for id in ids} - {None}
    if len(known) != 1:
        raise Trouble("say --vnet or --no-vnet: no filter here tells whether the new secondary's have vnet headers")
    return bool(known.pop())


def _rewriter(chain: Row) -> str | None:
    return next((known["id"] for known in chain["filters"] if known["type"] == "filter-rewriter"), None)


def _given(option: str, text: str) -> list[tuple[str | None, str]]:
    """What an option adds. Raises Trouble for what only resume itself can know."""
    from colo_twisted.options.keyval import split  # its package imports Twisted: it takes time

    pairs = split(text)
    for key, value in pairs:
        if (key or value) in _OURS[option]:
            raise Trouble(f"{option}: '{key or value}' is resume's own affair")
    return pairs


# what is left over


class LeftOver:
    """
    From before the take-over, or the removal of a primary's parts.

    @ivar filters: those that are off, the guest's end first, as QEMU's procedure has it.
    @ivar kept_peer: a primary's colo-peer that is there, or None.
    @ivar passed_on: what the new colo-peer has of the old one.
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
        self.passed_on = _passed_on(seen.properties[old[0]], seen.defaults) if old else []
        self._was_secondary = _rewriter(chain) is not None
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
        if label in _SOCKETS:
            return _SOCKETS.index(label)
        properties = ("indev", "outdev", "chardev") if self._was_secondary else ()
        known = self._seen.properties.get(its_user, {})
        return next((at for at, name in enumerate(properties) if known.get(name) == label), None)

    def _unused(self) -> list[Row]:
        """Chardevs that nothing uses, and that have the id, or listen at the port, of one that is to come."""
        free = [row for row in self._seen.chardevs if not row.get("used-by")]
        labels = {row["label"] for row in free}
        named = {*_SOCKETS, *(id for pair in _PAIRS for id in pair)}
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


# what is added


class _Names:
    """Gives ids that nothing has."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)

    def free(self, wanted: str) -> str:
        """That one, or with a number behind it."""
        id, number = wanted, 1
        while id in self._taken:
            number += 1
            id = f"{wanted}-{number}"
        self._taken.add(id)
        return id


class _Parts:
    """What makes this side a primary."""

    def __init__(self, chain: Row, kept_peer: str | None, vnet: bool, names: _Names) -> None:
        self._netdev = chain["netdev"]
        rewriter = _rewriter(chain)
        before = [("insert", "before"), ("position", f"id={rewriter}")] if rewriter is not None else []
        self._place = [*before, ("netdev", self._netdev)]
        self._has_peer = kept_peer is None
        self._vnet = [("vnet_hdr_support", "on")] if vnet else []
        self._sockets = [names.free(id) for id in _SOCKETS[: 3 if self._has_peer else 2]]
        self._pairs = [[names.free(id) for id in pair] for pair in _PAIRS]
        self._peer, self._comparer = names.free("cp0") if self._has_peer else "", names.free("comp0")
        self._mirror, self._release, self._capture = map(names.free, ("m0", "redire0", "redire1"))

    def chardevs(self, hosts: list[str], ports: list[str]) -> Iterator[Step]:
        for id, host, port in zip(self._sockets, hosts, ports):
            address = [("host", host), ("port", port)]
            yield _addition("chardev", "socket", id, [*address, ("server", "on"), ("wait", "off")])
        for id, other in self._pairs:
            yield _addition("chardev", "pair", id, [("peer", other)])

    def objects(self, of_peer: list[Any], of_comparer: list[Any]) -> Iterator[Step]:
        """The filters are off, so that frames go by them while the rest is being made."""
        (capture, primary_in), (release, outdev) = self._pairs
        if self._has_peer:
            talk = [("chardev", self._sockets[PEER]), ("role", "primary")]
            yield _addition("object", "colo-peer", self._peer, [*talk, *of_peer])
        channels = [("primary_in", primary_in), ("secondary_in", self._sockets[SECONDARY_IN]), ("outdev", outdev)]
        yield _addition("object", "colo-compare", self._comparer, [*channels, *self._vnet, *of_comparer])
        for type, id, queue, channel in (
            ("filter-mirror", self._mirror, "tx", ("outdev", self._sockets[MIRROR])),
            ("filter-redirector", self._release, "rx", ("indev", release)),
            ("filter-redirector", self._capture, "rx", ("outdev", capture)),
        ):
            properties = [*self._place, ("queue", queue), channel, *self._vnet, ("status", "off")]
            yield _addition("object", type, id, properties)

    @property
    def switches(self) -> list[Step]:
        """The way into the comparer is the last that opens."""
        return [
            Step(("set", id, "status=on"), id, ("set", id, "status=off"))
            for id in (self._mirror, self._release, self._capture)
        ]


def _addition(option: str, type: str, id: str, properties: list[Any]) -> Step:
    from colo_twisted.options.keyval import join  # its package imports Twisted: it takes time

    text = join([(None, type), ("id", id), *properties])
    return Step(("add", option, text), id, ("del", option, id))


def _again(wishes: Wishes, hosts: list[str], ports: list[str], vnet: bool, of_peer: list[Any]) -> str:
    """The line for a second try, when what is left over tells nothing any more."""
    from colo_twisted.options.keyval import join  # its package imports Twisted: it takes time

    listen = hosts[0] if len(set(hosts)) == 1 else ",".join(hosts)
    words = ["colo-ctl", "resume", "--listen", listen, "--ports", ",".join(ports), "--vnet" if vnet else "--no-vnet"]
    words += ["--netdev", wishes.netdev] if wishes.netdev is not None else []
    words += ["--peer", join(of_peer)] if of_peer else []
    words += ["--compare", wishes.compare] if wishes.compare is not None else []
    return shlex.join(words)
