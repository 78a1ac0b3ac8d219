"""COLO mode: QEMU's commands about it, and asking for a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from colo_twisted.control.commands.declare import Nothing, command
from colo_twisted.control.errors import QMPError
from colo_twisted.failover.announce import Announcing
from colo_twisted.interfaces import IComparer
from colo_twisted.machine import Machine
from colo_twisted.options.declare import prop
from colo_twisted.options.errors import NotThere
from colo_twisted.options.json_values import TextList
from colo_twisted.options.kinds import Integer, Kind

_LONGEST_MS = (1 << 31) - 1
BY_COMMAND = "asked for by colo-checkpoint"

Mode = Literal["none", "primary", "secondary"]


@dataclass(frozen=True)
class StatusInfo:
    """``mode`` is 'none' once COLO has ended; ``last_mode`` what it was."""

    mode: Mode
    last_mode: Mode
    reason: Literal["none", "request", "error", "processing"]


@command("query-colo-status", "which side of a pair this is, or was, and how that ended")
def query_colo_status(machine: Machine, _: Nothing) -> StatusInfo:
    colo: Any = machine.colo
    return StatusInfo(colo.mode, colo.last_mode, colo.reason)


@command("x-colo-lost-heartbeat", "the other side is gone for good: go on without it")
def lost_heartbeat(machine: Machine, _: Nothing) -> None:
    machine.colo.lose_heartbeat()


@dataclass(frozen=True)
class AnnounceArguments:
    initial: int = prop(Integer(0, _LONGEST_MS), "milliseconds to the second round")
    max: int = prop(Integer(0, _LONGEST_MS), "milliseconds that a pause has at most")
    rounds: int = prop(Integer(0, 1000), "how many; 0 ends those under way")
    step: int = prop(Integer(0, _LONGEST_MS), "milliseconds by which each further pause is longer")
    interfaces: tuple[str, ...] | None = prop(TextList(), "ids of netdevs or devices; not set: all", default=None)
    id: str = prop(Kind(), "takes the place of one under way with the same id", default="")


@command("announce-self", "tell the network where the guests are", AnnounceArguments)
def announce_self(machine: Machine, wanted: AnnounceArguments) -> None:
    machine.colo.announcements.announce(
        Announcing(
            initial=wanted.initial,
            step=wanted.step,
            max=wanted.max,
            rounds=wanted.rounds,
            interfaces=wanted.interfaces,
            id=wanted.id,
            addresses=False,  # as QEMU: its guests, where they have a virtio NIC, say those themselves
        )
    )


@dataclass(frozen=True)
class ComparerArguments:
    id: str | None = prop(Kind(), "the colo-compare; not set: the only one there is", default=None)


@dataclass(frozen=True)
class CheckpointInfo:
    """``number`` is that of the first checkpoint which counts as what was asked for: COLO_CHECKPOINT_DONE has it."""

    number: int


@command("colo-checkpoint", "ask for a checkpoint", ComparerArguments)
def colo_checkpoint(machine: Machine, which: ComparerArguments) -> CheckpointInfo:
    return CheckpointInfo(comparer_of(machine, which.id).request_checkpoint(BY_COMMAND))


def comparer_of(machine: Machine, id: str | None) -> Any:
    """The colo-compare of that id, or the only one. Raises NotThere or QMPError."""
    comparers = {made.id: made for made in machine.providers(IComparer)}
    if id is not None:
        if id not in comparers:
            raise NotThere("object", id)
        return comparers[id]
    if len(comparers) != 1:
        which = f"there are {len(comparers)} (name one: id)" if comparers else "there is none"
        raise QMPError(f"which colo-compare? {which}")
    return next(iter(comparers.values()))


COMMANDS = (query_colo_status, lost_heartbeat, announce_self, colo_checkpoint)
