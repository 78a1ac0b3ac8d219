"""
``colo-compare``: three chardevs round the comparison.

    primary_in ----> |          | ----> outdev
                     | Comparer |
    secondary_in --> |          | ----> divergences: the ring, the log, and what on_divergence says
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from colo_twisted.checkpoint.xen import XenCheckpointer
from colo_twisted.compare import listing
from colo_twisted.compare.channels import Channels
from colo_twisted.compare.checkpoints import Phase
from colo_twisted.compare.counters import AllCounters, CompareCounters
from colo_twisted.compare.diverged import Diverged
from colo_twisted.compare.divergences import Divergences
from colo_twisted.compare.following import Following
from colo_twisted.compare.mirrors import Mirrors
from colo_twisted.compare.parts import LatePeers, PeerChannel, find_checkpointer, find_peer
from colo_twisted.compare.passage import Passage
from colo_twisted.compare.properties import CompareProperties
from colo_twisted.compare.steps import Steps
from colo_twisted.failover.standing import Standing
from colo_twisted.interfaces import (
    FrontEnd,
    IChangeable,
    IChardev,
    IComparer,
    IHypervisor,
    IMachine,
    IRetiring,
    IUser,
    IWay,
)
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.passthrough import Rule, dhcp_rules
from colo_twisted.packets.comparing.verdicts import OVERDUE
from colo_twisted.packets.page import Page
from colo_twisted.reporting import Reporter

REMOVED = "this colo-compare was removed"
_ISOLATE_ALONE = "on_divergence=isolate needs a colo-peer, to tell the secondary"


@implementer(IComparer, IChangeable, IRetiring, IUser, IWay)
class ColoCompare:
    """
    Lets the primary's packets go when the secondary has sent the same.

    @ivar standing: the replica's state, its reason, and since when.
    @ivar divergences: ``divergences.kept`` has the newest.
    """

    def __init__(self, properties: CompareProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.report = Reporter(f"colo-compare {self.id}")
        self.comparer = Comparer(properties.limits, properties.ack_commit)
        self.comparer.flows.open(machine.monotonic())  # until all channels are up
        for id, rule in dhcp_rules().items():
            self.comparer.flows.rules.add(id, rule)
        self.divergences = Divergences(self.id, machine.events, self.report)
        self.own: CompareCounters = CompareCounters()
        self.counters: AllCounters = AllCounters(self.own, self.comparer)
        self._properties = properties
        self._machine = machine
        self._monotonic = machine.monotonic
        self._stopped = False
        self._opened = False
        self._owner = f"colo-compare '{self.id}'"
        self._mirrors = Mirrors(machine, self._look)
        self._late_peers = LatePeers(machine, self.id, self.report)
        self._hypervisor: IHypervisor | None = None
        self._wire(properties, machine)
        self._attach_all(properties)

    def _wire(self, properties: CompareProperties, machine: IMachine) -> None:
        timeout = properties.limits.compare_timeout
        comparer, report = self.comparer, self.report
        self._channels = Channels(timeout, self._mirrors, self._channels_changed)
        self._passage = Passage(
            machine, comparer, self.own, report, self._channels.secondary_heard, self._heed, self._release_due
        )
        self.following = Following(
            machine.reactor, self._monotonic, comparer.flows, timeout, report, self._rejoin, self._pour, self._tell
        )
        self._diverged = Diverged(
            properties.on_divergence, timeout, self.own, self._ask_checkpoint, self.following.isolate, self._release
        )
        self._steps = Steps(
            self.id, machine, comparer, self.following, self._diverged, self._passage, self._heed, self._tell
        )
        self.standing = Standing(self.id, machine, *self._condition)

    def _attach_all(self, properties: CompareProperties) -> None:
        """A pair's end says at once that it is up."""
        self._xen = self._attach_xen(properties)
        self._passage.outdev = self._attach(properties.outdev, None)
        self._passage.primary_in = self._attach(properties.primary_in, self._passage.receive_primary)
        self._channels.add("primary_in", self._passage.primary_in)
        self._channels.add("secondary_in", self._attach(properties.secondary_in, self._passage.receive_secondary))
        self._channels.add("outdev", self._passage.outdev)

    def _attach(self, id: str, receive: Callable[[Batch], None] | None) -> IChardev:
        chardev = self._machine.chardev(id)
        vnet_hdr = self._properties.vnet_hdr_support
        chardev.attach(FrontEnd(self._owner, vnet_hdr, receive, connection_changed=self._heard))
        return chardev

    def _attach_xen(self, properties: CompareProperties) -> XenCheckpointer | None:
        if properties.notify_dev is None:
            return None
        chardev = self._machine.chardev(properties.notify_dev)
        return XenCheckpointer(
            self._machine.reactor, chardev, self._owner, properties.limits.compare_timeout, self.report
        )

    # life

    def open(self) -> None:
        properties = self._properties
        peer = find_peer(self._machine, self._owner, properties.peer)
        checkpointer: Any = self._xen
        if properties.checkpoint is not None:
            checkpointer = find_checkpointer(self._machine, self._owner, properties.checkpoint)
        if properties.on_divergence == "isolate" and peer is None:
            raise StartError(f"{self._owner}: {_ISOLATE_ALONE}")
        if peer is not None:
            self.following.peer = self._passage.peer = peer
            peer.gate_watchers.append(self._gate_changed)
            self.comparer.flows.names = True
            self._channels.add("colo-peer", PeerChannel(peer))
            peer.watchers.append(self._heard)
        if IHypervisor.providedBy(checkpointer):
            self._channels.add(f"colo-qemu '{checkpointer.id}'", checkpointer)
            checkpointer.watchers.append(self._heard_of_guest)
            self._hypervisor = checkpointer
        self._steps.begin(properties, checkpointer, self.report)
        self.counters.checkpoints = self._steps.checkpoints
        self._mirrors.look()
        self._machine.object_watchers.append(self._objects_changed)
        self._opened = True

    def start(self) -> None:
        if self._properties.on_divergence == "checkpoint":
            self._steps.checkpoints.start()
        self._channels.start()

    def stop(self) -> None:
        if self._stopped or not self._opened:
            return
        self._stopped = True
        self._channels.stop()
        self.following.stop()
        self._steps.stop()
        self._passage.end()
        self._mirrors.leave()
        self._machine.object_watchers.remove(self._objects_changed)
        if self._hypervisor is not None:
            self._hypervisor.watchers.remove(self._heard_of_guest)
        if self.following.peer is not None:
            self.following.peer.watchers.remove(self._heard)
            self.following.peer.gate_watchers.remove(self._gate_changed)

    def close(self) -> None:
        """Chardevs are closed by the machine."""

    def uses(self) -> list[str]:
        """The colo-peer and the checkpointer that it works with."""
        peer: Any = self.following.peer
        return [id for id in (peer and peer.id, self._properties.checkpoint) if id is not None]

    # an operator's word that the primary goes on alone

    def retire(self) -> None:
        """For good: all that is held goes now, and what still comes as it comes."""
        self._channels.stop()
        self.run_alone(REMOVED)
        self._passage.send(self.comparer.hand_on(self._monotonic()))
        self._passage.uncompared = True
        self._passage.end()

    def run_alone(self, reason: str) -> None:
        """Until another secondary comes: the one that was is gone, says somebody who knows."""
        self.own.losses += self.following.state == "synced"
        self._steps.give_up()
        self._diverged.settle()
        self.following.run_alone(reason)
        self._wake()

    # how it stands

    @property
    def state(self) -> str:
        """The replica's: joining, synced, checkpointing, lost or alone."""
        return self.standing.state

    @property
    def reason(self) -> str:
        """Why it isn't synced, in words: what is lost, what it waits for; '' when it is."""
        return self.standing.reason

    @property
    def since(self) -> float:
        """The monotonic time, in seconds, since which the replica is in that state."""
        return self.standing.since

    @property
    def _hushed(self) -> tuple[str, str] | None:
        """As the colo-peer's; None without one."""
        return self.following.peer.hushed if self.following.peer is not None else None

    @property
    def _condition(self) -> tuple[str, str]:
        hushed = self._hushed
        if hushed is not None:
            return hushed
        state = self.following.state
        if self._opened and state in ("synced", "joining") and self._steps.checkpoints.phase is not Phase.IDLE:
            return "checkpointing", self._steps.checkpoints.reason
        return state, self.following.reason

    def _tell(self) -> None:
        self.standing.become(*self._condition)

    def channels(self) -> list[tuple[str, bool]]:
        """What the replica needs: each by name, and whether it is up."""
        return self._channels.rows()

    def connections(self, start: int, most: int) -> Page:
        """At most so many of those that are known, from that place on; listing.page says what a row has."""
        return listing.page(self.comparer.flows, start, most, self._monotonic())

    @property
    def held_packets(self) -> int:
        """Of either side."""
        return self.comparer.tally.held_packets

    @property
    def held_bytes(self) -> int:
        """What these cost, upkeep included."""
        return self.comparer.tally.held_bytes

    @property
    def checkpoint_phase(self) -> str | None:
        """One of checkpoints.Phase's values; None where nobody makes checkpoints."""
        checkpoints = self._steps.checkpoints
        return checkpoints.phase.value if checkpoints.available else None

    # changes

    def change(self, properties: CompareProperties) -> None:
        """As the interface says."""
        properties.check()
        if properties.on_divergence == "isolate" and self.following.peer is None:
            raise OptionError(f"property 'on_divergence': {_ISOLATE_ALONE}")
        self._properties = properties
        now, timeout = self._monotonic(), properties.limits.compare_timeout
        self.comparer.limit(properties.limits)
        self._channels.change_timeout(timeout)
        self.following.change_timeout(timeout)
        if self._xen is not None:
            self._xen.change_repeat(timeout)
        self._steps.change(properties)
        self._diverged.change(properties.on_divergence, timeout, now)
        self._heed(now)

    def _objects_changed(self) -> None:
        self._mirrors.look()
        if self.following.peer is None:
            self._late_peers.look()

    # channels

    @property
    def overhear(self) -> Callable[[Batch], Batch | None] | None:
        """As the interface says: of secondary_in."""
        return self._passage.overhear

    @overhear.setter
    def overhear(self, overhear: Callable[[Batch], Batch | None] | None) -> None:
        self._passage.overhear = overhear

    @property
    def chardevs(self) -> list[IChardev]:
        """As the interface says: secondary_in."""
        return [self._machine.chardev(self._properties.secondary_in)]

    def send_beat(self, batch: Batch) -> None:
        """Nothing goes back that way."""

    def _heard(self, is_there: bool) -> None:
        """The colo-peer's connection has come or gone."""
        if is_there:
            self.following.peer_came()
        self._look()

    def _heard_of_guest(self, _: bool) -> None:
        self._look()

    def _look(self) -> None:
        self._channels.look()

    def _gate_changed(self) -> None:
        """The guest may be heard again, or may not."""
        hushed = self._hushed
        self._passage.shut(hushed is not None and hushed[0] == "shut")
        if hushed is None:
            self._passage.open_gate()
        self._look()
        self._tell()

    def _channels_changed(self, lost: str | None, staged: bool) -> None:
        if lost is not None and self.following.lost is None:
            self.comparer.heed_secondary()  # a marker that was awaited went with the channel
            self.own.losses += self.following.state == "synced"
        self.following.channels_changed(lost, staged)
        self._wake()

    # what comes of frames

    def _pour(self) -> None:
        self._passage.pour()
        self._wake()

    def _wake(self) -> None:
        self._passage.wake(self._diverged.next_deadline)

    def _heed(self, now: float) -> None:
        """See to what the comparer has to tell, and to its next time-out."""
        if self.comparer.divergences:
            self._tell_divergences(now)
        if self.comparer.flows.unnamed:
            self.following.name_unprotected()
        self._wake()

    def _tell_divergences(self, now: float) -> None:
        divergences = list(self.comparer.divergences)
        self.comparer.divergences.clear()
        for divergence in divergences:
            self.divergences.tell(divergence)
            if divergence.kind in OVERDUE:
                self._channels.secondary_missed(now)
            self._diverged.deal_with(divergence, now)

    def _release(self, key: bytes, now: float) -> None:
        self.comparer.flows.release(key, now)
        self._pour()

    def _release_due(self, now: float) -> None:
        self._diverged.release_due(now)

    # checkpoints

    def request_checkpoint(self, reason: str) -> int:
        """Ask for one: its number. Raises StartError where nobody makes any."""
        number = self._steps.ask(reason)
        if number is None:
            raise StartError(
                f"{self._owner} has nobody to make a checkpoint: it takes checkpoint=ID (of a checkpoint-command or a"
                " colo-qemu) or notify_dev=CHARDEV (Xen's)"
            )
        return number

    def _ask_checkpoint(self, reason: str) -> bool:
        return self._steps.ask(reason) is not None

    def _rejoin(self) -> bool:
        return self._ask_checkpoint("the secondary is back")

    # rules

    def add_passthrough(self, id: str, rule: Rule) -> None:
        self.comparer.flows.add_rule(id, rule, self._monotonic())
        self._heed(self._monotonic())
        self._pour()

    def remove_passthrough(self, id: str) -> None:
        self.comparer.flows.remove_rule(id)


COLO_COMPARE = ObjectType(
    "colo-compare", "releases the primary's packets when the secondary's are the same", CompareProperties, ColoCompare
)
