"""How the two copies of the guest stand, connection by connection, and where they differed."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from colo_twisted.compare.divergences import words
from colo_twisted.control.commands.colo import Mode, comparer_of
from colo_twisted.control.commands.declare import Nothing, command
from colo_twisted.failover import advice
from colo_twisted.interfaces import ICheckpointed, IColoPeer, IComparer
from colo_twisted.machine import Machine
from colo_twisted.options.declare import prop, references
from colo_twisted.options.kinds import Boolean, Integer, Kind
from colo_twisted.packets.keys import key_text

_MOST_ROWS = 1000
_MOST_DIVERGENCES = 128


@dataclass(frozen=True)
class ChannelInfo:
    name: str
    connected: bool


@dataclass(frozen=True)
class PeerInfo:
    """The colo-peer; ``invalid``: why this side's guest can't take over now."""

    id: str
    role: Literal["primary", "secondary"]
    connected: bool
    invalid: str | None


@dataclass(frozen=True)
class CheckpointInfo:
    """``phase`` in a word; how many were asked for, were done and failed; milliseconds that the last one took."""

    phase: str
    requested: int
    done: int
    failed: int
    last_ms: int


@dataclass(frozen=True)
class ProblemInfo:
    """What is wrong, what to do, and whether that must be now (error) or can wait (warning)."""

    what: str
    remedy: str
    severity: str


@dataclass(frozen=True, kw_only=True)
class ReplicaInfo:
    """``id``: the object that says so; ``since``: for how many seconds. From ``held_packets`` on: the comparer's."""

    mode: Mode
    state: str
    reason: str
    since: float
    id: str | None
    channels: list[ChannelInfo]
    peer: PeerInfo | None
    problems: list[ProblemInfo]
    held_packets: int | None = None
    held_bytes: int | None = None
    unprotected_flows: int | None = None
    connections: int | None = None
    checkpoint: CheckpointInfo | None = None


@command("query-colo-replica", "whether the secondary is equal to the primary, and what keeps it from being so")
def query_colo_replica(machine: Machine, _: Nothing) -> ReplicaInfo:
    status = machine.colo.replica()
    comparer = _comparer(machine, status.id)
    return ReplicaInfo(
        mode=machine.colo.mode,  # type: ignore[arg-type]
        state=status.state,
        reason=status.reason,
        since=round(status.seconds, 3),
        id=status.id or None,
        channels=[ChannelInfo(name, connected) for name, connected in _channels(machine, comparer)],
        peer=_peer(machine),
        problems=[ProblemInfo(problem.what, problem.remedy, problem.severity) for problem in advice.problems(machine)],
        **({} if comparer is None else _held(comparer)),
    )


def _comparer(machine: Machine, id: str) -> Any:
    """That of the id, else the first, else None."""
    comparers = machine.providers(IComparer)
    return next((made for made in comparers if made.id == id), comparers[0] if comparers else None)


def _channels(machine: Machine, comparer: Any) -> Iterator[tuple[str, bool]]:
    """What the comparer needs; without one, each chardev that an object uses, as 'OBJECT.PROPERTY'."""
    if comparer is not None:
        yield from comparer.channels()
        return
    for id in machine.objects:
        for declaration, _, named in references(machine.definitions["object", id].properties, "chardev"):
            yield f"{id}.{declaration.name}", machine.chardevs[named].connected


def _peer(machine: Machine) -> PeerInfo | None:
    peers = machine.providers(IColoPeer)
    return PeerInfo(peers[0].id, peers[0].role, peers[0].connected, peers[0].invalid) if peers else None


def _held(comparer: Any) -> dict[str, Any]:
    counters = dict(comparer.counters.rows())
    return {
        "held_packets": comparer.held_packets,
        "held_bytes": comparer.held_bytes,
        "unprotected_flows": counters["unprotected_flows"],
        "connections": comparer.connections(0, 0).total,
        "checkpoint": _checkpoint(comparer, counters),
    }


