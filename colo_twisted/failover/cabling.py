"""Where chardevs lead: who is at the far end, in this process or another one, and whose peer is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from colo_twisted.failover.mode import NONE, SECONDARY
from colo_twisted.interfaces import Direction, IChardev
from colo_twisted.netfilter.redirector import FilterRedirector
from colo_twisted.options import declare

if TYPE_CHECKING:
    from colo_twisted.machine import Machine

_PAIR, _SERVER = "pair:", ",server=on"


@dataclass(frozen=True)
class Use:
    """The object ``user`` uses a chardev as its ``property``."""

    user: str
    property: str
    chardev: IChardev


def uses(machine: Machine, id: str) -> list[Use]:
    """Those of an object, by its properties."""
    named = declare.references(machine.definitions["object", id].properties, "chardev")
    return [Use(id, declaration.name, machine.chardevs[chardev]) for declaration, _, chardev in named]


def missing(machine: Machine) -> Iterator[Use]:
    """Those whose peer isn't there; one that is off misses nobody."""
    for id, made in machine.objects.items():
        if getattr(made, "status", True):
            yield from (use for use in uses(machine, id) if not use.chardev.connected)


def address(chardev: IChardev) -> str:
    """Where it listens, or leads."""
    return chardev.filename.removeprefix("disconnected:").partition(" <-> ")[0].removesuffix(_SERVER)


def listens(chardev: IChardev) -> bool:
    """Whether the other side connects here."""
    return _SERVER in chardev.filename


def far_end(machine: Machine, chardev: IChardev) -> IChardev | None:
    """The chardev of this same process that it leads to, by a pair or a loopback socket; None: it leads elsewhere."""
    where = address(chardev)
    if where.startswith(_PAIR):
        return machine.chardevs.get(where.removeprefix(_PAIR))
    if not where.startswith(("tcp:", "unix:")):
        return None
    here = (known for known in machine.chardevs.values() if address(known) == where)
    return next((known for known in here if listens(known) != listens(chardev)), None)


def leads_to_nobody(machine: Machine, chardev: IChardev) -> bool:
    """Whether no one reads what is written there, and, at a far end in this process, no one is about to."""
    far = far_end(machine, chardev)
    if far is None:
        return not chardev.connected
    return far.front_end is None or far.front_end.receive is None


def dead_ends(machine: Machine) -> Iterator[tuple[FilterRedirector, IChardev]]:
    """Redirectors that take a guest's frames to nobody, and where. A secondary's are to, while its primary is away."""
    if machine.colo.mode == SECONDARY:
        return
    for filter in _redirectors(machine, Direction.RX):
        if _hears_a_mirror(machine, filter.netdev):
            continue
        for use in uses(machine, filter.id):
            if use.property == "outdev" and leads_to_nobody(machine, use.chardev):
                yield filter, use.chardev


def _redirectors(machine: Machine, direction: Direction) -> list[FilterRedirector]:
    """Those that are on and look that way."""
    every = [made for made in machine.objects.values() if isinstance(made, FilterRedirector)]
    return [made for made in every if made.status and direction in made.directions]


def _hears_a_mirror(machine: Machine, netdev: str) -> bool:
    """A secondary of two redirectors alone is in no mode; what clients send comes to its guest from a chardev."""
    if machine.colo.last_mode != NONE:
        return False
    there = [filter for filter in _redirectors(machine, Direction.TX) if filter.netdev == netdev]
    return any(use.property == "indev" for filter in there for use in uses(machine, filter.id))
