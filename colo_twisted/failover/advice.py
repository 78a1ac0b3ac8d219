"""What an operator should look at, and do about it. Reading only: each function knows one kind of problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colo_twisted.failover.mode import BARRIERS, PRIMARY, SECONDARY
from colo_twisted.interfaces import IChardev, IColoPeer, IComparer
from colo_twisted.netdev.tap import Tap
from colo_twisted.options import declare
from colo_twisted.packets.build import compiled

if TYPE_CHECKING:
    from colo_twisted.machine import Machine

LONG_SECONDS = 30.0  # for a state that should pass

_TWO = "two guests may speak to the network"
FAIL_OVER = "x-colo-lost-heartbeat (colo-ctl failover)"

_COUNTERS = {
    "dropped_backlog": "the far end is too slow or stuck: look at it, and at the way to it; or raise max_backlog",
    "dropped_filter_failed": "the log names the filter that failed: take it out, and tell its authors",
    "dropped_loop": "two filters feed each other: look at the order of the chain",
    "dropped_memory": "raise max_memory, or see what keeps the secondary from following",
    "dropped_needs_vnet_hdr": "vnet headers must be carried everywhere or nowhere: vnet_hdr_support on all, or on none",
    "dropped_refused": "the kernel, or the peer's colo-peer, was sent what it can't take: the log says what",
    "dropped_table_full": "raise max_connections",
    "not_followed": "raise max_connections",
    "protocol_errors": "the peer does not speak this wire, or vnet_hdr_support differs: the log says which",
}


@dataclass(frozen=True)
class Problem:
    """
    ``what`` is wrong, and the ``remedy``: what to do; one line each.

    ``severity``: an error keeps the pair from doing its work; a warning is something to look at when there is time.
    """

    what: str
    remedy: str
    severity: str = "error"


def problems(machine: Machine) -> list[Problem]:
    """All there are now, the worst first."""
    return [problem for find in _FINDERS for problem in find(machine)]


# who speaks to the network


def two_speakers(machine: Machine) -> Iterator[Problem]:
    """A take-over while the primary is there."""
    remedy = (
        "stop the guest whose state is older; to make it a replica, move colo-peer's state file away and start anew"
    )
    for peer in machine.providers(IColoPeer):
        if peer.overtaken:
            yield Problem(f"the secondary says that it has taken over (colo-peer '{peer.id}'): {_TWO}", remedy)
        elif peer.standing.state == "taken-over" and peer.connected and machine.colo.mode != SECONDARY:
            yield Problem(f"this side has taken over, and a primary is there (colo-peer '{peer.id}'): {_TWO}", remedy)


def lost(machine: Machine) -> Iterator[Problem]:
    """Nothing leaves until the secondary has answered."""
    for comparer in machine.providers(IComparer):
        if comparer.state == "lost":
            yield Problem(
                f"lost: nothing of the guest's reaches the network ({comparer.id}): {comparer.reason}",
                f"it ends when the secondary answers or closes; if you know that it is dead: {FAIL_OVER}",
            )


def closed_after_take_over(machine: Machine) -> Iterator[Problem]:
    """A process that had taken over was started anew, with its filters on."""
    on = [id for id, made in machine.objects.items() if isinstance(made, BARRIERS) and made.status]
    taken_over = any(peer.standing.state == "taken-over" for peer in machine.providers(IColoPeer))
    if machine.colo.mode == SECONDARY and taken_over and on:
        yield Problem(
            f"this side has taken over before it was started anew, and its guest is cut off by {_list(on)}",
            f"{FAIL_OVER} opens it again; to make it a replica, move colo-peer's state file away and start anew",
        )


# the replica


def invalid(machine: Machine) -> Iterator[Problem]:
    """The secondary's guest must not take over."""
    remedy = "have a checkpoint made (colo-checkpoint on the primary), or start it anew from the primary's state"
    for peer in machine.providers(IColoPeer):
        if peer.invalid is not None:
            yield Problem(f"the guest is invalid, no take-over is possible: {peer.invalid}", remedy)
    for comparer in machine.providers(IComparer):
        if comparer.following.invalid is not None:
            why = comparer.following.invalid
            yield Problem(f"the secondary's guest is invalid, nothing is protected ({comparer.id}): {why}", remedy)


def alone(machine: Machine) -> Iterator[Problem]:
    """The primary's guest runs uncompared."""
    for comparer in machine.providers(IComparer):
        if comparer.state == "alone":
            yield Problem(
                f"alone: the guest runs uncompared, no connection would outlive it ({comparer.id}): {comparer.reason}",
                "start the secondary, anew if it was there before",
            )


def joining(machine: Machine) -> Iterator[Problem]:
    """It takes long to become synced."""
    replica = machine.colo.replica()
    if replica.state == "joining" and replica.seconds >= LONG_SECONDS:
        yield Problem(
            f"joining for {replica.seconds:.0f} s, nothing new is protected: {replica.reason or 'it does not say why'}",
            "all channels must be up, on both sides; then the other side's log says what it waits for",
        )


