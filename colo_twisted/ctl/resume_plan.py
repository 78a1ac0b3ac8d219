"""
What attaches a new secondary to this side: what is in the way of it, what is removed and what is added.

Pure functions of the answers.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.left_over import (
    MIRROR,
    PAIRS,
    PEER,
    SECONDARY_IN,
    SOCKETS,
    LeftOver,
    Row,
    Seen,
    Step,
    Wishes,
    rewriter_of,
)
from colo_twisted.ctl.words import said

Pairs = list[tuple[str | None, str]]
"""Properties and their values, as option strings have them."""

_OURS = {
    "--peer": ("id", "chardev", "role"),
    "--compare": ("id", "primary_in", "secondary_in", "outdev", "vnet_hdr_support"),
}

HUSHED = ("shut", "lost")
"""States in which the comparer lets nothing out: the guest must not be led into it."""


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
    of_peer, compare = _of_peer(chain, left, wishes), _given("--compare", wishes.compare or "")
    names = _Names(thing.id for thing in seen.things if thing.id not in left.gone)
    parts = _Parts(chain, left.kept_peer, vnet, names)
    return Plan(
        chain["netdev"],
        left.removals,
        [*parts.chardevs(hosts, ports), *parts.objects(of_peer or [], compare), *parts.switches[:-1]],
        parts.switches[-1],
        _again(wishes, hosts, ports, vnet, of_peer),
        dict(of_peer or []).get("fence") if wishes.peer is None else None,
    )


# what is in the way


def check(seen: Seen) -> None:
    """Raises Trouble where a comparer is there, or this side is a secondary still."""
    state = said(seen.replica["state"])
    comparers = seen.of_type("colo-compare")
    if comparers:
        there = f"refused: comparer {said(comparers[0])} is there already (the state is {state})"
        raise Trouble(there + _what_is_left_to_do(seen, comparers[0]))
    if seen.replica["mode"] == "secondary":
        raise Trouble(
            f"refused: this side is a secondary that has not taken over (the state is {state}): colo-ctl failover"
            " does that, where the primary is off for good"
        )


def _what_is_left_to_do(seen: Seen, comparer: str) -> str:
    """Nothing on this side, unless a resume was killed: the way into the comparer, the last step, is not open then."""
    around = _around(seen, comparer)
    if "" in around.values():
        return (
            ", but not all filters around it are, as after a resume that was killed: remove it (colo-ctl del object"
            f" {said(comparer)}) and resume again"
        )
    off = [id for id, status in around.items() if status == "off"]
    if not off or off[-1] != [*around][-1]:
        return ": a new secondary has only to connect; to make its parts anew remove it first (colo-ctl del object)"
    state = said(seen.replica["state"])
    when = f"and when the state is not {state} any more" if state in HUSHED else "then"
    return (
        f", but {', '.join(map(said, off))} {'is' if len(off) == 1 else 'are'} off, as after a resume that was killed:"
        f" start the new secondary, {when} {'; '.join(said(_switch(id).line) for id in off)}"
    )


def _around(seen: Seen, comparer: str) -> dict[str, str]:
    """
    Statuses of the filters around a comparer, the way into it last; '' stands for one that is not there.

    Empty where its channels are no pairs: then nobody can tell which filters are its own.
    """
    ends = [seen.beyond(seen.properties[comparer][name]) for name in ("outdev", "primary_in")]
    if None in ends:
        return {}
    filters = {row["id"]: row for chain in seen.chains for row in chain["filters"]}
    mirrors = [id for id, row in filters.items() if row["type"] == "filter-mirror"]
    return {id: filters[id]["status"] if id in filters else "" for id in [*mirrors, *ends] if id is not None}


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
    rewriter = rewriter_of(chain)
    ids = [rewriter] if rewriter is not None else left.filters
    known = {seen.properties[id].get("vnet_hdr_support") for id in ids} - {None}
    if len(known) != 1:
        raise Trouble("say --vnet or --no-vnet: no filter here tells whether the new secondary's have vnet headers")
    return bool(known.pop())


def _of_peer(chain: Row, left: LeftOver, wishes: Wishes) -> Pairs | None:
    """What a new colo-peer is given; None where one is there that stays. Raises Trouble."""
    if left.kept_peer is not None:
        if wishes.peer is not None:
            raise Trouble(f"colo-peer {said(left.kept_peer)} is there and stays: --peer is for a new one")
        return None
    if wishes.peer is not None:
        return _given("--peer", wishes.peer)
    if left.passed_on is None and rewriter_of(chain) is not None:  # an earlier try may have removed it, and failed
        raise Trouble(
            "say --peer PROPERTIES, those that the colo-peer here had (or '' for none): it is gone, and nothing else"
            " tells its state-file, fence, takeover and alone"
        )
    return left.passed_on or []


def _given(option: str, text: str) -> Pairs:
    """What an option adds. Raises Trouble for what only resume itself can know."""
    from colo_twisted.options.keyval import split  # its package imports Twisted: it takes time

    pairs = split(text)
    for key, value in pairs:
        if (key or value) in _OURS[option]:
            raise Trouble(f"{option}: '{key or value}' is resume's own affair")
    return pairs


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
        rewriter = rewriter_of(chain)
        before = [("insert", "before"), ("position", f"id={rewriter}")] if rewriter is not None else []
        self._place = [*before, ("netdev", self._netdev)]
        self._has_peer = kept_peer is None
        self._vnet = [("vnet_hdr_support", "on")] if vnet else []
        self._sockets = [names.free(id) for id in SOCKETS[: 3 if self._has_peer else 2]]
        self._pairs = [[names.free(id) for id in pair] for pair in PAIRS]
        self._peer, self._comparer = names.free("cp0") if self._has_peer else "", names.free("comp0")
        self._mirror, self._release, self._capture = map(names.free, ("m0", "redire0", "redire1"))

    def chardevs(self, hosts: list[str], ports: list[str]) -> Iterator[Step]:
        for id, host, port in zip(self._sockets, hosts, ports):
            address = [("host", host), ("port", port)]
            yield _addition("chardev", "socket", id, [*address, ("server", "on"), ("wait", "off")])
        for id, other in self._pairs:
            yield _addition("chardev", "pair", id, [("peer", other)])

    def objects(self, of_peer: Pairs, of_comparer: Pairs) -> Iterator[Step]:
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
        return [_switch(id) for id in (self._mirror, self._release, self._capture)]


def _switch(id: str) -> Step:
    return Step(("set", id, "status=on"), id, ("set", id, "status=off"))


def _addition(option: str, type: str, id: str, properties: list[Any]) -> Step:
    from colo_twisted.options.keyval import join  # its package imports Twisted: it takes time

    text = join([(None, type), ("id", id), *properties])
    return Step(("add", option, text), id, ("del", option, id))


def _again(wishes: Wishes, hosts: list[str], ports: list[str], vnet: bool, of_peer: Pairs | None) -> str:
    """The line for a second try, when what is left over tells nothing any more."""
    from colo_twisted.options.keyval import join  # its package imports Twisted: it takes time

    listen = hosts[0] if len(set(hosts)) == 1 else ",".join(hosts)
    words = ["colo-ctl", "resume", "--listen", listen, "--ports", ",".join(ports), "--vnet" if vnet else "--no-vnet"]
    words += ["--netdev", wishes.netdev] if wishes.netdev is not None else []
    words += ["--peer", join(of_peer)] if of_peer is not None else []
    words += ["--compare", wishes.compare] if wishes.compare is not None else []
    return shlex.join(words)
