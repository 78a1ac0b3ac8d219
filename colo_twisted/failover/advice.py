"""What an operator should look at, and do about it. Reading only: each function knows one kind of problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from colo_twisted.failover import cabling
from colo_twisted.failover.mode import ALONE_BY_REQUEST, BARRIERS, PRIMARY, SECONDARY
from colo_twisted.interfaces import IChardev, IColoPeer, IComparer
from colo_twisted.netdev.tap import Tap
from colo_twisted.packets.build import compiled

if TYPE_CHECKING:
    from colo_twisted.machine import Machine

LONG_SECONDS = 30.0  # for a checkpoint
JOINING_SECONDS = 10.0

_AS_REPLICA = "to make it a replica, move its colo-peer's state-file away and start it anew as a secondary"
FAIL_OVER = "colo-ctl failover"
_BOTH_LOGS = "both sides' logs say whether it was refused"
_CHECKPOINTER = "where there is a checkpointer"

# what to do where the replica's reason has these words
_REMEDIES = {
    ALONE_BY_REQUEST: f"start the secondary anew, or colo-ctl checkpoint, {_CHECKPOINTER}: then it counts again",
    "was made invalid": (
        f"colo-ctl checkpoint, {_CHECKPOINTER}; else make the secondary's guest anew from the primary's, and start its"
        " side again"
    ),
    "is silent": (
        "look at the secondary's guest: does it run, is its interface up (colo-ctl status there)? This ends with the"
        " first frame that it sends"
    ),
    "no filter-mirror": "colo-ctl add object filter-mirror,...: without it the secondary's guest hears no client",
    "colo-peer is not connected": f"the other side must have a colo-peer with role=secondary there; {_BOTH_LOGS}",
    "it is not under COLO": (
        "put both QEMUs under COLO: x-colo allowed in both, a secondary with -incoming, then migrate in the primary's"
        " (docs/qemu.md)"
    ),
    "its QMP socket is not connected": "does that QEMU run, with -qmp there, and does nobody else hold that socket?",
    "the primary is not there": f"the other side must have a colo-peer with role=primary there; {_BOTH_LOGS}",
    "the secondary to say": "colo-ctl status on the secondary: is its guest invalid, does its process stand still?",
    "waits for a checkpoint": "look at the checkpointer, here; colo-ctl checkpoint asks for another one",
    "does not protect": (
        "colo-ctl status on the primary: it says what it waits for; if an operator lets it go on alone (colo-ctl"
        " failover there), start this side anew"
    ),
}
_ELSE = "both sides' logs say more; start the secondary, anew if it was there before"
_NO_CHARDEVS = ("mirror", "colo-peer", "colo-qemu ")  # channels of a comparer's
_TOLD_BY_OTHERS = ("the guest is invalid", "the secondary is invalid", "filter-mirror")  # reasons; see those finders

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
    found = [problem for find in _FINDERS for problem in find(machine)]
    return sorted(found, key=lambda problem: problem.severity != "error")


# who speaks to the network


def cut_off(machine: Machine) -> Iterator[Problem]:
    """Guests whose frames are taken to where nobody is, though they are those that clients are to reach."""
    for filter, chardev in cabling.dead_ends(machine):
        far = cabling.far_end(machine, chardev)
        reader = (
            "start what is to read there"
            if far is None
            else f"add what is to read at chardev '{far.id}' (colo-ctl add object colo-compare,primary_in={far.id},...)"
        )
        yield Problem(
            f"the guest of netdev '{filter.netdev}' is cut off from the network: filter-redirector '{filter.id}' takes"
            f" what it sends to chardev '{chardev.id}', where nobody reads",
            f"colo-ctl set {filter.id} status=off lets it through, uncompared; or {reader}",
        )


def two_speakers(machine: Machine) -> Iterator[Problem]:
    """A take-over while the primary is there."""
    for peer in machine.providers(IColoPeer):
        if peer.overtaken:
            yield Problem(
                f"the other side has taken over, or gone on alone (colo-peer '{peer.id}'): this side's guest is the"
                " older one, and shut: nothing of it reaches the network",
                f"stop this side's guest; {_AS_REPLICA}",
            )
        elif peer.standing.state == "taken-over" and peer.connected and machine.colo.mode != SECONDARY:
            yield Problem(
                f"this side has taken over, and a primary is there (colo-peer '{peer.id}'): were that one not shut,"
                " two guests would speak to the network",
                f"stop the other side's guest: its state is the older one; {_AS_REPLICA}",
            )


def lost(machine: Machine) -> Iterator[Problem]:
    """Nothing leaves until the secondary has answered."""
    for comparer in machine.providers(IComparer):
        if comparer.state == "lost":
            yield Problem(
                f"lost: nothing of the guest's reaches the network ({comparer.id}): {comparer.reason}",
                f"it ends when the secondary answers or closes; if you know that it is dead: {FAIL_OVER}",
            )


def unlike(machine: Machine) -> Iterator[Problem]:
    """The two sides' configurations don't go together."""
    for peer in machine.providers(IColoPeer):
        if peer.unlike is not None:
            yield Problem(
                f"{peer.unlike}: the secondary can't follow (colo-peer '{peer.id}')",
                "change one of the two sides' configurations, so that they go together, and start that side anew",
            )


def primary_lost(machine: Machine) -> Iterator[Problem]:
    """The secondary waits for a word, or a fence."""
    for peer in machine.providers(IColoPeer):
        if peer.standing.state == "lost":
            yield Problem(
                f"lost: {peer.standing.reason} (colo-peer '{peer.id}')",
                f"it ends when the primary is heard; if you know that it is off for good: {FAIL_OVER}",
            )


def shut(machine: Machine) -> Iterator[Problem]:
    """This side must not speak."""
    sides = [(made.id, made.state, made.reason) for made in machine.providers(IComparer)]
    peers = machine.providers(IColoPeer)
    sides += [(peer.id, peer.standing.state, peer.standing.reason) for peer in peers]
    if any(peer.overtaken for peer in peers):
        return  # two_speakers has said so
    for id, state, reason in sides:
        if state == "shut":
            yield Problem(
                f"shut: nothing of this side's guest reaches the network ({id}): {reason}",
                f"if the other side is off for good: {FAIL_OVER}; else leave it so, or {_AS_REPLICA}",
            )


# the replica


def invalid(machine: Machine) -> Iterator[Problem]:
    """The secondary's guest must not take over."""
    remedy = "colo-ctl checkpoint on the primary has one made that ends it; or start it anew from the primary's state"
    for peer in machine.providers(IColoPeer):
        if peer.invalid is not None:
            yield Problem(f"the guest is invalid, no take-over is possible: {peer.invalid}", remedy)
    for comparer in machine.providers(IComparer):
        if comparer.following.invalid is not None:
            why = comparer.following.invalid
            yield Problem(f"the secondary's guest is invalid, nothing is protected ({comparer.id}): {why}", remedy)


