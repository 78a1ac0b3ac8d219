"""COLO mode in QEMU's meaning: which side of a pair this process is, and how that ends by an operator's word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from colo_twisted.events import ColoExit, Event, Failover, ReplicaState, Shutdown
from colo_twisted.failover.announce import Announcements, Announcing
from colo_twisted.failover.state import StateError
from colo_twisted.interfaces import ICheckpointed, IColoPeer, IComparer, IHypervisor, IMachine
from colo_twisted.netfilter.drop import FilterDrop
from colo_twisted.netfilter.mirror import FilterMirror
from colo_twisted.netfilter.redirector import FilterRedirector
from colo_twisted.options.errors import OptionError
from colo_twisted.reporting import Reporter

PRIMARY, SECONDARY, NONE = "primary", "secondary", "none"
REQUEST, ERROR = "request", "error"
BY_REQUEST = "an operator says that the primary is lost"
ALONE_BY_REQUEST = "an operator says that the secondary is lost"

# What keeps a secondary's guest and the network apart. QEMU turns every filter off; here one that only looks
# (filter-dump) goes on, for what follows a take-over is what one would like to have recorded, and so does one that an
# operator has put there for a purpose of their own (filter-buffer, another package's): a firewall must not open.
BARRIERS = (FilterRedirector, FilterDrop, FilterMirror)


_ENDED = {
    NONE: "",
    PRIMARY: " (this side goes on alone already)",
    SECONDARY: " (this side has taken over already)",
}


class FailoverRefused(OptionError):
    """It can't be done now; the text is one line that says why, and what to do."""


@dataclass(frozen=True)
class Status:
    """
    The replica's state, as the object ``id`` sees it, and its reason in words; ``id`` is '' where none does.

    ``seconds``: how long it has been so.
    """

    state: str
    reason: str
    seconds: float
    id: str


