"""What there is and how it does: chardevs, chains and counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from colo_twisted.control.commands.declare import Nothing, command
from colo_twisted.control.errors import QMPError
from colo_twisted.interfaces import IChardev, IFilter, INetdev
from colo_twisted.machine import Machine
from colo_twisted.netdev.stream import StreamNetdev
from colo_twisted.netdev.tap import Tap
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options.declare import prop
from colo_twisted.options.kinds import Choice, Text


@dataclass(frozen=True)
class ChardevInfo:
    """QEMU's first three; ``backlog`` in bytes."""

    label: str
    filename: str
    frontend_open: bool
    connected: bool
    peer: str | None
    backlog: int
    used_by: str | None


@command("query-chardev", "the chardevs: who uses them, and whether a peer is there")
def query_chardev(machine: Machine, _: Nothing) -> list[ChardevInfo]:
    return [_chardev_info(chardev) for chardev in machine.chardevs.values()]


def _chardev_info(chardev: IChardev) -> ChardevInfo:
    front_end = chardev.front_end
    return ChardevInfo(
        label=chardev.id,
        filename=chardev.filename,
        frontend_open=front_end is not None,
        connected=chardev.connected,
        peer=chardev.peer,
        backlog=chardev.backlog,
        used_by=None if front_end is None else front_end.owner,
    )


@dataclass(frozen=True)
class FilterInfo:
    id: str
    type: str
    queue: Literal["all", "rx", "tx"]
    status: Literal["on", "off"]


@dataclass(frozen=True)
class ChainInfo:
    """
    A netdev with what is plugged in: ``filters`` has the one that is next to the network first.

    ``ifname`` is a TAP's interface; ``filename`` says of another process's end what a chardev's does. ``link`` is what
    set_link has made of an end, ``up`` whether frames can go there: its link is on and its TAP, if it is one, is up.
    Where there is no guest, ``guest_up`` is false.
    """

    netdev: str
    type: str
    ifname: str | None
    filename: str | None
    link: bool
    up: bool
    device: str | None
    guest: str | None
    guest_ifname: str | None
    guest_filename: str | None
    guest_link: bool
    guest_up: bool
    offloads: bool
    filters: list[FilterInfo]


@command("query-chain", "each netdev with its device, guest and filters, head first")
def query_chain(machine: Machine, _: Nothing) -> list[ChainInfo]:
    devices = {device.chain: id for id, device in machine.devices.items()}
    return [_chain_info(machine, chain, devices.get(chain)) for chain in machine.chains.values()]


def _chain_info(machine: Machine, chain: Chain, device: str | None) -> ChainInfo:
    id = chain.network.id
    return ChainInfo(
        netdev=id,
        type=machine.definitions["netdev", id].type.name,
        ifname=interface_name(chain.network),
        filename=filename(chain.network),
        link=chain.link_up,
        up=chain.link_up and _takes_frames(chain.network),
        device=device,
        guest=None if chain.guest is None else chain.guest.id,
        guest_ifname=interface_name(chain.guest),
        guest_filename=filename(chain.guest),
        guest_link=chain.guest_link_up,
        guest_up=chain.guest_link_up and _takes_frames(chain.guest),
        offloads=chain.offloads,
        filters=[_filter_info(machine, known) for known in chain.filters],
    )


def _takes_frames(netdev: INetdev | None) -> bool:
    """Whether there is one, and no TAP that is down or was deleted."""
    return netdev is not None and not (isinstance(netdev, Tap) and (netdev.gone or netdev.down))


def interface_name(netdev: INetdev | None) -> str | None:
    """That of the TAP, if it is one."""
    return netdev.name if isinstance(netdev, Tap) else None


def filename(netdev: INetdev | None) -> str | None:
    """Where the wire leads, and 'disconnected:' before it where nobody is, if it is one."""
    return netdev.filename if isinstance(netdev, StreamNetdev) else None


def _filter_info(machine: Machine, known: IFilter) -> FilterInfo:
    queue: Any
    queue, *others = (direction.value for direction in known.directions)
    type = machine.definitions["object", known.id].type.name
    return FilterInfo(known.id, type, "all" if others else queue, "on" if known.status else "off")


KINDS = ("chardev", "netdev", "chain", "object", "monitor")


@dataclass(frozen=True)
class StatsArguments:
    kind: str | None = prop(Choice(*KINDS), "only of this kind", default=None)
    id: str | None = prop(Text(), "only of this id", default=None)


@dataclass(frozen=True)
class StatsInfo:
    """``counters``: each by its name."""

    kind: str
    id: str
    counters: dict[str, int]


@command("query-stats", "every counter", StatsArguments)
def query_stats(machine: Machine, wanted: StatsArguments) -> list[StatsInfo]:
    of_kind = [known for known in _counted(machine) if wanted.kind in (None, known.kind)]
    if wanted.id is None:
        return of_kind
    found = [known for known in of_kind if known.id == wanted.id]
    if not found:
        there = ", ".join(dict.fromkeys(known.id for known in of_kind)) or "none"
        raise QMPError(f"no {wanted.kind or 'part'} has the id '{wanted.id}' (there are: {there})")
    return found


def _counted(machine: Machine) -> Iterator[StatsInfo]:
    for name, counters in machine.counted():
        kind, _, id = name.partition(" ")
        yield StatsInfo(kind, id, dict(counters.rows()))


COMMANDS = (query_chardev, query_chain, query_stats)
