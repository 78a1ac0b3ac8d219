"""
``colo-compare``: three chardevs round the comparison.

    primary_in ----> |          | ----> outdev
                     | Comparer |
    secondary_in --> |          | ----> divergences: the ring, the log, and what on_divergence says
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from colo_twisted.checkpoint.xen import XenCheckpointer
from colo_twisted.compare.channels import Channels
from colo_twisted.compare.checkpoints import Checkpoints
from colo_twisted.compare.counters import AllCounters, CompareCounters
from colo_twisted.compare.divergences import Divergences, describe
from colo_twisted.compare.following import Following
from colo_twisted.compare.hooks import Hooks
from colo_twisted.compare.parts import find_checkpointer, find_peer
from colo_twisted.compare.properties import CompareProperties
from colo_twisted.interfaces import FrontEnd, IChardev, IComparer, IMachine, IMirror
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import StartError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.comparing.passthrough import Rule, dhcp_rules
from colo_twisted.packets.comparing.verdicts import OVERDUE
from colo_twisted.reporting import Reporter

MOST_BACKLOG = 64 << 20  # bytes that may wait for outdev's peer


@implementer(IComparer)
class ColoCompare:
    """
    Lets the primary's packets go when the secondary has sent the same.

    ``following.state`` is the replica's state; ``divergences.kept`` has the newest divergences.
    """

    def __init__(self, properties: CompareProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.report = Reporter(f"colo-compare {self.id}")
        self.comparer = Comparer(properties.limits, properties.ack_commit)
        self.divergences = Divergences(self.report)
        self.own: CompareCounters = CompareCounters()
        self.counters: AllCounters = AllCounters(self.own, self.comparer)
        self.following = Following(
            machine.reactor,
            machine.monotonic,
            self.comparer.flows,
            properties.limits.compare_timeout,
            self.report,
            self._ask_checkpoint,
            self._pour,
        )
        self._properties = properties
        self._machine = machine
        self._monotonic = machine.monotonic
        self._reactor: Any = machine.reactor
        self._timeout = properties.limits.compare_timeout
        self._checkpoints: Checkpoints | None = None
        self._held: dict[bytes, Divergence] = {}  # flows that have diverged and wait
        self._to_release: list[tuple[float, bytes]] = []  # when, and which of them; a heap
        self._retry: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0
        self._owner = f"colo-compare '{self.id}'"
        self._channels = Channels(self._timeout, self._channels_changed)  # a pair's end says at once that it is up
        self._xen = self._attach_xen(properties.notify_dev)
        self._outdev = self._attach(properties.outdev, None)
        self._channels.add("primary_in", self._attach(properties.primary_in, self._receive_primary))
        self._channels.add("secondary_in", self._attach(properties.secondary_in, self._receive_secondary))
        self._channels.add("outdev", self._outdev)
        self.comparer.flows.open(self._monotonic())  # until all channels are up
        for id, rule in dhcp_rules().items():
            self.comparer.flows.rules.add(id, rule)

    def _attach(self, id: str, receive: Callable[[Batch], None] | None) -> IChardev:
        chardev = self._machine.chardev(id)
        vnet_hdr = self._properties.vnet_hdr_support
        chardev.attach(FrontEnd(self._owner, vnet_hdr, receive, connection_changed=self._look))
        return chardev

    def _attach_xen(self, id: str | None) -> XenCheckpointer | None:
        if id is None:
            return None
        return XenCheckpointer(self._reactor, self._machine.chardev(id), self._owner, self._timeout, self.report)

    # life

    def open(self) -> None:
        properties = self._properties
        peer = find_peer(self._machine, self._owner, properties.peer)
        checkpointer: Any = self._xen
        if properties.checkpoint is not None:
            checkpointer = find_checkpointer(self._machine, self._owner, properties.checkpoint)
        if properties.on_divergence == "isolate" and peer is None:
            raise StartError(f"{self._owner}: on_divergence=isolate needs a colo-peer, to tell the secondary")
        if peer is not None:
            self.following.peer = peer
            self.comparer.flows.names = True
            self._channels.add("colo-peer", peer)
            peer.watchers.append(self._look)
        for mirror in self._machine.providers(IMirror):
            self._channels.add(f"the peer of filter-mirror '{mirror.id}'", mirror)
            mirror.watchers.append(self._look)
        if properties.on_divergence == "checkpoint":
            comparer = self.comparer
            hooks = Hooks(
                comparer.mark,
                comparer.ignore_secondary,
                comparer.heed_secondary,
                self._flush,
                self._no_checkpoint,
            )
            self._checkpoints = Checkpoints(
                self._reactor,
                self.report,
                checkpointer,
                peer,
                properties.checkpoint_min_interval / 1000,
                self._timeout,
                properties.checkpoint_timeout / 1000,
                hooks,
            )
            self.counters.checkpoints = self._checkpoints

    def start(self) -> None:
        if self._checkpoints is not None:
            self._checkpoints.start()
        self._channels.start()

    def stop(self) -> None:
        self._channels.stop()
        self.following.stop()
        if self._checkpoints is not None:
            self._checkpoints.stop()
        for call in (self._timer, self._retry):
            if call is not None and call.active():
                call.cancel()

    def close(self) -> None:
        """Chardevs are closed by the machine."""

    # frames

    def _receive_primary(self, batch: Batch) -> None:
        now = self._monotonic()
        self._send(self.comparer.receive_primary(batch, now))
        self._heed(now)

    def _receive_secondary(self, batch: Batch) -> None:
        now = self._monotonic()
        self._channels.secondary_heard(now)
        self._send(self.comparer.receive_secondary(batch, now))
        self._heed(now)

    def _pour(self) -> None:
        """Send what was let go otherwise than by a packet."""
        self._send(self.comparer.finish())
        self._schedule()

    def _send(self, batch: Batch | None) -> None:
        if batch is None:
            return
        outdev = self._outdev
        if not outdev.connected:
            self.own.dropped_no_peer += len(batch)
        elif outdev.backlog > MOST_BACKLOG:
            self.own.dropped_backlog += len(batch)
            self.report.warn(f"dropped released frames: outdev is {MOST_BACKLOG} bytes behind", kind="backlog")
        else:
            outdev.write(batch)

    def _heed(self, now: float) -> None:
        """See to what the comparer has to tell, and to its next time-out."""
        if self.comparer.divergences:
            self._tell_divergences(now)
        if self.comparer.flows.unnamed:
            self.following.name_unprotected()
        self._schedule()

    # channels

    def _look(self, _: bool) -> None:
        self._channels.look()

    def _channels_changed(self, lost: str | None) -> None:
        if lost is not None:
            self.comparer.heed_secondary()  # a marker that was awaited went with the channel
            self.own.losses += self.following.state == "synced"
        self.following.channels_changed(lost)
        self._schedule()

    # time

    def _schedule(self) -> None:
        deadline = self.comparer.next_deadline
        if self._to_release and (deadline is None or self._to_release[0][0] < deadline):
            deadline = self._to_release[0][0]
        if deadline is None:
            return
        if self._timer is not None and self._timer.active():
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._reactor.callLater(max(0.0, deadline - self._monotonic()), self._time_out)

    def _time_out(self) -> None:
        now = self._monotonic()
        self._send(self.comparer.expire(now))
        while self._to_release and self._to_release[0][0] <= now:
            self._release(heappop(self._to_release)[1], now)
        self._heed(now)

    # divergences

    def _tell_divergences(self, now: float) -> None:
        divergences = list(self.comparer.divergences)
        self.comparer.divergences.clear()
        for divergence in divergences:
            self.divergences.tell(divergence)
            if divergence.kind in OVERDUE:
                self._channels.secondary_missed(now)
            self._deal_with(divergence, now)

    def _deal_with(self, divergence: Divergence, now: float) -> None:
        """What on_divergence says."""
        policy = self._properties.on_divergence
        self._held[divergence.key] = divergence
        if policy == "release":
            self._release(divergence.key, now)
        elif policy == "isolate":
            self.own.isolations += 1
            self.following.isolate(describe(divergence))
        elif self._checkpoints is not None and self._checkpoints.available:
            self._checkpoints.request(describe(divergence))
        else:  # held for compare_timeout in all
            waited = self._timeout if divergence.kind in OVERDUE else 0.0
            heappush(self._to_release, (now + self._timeout - waited, divergence.key))

    def _release(self, key: bytes, now: float) -> None:
        if self._held.pop(key, None) is not None:
            self.own.released_flows += 1
            self.comparer.flows.release(key, now)
            self._pour()

    # checkpoints

    def _ask_checkpoint(self) -> bool:
        if self._checkpoints is None or not self._checkpoints.available:
            return False
        self._checkpoints.request("the secondary is back")
        return True

    def _flush(self, mark: int) -> None:
        now = self._monotonic()
        self._held.clear()
        self.following.follow_from_checkpoint()
        self._send(self.comparer.flush(mark, now))
        self._heed(now)

    def _no_checkpoint(self, reason: str, invalid: bool) -> None:
        """As if there were no checkpointer; another one is asked for, if nothing can be protected without."""
        now = self._monotonic()
        if invalid:
            self.following.secondary_invalid(reason)
        for key in list(self._held):
            self._release(key, now)
        self.following.follow()
        self._heed(now)
        if self.following.invalid and (self._retry is None or not self._retry.active()):
            self._retry = self._reactor.callLater(self._properties.checkpoint_timeout / 1000, self._ask_again)

    def _ask_again(self) -> None:
        if self.following.invalid and self._checkpoints is not None:
            self._checkpoints.request("the secondary is invalid until one is made")

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