class ColoMode:
    """
    Entered when the parts of a side are there: a comparer or a primary's colo-peer, a rewriter or a secondary's.

    It stays until ``lose_heartbeat``, even if the parts are removed before: QEMU's procedure for a primary does so.

    @ivar mode: 'primary', 'secondary' or 'none'.
    @ivar last_mode: the same, and after the end what it was.
    @ivar reason: why it has ended: 'request'; 'none' while it hasn't. (QEMU knows 'error' and 'processing' too.)
    """

    def __init__(self, machine: IMachine) -> None:
        self.mode = NONE
        self.last_mode = NONE
        self.reason = NONE
        self.announcements = Announcements(machine)
        self._machine = machine
        self._report = Reporter("colo")
        self._past: list[Any] = []  # parts that don't count: they belong to a mode that has ended
        self._taken_over_at: float | None = None
        self._why_taken_over = ""
        self._going_on = False  # an operator's word is being carried out
        self._done_with: list[Any] = []  # what a take-over leaves without a task
        machine.object_watchers.append(self.look)
        machine.events.subscribe(self._heard)
        self.look()

    # entering

    def look(self) -> None:
        """Look whether parts have come that make this process a side of a pair."""
        there = list(self._machine.objects.values())
        for peer in self._peers:
            peer.decided = self._decided
        self._past = [part for part in self._past if part in there]
        primary, secondary = ([part for part in parts if part not in self._past] for parts in self._parts())
        if primary and (self.mode == NONE or (self.mode == SECONDARY and not secondary)):
            self._past += secondary  # a survivor's rewriter, say
            self._enter(PRIMARY)
        elif secondary and (self.mode == NONE or (self.mode == PRIMARY and not primary)):
            self._enter(SECONDARY)

    def _parts(self) -> tuple[list[Any], list[Any]]:
        """A primary's, and a secondary's."""
        peers = self._peers
        return (
            self._machine.providers(IComparer) + [peer for peer in peers if peer.role == PRIMARY],
            self._machine.providers(ICheckpointed) + self._secondary_peers(),
        )

    def _secondary_peers(self) -> list[Any]:
        return [peer for peer in self._peers if peer.role == SECONDARY]

    @property
    def _peers(self) -> list[Any]:
        return self._machine.providers(IColoPeer)

    def _enter(self, mode: str) -> None:
        self.mode = self.last_mode = mode
        self.reason = NONE
        self._taken_over_at = None
        if mode == SECONDARY:
            self._done_with = []

    def _heard(self, event: Event) -> None:
        """A comparer that ran alone has a secondary again; or a side that had gone on must not speak; or all ends."""
        if isinstance(event, Shutdown):
            self.announcements.stop()
        if self.mode == NONE and isinstance(event, ReplicaState) and event.state in ("synced", "shut"):
            for parts in self._parts():
                if event.id in [part.id for part in parts]:
                    self._past = [part for part in self._past if part not in parts]
            done_with = self._done_with
            self.look()
            self._done_with = done_with  # it stays without a task

    # leaving

    def lose_heartbeat(self) -> None:
        """
        The other side is gone, an operator says: QEMU's x-colo-lost-heartbeat.

        Raises FailoverRefused.
        """
        if self.mode == NONE:
            raise FailoverRefused(f"The feature 'colo' is not enabled{_ENDED[self.last_mode]}")
        if self.mode == SECONDARY:
            self._take_over()
        else:
            self._go_on(ALONE_BY_REQUEST, [peer for peer in self._peers if peer.role == PRIMARY])
            self._tell_hypervisors()
            for comparer in self._machine.providers(IComparer):
                comparer.run_alone(ALONE_BY_REQUEST)
        self._end(REQUEST)

    def _end(self, reason: str) -> None:
        """This side has gone on without the other."""
        primary, secondary = self._parts()
        self._past += primary if self.mode == PRIMARY else secondary
        ended, self.mode = self.mode, NONE
        self.reason = reason
        self._machine.events.emit(Failover(ended, reason))
        self._machine.events.emit(ColoExit(ended, reason))
        self.look()

    def _decided(self, reason: str) -> None:
        """A colo-peer has gone on by itself: its secondary takes over; a primary's comparer goes on as it is."""
        if self._going_on:
            return
        if self.mode != SECONDARY:
            self._tell_hypervisors()
            return
        self._speak(reason)
        self._end(ERROR)

    def _take_over(self) -> None:
        """Ask, then speak."""
        for peer in self._secondary_peers():
            if peer.why_not is not None:
                raise FailoverRefused(
                    f"colo-peer '{peer.id}': no take-over now: {peer.why_not}"
                    f" (colo-ctl del object {peer.id} first takes the guest as it is)"
                )
        self._go_on(BY_REQUEST, self._secondary_peers())
        self._speak(BY_REQUEST)

    def _go_on(self, reason: str, peers: list[Any]) -> None:
        """Each keeps that it has."""
        self._going_on = True
        try:
            for peer in peers:
                peer.go_on(reason)
        except StateError as error:
            raise FailoverRefused(f"colo-peer '{peer.id}': no take-over now: {error}") from None
        finally:
            self._going_on = False

    def _speak(self, reason: str) -> None:
        """All in one turn: no frame of the guest's or the network's passes in between."""
        self._tell_hypervisors()  # first: the next checkpoint would make this guest the old primary's equal again
        self._why_taken_over = reason
        self._taken_over_at = self._machine.monotonic()
        barriers = list(self._barriers())
        done_with = [*(self._machine.object(id) for id in reversed(barriers)), *self._secondary_peers()]
        self._done_with = [*done_with, *(part for part in self._done_with if part not in done_with)]
        for id in barriers:
            self._machine.change(id, "status", False)  # what the mirror has brought by now still passes
        for part in self._machine.providers(ICheckpointed):
            part.fail_over()  # and has been rewritten as before: the primary may have answered it
        self._report.warn(f"taken over: {reason}; the guest speaks to the network")
        if all(peer.announces for peer in self._secondary_peers()):
            self.announcements.announce(Announcing())

    def _tell_hypervisors(self) -> None:
        for made in self._machine.providers(IHypervisor):
            made.go_on()

    @property
    def left_over(self) -> list[Any]:
        """What a take-over has left without a task and that is still there: filters that it turned off, colo-peers."""
        there = list(self._machine.objects.values())
        return [part for part in self._done_with if part in there and not getattr(part, "status", False)]

    def _barriers(self) -> Iterator[str]:
        for id, made in self._machine.objects.items():
            if isinstance(made, BARRIERS) and made.status:
                yield id

    # how the replica stands

    def replica(self) -> Status:
        """As the comparer sees it, or the secondary's colo-peer; of several, the first that isn't synced."""
        views = self._views()
        if views:
            return next((view for view in views if view.state != "synced"), views[0])
        if self._taken_over_at is not None and self.mode == NONE:
            return Status("taken-over", self._why_taken_over, self._machine.monotonic() - self._taken_over_at, "")
        if self.mode == SECONDARY:
            return Status("none", "there is no colo-peer: only the primary knows", 0.0, "")
        return Status("none", "", 0.0, "")

    def _views(self) -> list[Status]:
        now = self._machine.monotonic()
        comparers = self._machine.providers(IComparer)
        if comparers:
            return [Status(made.state, made.reason, now - made.since, made.id) for made in comparers]
        return [
            Status(peer.standing.state, peer.standing.reason, now - peer.standing.since, peer.id)
            for peer in self._secondary_peers()
        ]