def alone(machine: Machine) -> Iterator[Problem]:
    """The primary's guest runs uncompared, and no channel that is down tells why."""
    for comparer in machine.providers(IComparer):
        if comparer.state == "alone" and not _misses_a_channel(machine, comparer):
            yield Problem(
                f"alone: the guest runs uncompared, no connection would outlive it ({comparer.id}): {comparer.reason}",
                _what_to_do(comparer.reason),
            )


def without_replica(machine: Machine) -> Iterator[Problem]:
    """This side has taken over, and nobody would take over from it."""
    if machine.colo.replica().state == "taken-over" and not machine.providers(IComparer):
        yield Problem(
            "this side has taken over, and has no replica: no connection would outlive it",
            "start a new secondary, then here: colo-ctl resume --listen ADDRESS (this host's, to which it connects)",
        )


def _misses_a_channel(machine: Machine, comparer: Any) -> bool:
    """Whether a chardev of the pair's has no peer, which channels_down says."""
    down = [name for name, up in comparer.channels() if not up and not name.startswith(_NO_CHARDEVS)]
    peers = machine.providers(IColoPeer)
    return bool(down) or any(use.user in [peer.id for peer in peers] for use in cabling.missing(machine))


def _what_to_do(reason: str) -> str:
    return next((remedy for words, remedy in _REMEDIES.items() if words in reason), _ELSE)