def checkpointing(machine: Machine) -> Iterator[Problem]:
    """A checkpoint takes long."""
    replica = machine.colo.replica()
    if replica.state == "checkpointing" and replica.seconds >= LONG_SECONDS:
        yield Problem(
            f"checkpointing for {replica.seconds:.0f} s, the secondary's guest stands still: {replica.reason}",
            "look at the checkpointer on the primary; its end, or the primary's, ends it",
        )


def no_checkpointer(machine: Machine) -> Iterator[Problem]:
    """Divergences would be healed by checkpoints, and nothing makes any."""
    for comparer in machine.providers(IComparer):
        properties: Any = machine.definitions["object", comparer.id].properties
        asks = properties.on_divergence == "checkpoint"
        if asks and properties.checkpoint is None and properties.notify_dev is None and comparer.divergences.kept:
            yield Problem(
                f"connections have diverged and were let go unprotected ({comparer.id}): there is no checkpointer",
                "checkpoint=ID of a checkpoint-command or notify_dev= on colo-compare;"
                " a colo-passthrough rule for what always differs",
                "warning",
            )


# the parts


def channels_down(machine: Machine) -> Iterator[Problem]:
    """Chardevs in use whose peer isn't there."""
    for (option, user), definition in machine.definitions.items():
        if option != "object" or not getattr(machine.objects[user], "status", True):
            continue
        for declaration, _, id in declare.references(definition.properties, "chardev"):
            chardev = machine.chardevs.get(id)
            if chardev is not None and not chardev.connected:
                whose = f"{declaration.name} of {definition.type.name} '{user}'"
                yield Problem(f"{whose} has no peer: chardev '{id}', {_address(chardev)}", _how_to_reach(chardev))


def _address(chardev: IChardev) -> str:
    return chardev.filename.removeprefix("disconnected:").removesuffix(",server=on")


def _how_to_reach(chardev: IChardev) -> str:
    if chardev.filename.startswith("pair:"):
        return "an object must use the pair's other end"
    if chardev.filename.endswith("server=on"):
        return "start the other side, which connects here; are its host and port right, does a firewall stand between?"
    return "the other side must listen there; is it running, is the address right, does a firewall stand between?"


def unused_chardevs(machine: Machine) -> Iterator[Problem]:
    """Chardevs that serve nothing."""
    for id, chardev in machine.chardevs.items():
        if chardev.front_end is None:
            remedy = "name it in an object's property, or chardev-remove it"
            yield Problem(f"chardev '{id}' is used by nothing", remedy, "warning")


def without_guest(machine: Machine) -> Iterator[Problem]:
    """Netdevs that lead to nobody."""
    for id, chain in machine.chains.items():
        if chain.guest is None:
            yield Problem(f"netdev '{id}' has no guest", f"device_add a device with netdev={id}, or netdev_del it")


def links_down(machine: Machine) -> Iterator[Problem]:
    """Cables that set_link has pulled out."""
    for id, chain in machine.chains.items():
        ends = [name for name, up in (("network's", chain.link_up), ("guest's", chain.guest_link_up)) if not up]
        if ends:
            where = " and the ".join(ends)
            yield Problem(f"the link of netdev '{id}' is off at the {where} end", "set_link turns it on")


def taps_down(machine: Machine) -> Iterator[Problem]:
    """TAPs that frames can't be written to."""
    for id, netdev in machine.netdevs.items():
        if not isinstance(netdev, Tap):
            continue
        if netdev.gone:
            yield Problem(f"TAP {netdev.name} of netdev '{id}' was deleted", "only a restart makes it anew")
        elif netdev.down:
            remedy = f"ip link set {netdev.name} up, in the namespace where it is"
            yield Problem(f"TAP {netdev.name} of netdev '{id}' is down", remedy)


def filters_off(machine: Machine) -> Iterator[Problem]:
    """Filters of the pair that are off though nobody has taken over."""
    if machine.colo.mode not in (PRIMARY, SECONDARY):
        return
    off = [id for id, made in machine.objects.items() if isinstance(made, BARRIERS) and not made.status]
    if off:
        yield Problem(
            f"in the mode of a {machine.colo.mode}, but off: {_list(off)}",
            "qom-set its status (colo-ctl set ID status=on), when all else is in place",
        )


def counted(machine: Machine) -> Iterator[Problem]:
    """What was lost since the start, and need not be."""
    for name, counters in machine.counted():
        for counter, value in counters.rows():
            if value and counter in _COUNTERS:
                yield Problem(f"{name}: {counter} is {value} since the start", _COUNTERS[counter], "warning")


def not_compiled(machine: Machine) -> Iterator[Problem]:
    """The slow build."""
    if not compiled():
        yield Problem(
            "packets/ is not compiled: about ten times slower",
            "install gcc and python3-dev, then this package once more",
            "warning",
        )


def _list(ids: list[str]) -> str:
    return ", ".join(f"'{id}'" for id in ids)


_FINDERS: tuple[Callable[[Machine], Iterator[Problem]], ...] = (
    two_speakers,
    lost,
    closed_after_take_over,
    invalid,
    alone,
    taps_down,
    links_down,
    channels_down,
    joining,
    checkpointing,
    filters_off,
    without_guest,
    no_checkpointer,
    counted,
    unused_chardevs,
    not_compiled,
)