def _checkpoint(comparer: Any, counters: dict[str, int]) -> CheckpointInfo | None:
    if comparer.checkpoint_phase is None:
        return None
    of = {name: counters.get(f"checkpoints_{name}", 0) for name in ("requested", "done", "failed", "last_ms")}
    return CheckpointInfo(comparer.checkpoint_phase, **of)


# connections


@dataclass(frozen=True)
class PageArguments:
    id: str | None = prop(Kind(), "the colo-compare or filter-rewriter; not set: the only one", default=None)
    start: int = prop(Integer(0, 1 << 32), "the first, counted from 0", default=0)
    limit: int = prop(Integer(1, _MOST_ROWS), "how many at most", default=100)


@dataclass(frozen=True)
class ConnectionsInfo:
    """``connections`` are objects; ``next`` is where the next page starts, if there is one."""

    connections: list[Any]
    total: int
    next: int | None


@command("query-colo-connections", "the connections that are known, a page at a time", PageArguments)
def query_colo_connections(machine: Machine, wanted: PageArguments) -> ConnectionsInfo:
    page = _knower(machine, wanted.id).connections(wanted.start, wanted.limit)
    end = wanted.start + len(page.rows)
    return ConnectionsInfo(page.rows, page.total, end if page.rows and end < page.total else None)


def _knower(machine: Machine, id: str | None) -> Any:
    """Who knows connections: a comparer, or on the secondary a rewriter."""
    rewriters = {made.id: made for made in machine.providers(ICheckpointed)}
    if id in rewriters:
        return rewriters[id]
    if id is None and len(rewriters) == 1 and not machine.providers(IComparer):
        return next(iter(rewriters.values()))
    return comparer_of(machine, id)


# divergences


@dataclass(frozen=True)
class DivergencesArguments:
    id: str | None = prop(Kind(), "the colo-compare; not set: all", default=None)
    limit: int = prop(Integer(1, _MOST_DIVERGENCES), "how many of the newest", default=_MOST_DIVERGENCES)
    packets: bool = prop(Boolean(), "with both sides' packets", default=False)


@dataclass(frozen=True, kw_only=True)
class DivergenceInfo:
    """
    One, ``ago`` seconds.

    ``sequence`` is TCP's number, ``offset`` the number of equal bytes before the difference; ``primary`` and
    ``secondary`` are Ethernet packets in base64.
    """

    compare: str
    number: int
    ago: float
    kind: str
    connection: str
    sequence: int
    offset: int
    description: str
    primary: str | None
    secondary: str | None


@command("query-colo-divergences", "where the two guests differed lately, oldest first", DivergencesArguments)
def query_colo_divergences(machine: Machine, wanted: DivergencesArguments) -> list[DivergenceInfo]:
    comparers = [comparer_of(machine, wanted.id)] if wanted.id is not None else machine.providers(IComparer)
    now = machine.monotonic()
    rows = [row for comparer in comparers for row in _divergences(comparer, now, wanted.packets)]
    return sorted(rows, key=lambda row: -row.ago)[-wanted.limit :]


def _divergences(comparer: Any, now: float, packets: bool) -> Iterator[DivergenceInfo]:
    for kept in comparer.divergences.kept:
        yield DivergenceInfo(
            compare=comparer.id,
            number=kept.number,
            ago=round(max(0.0, now - kept.when), 3),
            kind=kept.kind,
            connection=key_text(kept.key),
            sequence=kept.seq,
            offset=kept.offset,
            description=words(kept),
            primary=_base64(kept.packet) if packets else None,
            secondary=_base64(kept.other) if packets else None,
        )


def _base64(packet: bytes | None) -> str | None:
    return None if packet is None else base64.b64encode(packet).decode("ascii")


COMMANDS = (query_colo_replica, query_colo_connections, query_colo_divergences)