def joining(machine: Machine) -> Iterator[Problem]:
    """It takes long to become synced, and no other problem tells why."""
    replica = machine.colo.replica()
    if replica.state != "joining" or replica.seconds <= JOINING_SECONDS:
        return
    if not replica.reason.startswith(_TOLD_BY_OTHERS) and not any(cabling.missing(machine)):
        why = replica.reason or "it does not say why"
        yield Problem(
            f"joining for {replica.seconds:.0f} s, nothing new is protected: {why}", _what_to_do(replica.reason)
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
    told = {filter.id for filter, _ in cabling.dead_ends(machine)} | set(_left_over(machine))
    for use in cabling.missing(machine):
        if use.user in told and use.property != "indev":
            continue
        whose = f"{use.property} of {machine.definitions['object', use.user].type.name} '{use.user}'"
        what = f"{whose} has no peer: chardev '{use.chardev.id}', {cabling.address(use.chardev)}"
        yield Problem(what, _how_to_reach(use.chardev))


def _how_to_reach(chardev: IChardev) -> str:
    if chardev.filename.startswith("pair:"):
        return "an object must use the pair's other end"
    if cabling.listens(chardev):
        return "start the other side, which connects here; are its host and port right, does a firewall stand between?"
    return "the other side must listen there; is it running, is the address right, does a firewall stand between?"


def left_over(machine: Machine) -> Iterator[Problem]:
    """What a secondary needed, and that leads nowhere since it took over."""
    left = _left_over(machine)
    if not left:
        return
    chardevs = [use.chardev.id for id in left for use in cabling.uses(machine, id)]
    yield Problem(
        f"left over from before the take-over: {_list(left)}",
        "colo-ctl resume removes that; by hand (resume needs --peer then):"
        f" colo-ctl del object {' '.join(left)}, then colo-ctl del chardev {' '.join(chardevs)}",
        "warning",
    )


def _left_over(machine: Machine) -> list[str]:
    """Ids; none while each of them still has a peer."""
    used = {made.id: cabling.uses(machine, made.id) for made in machine.colo.left_over}
    lonely = [id for id, uses in used.items() if not any(use.chardev.connected for use in uses)]
    return lonely if any(used[id] for id in lonely) else []


def unused_chardevs(machine: Machine) -> Iterator[Problem]:
    """Chardevs that serve nothing."""
    for id, chardev in machine.chardevs.items():
        if chardev.front_end is None:
            remedy = (
                "name it in an object's property, or colo-ctl del chardev ID"  # one for all: they are many at times
            )
            yield Problem(f"chardev '{id}' is used by nothing", remedy, "warning")


def without_guest(machine: Machine) -> Iterator[Problem]:
    """Netdevs that lead to nobody."""
    for id, chain in machine.chains.items():
        if chain.guest is None:
            remedy = f"colo-ctl add device MODEL,id=ID,netdev={id}, or colo-ctl del netdev {id}"
            yield Problem(f"netdev '{id}' has no guest", remedy)


def links_down(machine: Machine) -> Iterator[Problem]:
    """Cables that set_link has pulled out."""
    for id, chain in machine.chains.items():
        ends = [name for name, up in (("network's", chain.link_up), ("guest's", chain.guest_link_up)) if not up]
        if ends:
            where = " and the ".join(ends)
            remedy = f"colo-ctl qmp set_link name={id} up=true"
            yield Problem(f"the link of netdev '{id}' is off at the {where} end", remedy)


def taps_down(machine: Machine) -> Iterator[Problem]:
    """TAPs that frames can't be written to."""
    for id, netdev in machine.netdevs.items():
        if not isinstance(netdev, Tap) or not (netdev.gone or netdev.down):
            continue
        remedy = f"ip link set {netdev.name} up, in the namespace where it is"
        if netdev.gone:
            remedy = "only a restart makes it anew"
        if machine.colo.mode == SECONDARY and id in machine.chains:
            remedy += "; as it is, this side could not take over: its guest would reach no client"
        what = f"TAP {netdev.name} of netdev '{id}' {'was deleted' if netdev.gone else 'is down'}"
        yield Problem(what, remedy)


def filters_off(machine: Machine) -> Iterator[Problem]:
    """Filters of the pair that are off though nobody has taken over."""
    if machine.colo.mode not in (PRIMARY, SECONDARY):
        return
    left = machine.colo.left_over
    barriers = [made for made in machine.objects.values() if isinstance(made, BARRIERS) and made not in left]
    off = [made.id for made in barriers if not made.status]
    if off:
        orders = ", ".join(f"colo-ctl set {id} status=on" for id in off)
        yield Problem(
            f"in the mode of a {machine.colo.mode}, but off: {_list(off)}", f"when all else is in place: {orders}"
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
    cut_off,
    two_speakers,
    lost,
    unlike,
    primary_lost,
    shut,
    invalid,
    alone,
    without_replica,
    taps_down,
    links_down,
    channels_down,
    joining,
    checkpointing,
    filters_off,
    without_guest,
    no_checkpointer,
    left_over,
    counted,
    unused_chardevs,
    not_compiled,
)
