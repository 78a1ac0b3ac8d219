# cython: annotation_typing=False
"""The flows that a comparer knows, and which of them the secondary follows (SEMANTICS, 'Protection')."""

from __future__ import annotations

from operator import attrgetter

from colo_twisted.packets import sequence
from colo_twisted.packets.comparing import casts
from colo_twisted.packets.comparing.commit import CommittedFlow
from colo_twisted.packets.comparing.datagrams import DatagramFlow
from colo_twisted.packets.comparing.flows import Flow
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.passthrough import Rule, Rules
from colo_twisted.packets.comparing.protection import DIVERGED, FOLLOWED, NAMING, PASSED, UNPROTECTED
from colo_twisted.packets.comparing.streams import StreamFlow
from colo_twisted.packets.comparing.tally import Tally
from colo_twisted.packets.connections import Connections
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.keys import take_apart
from colo_twisted.packets.kinds import TCP
from colo_twisted.packets.tcp import RST, SYN

# what becomes of flows
FOLLOWING = 0  # new ones are compared
HOLDING = 1  # all are held: the secondary can't follow, and has not answered yet that it knows
OPEN = 2  # all pass: there is no secondary that would take over


class FlowTable:
    """
    Flows by key.

    ``names``: somebody tells the secondary which connections are unprotected, and calls ``let_go`` when it has
    answered; those that wait for it are in ``unnamed``, which the caller empties. Without ``names`` such a one is
    let go at once, and one that is met in mid-stream is compared as any other.
    """

    __slots__ = ("_connections", "_headers", "_outlet", "_tally", "ack_commit", "gate", "names", "rules", "unnamed")

    def __init__(
        self, most: int, ack_commit: bool, names: bool, headers: Headers, outlet: Outlet, tally: Tally
    ) -> None:
        self.ack_commit = ack_commit
        self.names = names
        self.gate = FOLLOWING
        self.rules = Rules()
        self.unnamed: list[Flow] = []
        self._connections = Connections(most)
        self._headers = headers  # of the packet in hand
        self._outlet = outlet
        self._tally = tally

    def get(self, key: bytes) -> Flow | None:
        return self._connections.get(key)  # type: ignore[return-value]

    def find(self, data: bytes) -> Flow | None:
        """The flow of the packet in hand."""
        at = self._headers.key_at()
        if at < 0:
            return self.get(self._headers.connection_key(data))
        found: Flow | None = casts.flow(self._connections.find(data, at, self._headers.key_end()))
        return found

    def __len__(self) -> int:
        return len(self._connections)

    def all(self) -> list[Flow]:
        return self._connections.all()  # type: ignore[return-value]

    def some(self, start: int, most: int) -> list[Flow]:
        """At most so many, from that place on in the order in which they began."""
        return self._connections.some(start, most)  # type: ignore[return-value]

    def rest(self, flow: Flow) -> None:
        """It may be no longer engaged."""
        self._connections.rest(flow)
        if flow.ended:
            self._connections.hasten(flow)

    def expire(self, now: float) -> None:
        """Forget those that have been idle for their lifetime."""
        self._connections.expire(now)
        self._tally.connections = len(self._connections)

    @property
    def next_deadline(self) -> float | None:
        return self._connections.next_deadline

    @property
    def unprotected(self) -> int:
        """How many flows are open that the secondary doesn't follow, those aside that a rule lets pass."""
        return self._count_unprotected()

    def _count_unprotected(self) -> int:
        """Apart from the property, whose loop could not be compiled to C's types, and takes half as long again."""
        count = 0
        for flow in self.all():
            if not flow.ended and (flow.protection == UNPROTECTED or flow.protection == NAMING):
                count += 1
        return count

    # flows begin

    def begin(self, held: Held, now: float, by_primary: bool) -> Flow | None:
        """A new flow for the packet in hand; None if there is no room for it."""
        key = self._headers.connection_key(held.data)
        kind = self._headers.kind
        flow: Flow
        if kind != TCP:
            flow = DatagramFlow(key, now)
        elif self.ack_commit:
            flow = CommittedFlow(key, now)
        else:
            flow = StreamFlow(key, now)
        flow.kind = kind
        flow.tally = self._tally
        if not self._connections.add(flow):
            self._tally.dropped_table_full += 1
            return None
        self._tally.connections = len(self._connections)
        self._protect(flow, held, now, by_primary)
        return flow

    def _protect(self, flow: Flow, held: Held, now: float, by_primary: bool) -> None:
        """Say whether a new flow is followed."""
        rule = self.rules.match(held.data, self._headers) if len(self.rules) else None
        if rule is not None:
            flow.rule = rule
            self._unprotect(flow, now)
        elif self.gate == OPEN:
            flow.protection = UNPROTECTED
        elif self.names and flow.kind == TCP and by_primary and not held.flags & (SYN | RST):
            self._unprotect(flow, now)  # opened before the secondary came

    def _unprotect(self, flow: Flow, now: float) -> None:
        """The flow isn't compared any more; a connection's packets go when the secondary knows, others' at once."""
        if self.names and flow.kind == TCP and self.gate != OPEN:
            flow.protection = NAMING
            self.unnamed.append(flow)
        else:
            self.pass_on(flow, now)

    def is_reused(self, flow: Flow, held: Held) -> bool:
        """Whether this SYN of the primary's opens another connection than the one that is known."""
        known: StreamFlow = flow  # type: ignore[assignment]
        if known.placed:
            return not known.primary_syn or sequence.add(held.seq, -1) != known.primary_isn
        head = known.primary_head  # of one that waits to be named
        return head is not None and (not head.flags & SYN or head.seq != held.seq)

    def begin_again(self, old: Flow, held: Held, now: float) -> Flow | None:
        """The guest has begun a new connection between the same ports; what it had sent in the old one is void."""
        known: StreamFlow = old  # type: ignore[assignment]
        self._tally.dropped_reused += known.primary_count
        self._connections.remove(known)
        flow = self.begin(held, now, True)
        if flow is not None and known.next_syn is not None:  # the secondary was first
            flow.receive_secondary(known.next_syn, self._outlet, known.next_syn.since)
        known.empty()
        return flow

    def meet(self, flow: Flow, held: Held) -> None:
        """A packet of the primary's: of a connection that was opened before the secondary came, if it is the first."""
        known: StreamFlow = flow  # type: ignore[assignment]
        if not known.placed and known.protection == FOLLOWED and not held.flags & (SYN | RST):
            self._unprotect(known, held.since)
            known.forget_secondary()

    # flows are let go

    def release(self, key: bytes, now: float) -> None:
        """A diverged flow goes on uncompared, when the secondary knows."""
        flow = self.get(key)
        if flow is not None and flow.protection == DIVERGED:
            self._unprotect(flow, now)

    def let_go(self, flow: Flow, now: float) -> None:
        """The secondary knows that this flow is unprotected."""
        if flow.protection == NAMING and self.get(flow.key) is flow:
            self.pass_on(flow, now)

    def _abandon(self, flow: Flow, now: float) -> None:
        flow.abandon(self._outlet, now)
        self.rest(flow)

    def hold(self) -> None:
        """The secondary can't follow: everything waits until ``open``."""
        if self.gate == FOLLOWING:
            self.gate = HOLDING

    def open(self, now: float) -> None:
        """All that is known becomes unprotected, what is held goes in the order of its coming, and all else passes."""
        self.gate = OPEN
        self.unnamed.clear()
        flows: list[Flow] = []
        going: list[Held] = []
        for flow in self.all():
            if flow.protection != PASSED:
                flows.append(flow)
                self._take_held(flow, going)
        going.sort(key=attrgetter("order"))
        for held in going:
            self._outlet.holds.record(now - held.since)
            self._outlet.add_held(held)
        for flow in flows:
            self.pass_on(flow, now)

    def _take_held(self, flow: Flow, going: list[Held]) -> None:
        while flow.primary_head is not None:
            held = flow.pop_primary()
            flow.pass_by(held)
            going.append(held)

    def pass_on(self, flow: Flow, now: float) -> None:
        """Let all of a flow go uncompared, now and from now on."""
        flow.protection = UNPROTECTED if flow.rule is None else PASSED
        self._abandon(flow, now)

    def follow(self, since: float) -> None:
        """
        New connections are followed from now on, and all that is not a connection.

        The secondary takes those for protected that began after ``since``: it is told which of them aren't.
        """
        self.gate = FOLLOWING
        for flow in self.all():
            if flow.kind != TCP and flow.protection == UNPROTECTED:
                flow.protection = FOLLOWED
            elif self.names and flow.protection == UNPROTECTED and flow.born >= since:
                self.unnamed.append(flow)

    # rules

    def add_rule(self, id: str, rule: Rule, now: float) -> None:
        """Let the flows that a rule fits pass, those that are known too."""
        self.rules.add(id, rule)
        for flow in self.all():
            if flow.rule is None and rule.fits(take_apart(flow.key)):
                flow.rule = id
                self._unprotect(flow, now)

    def remove_rule(self, id: str) -> None:
        """Its connections stay unprotected until they close or a checkpoint is made; all else is compared again."""
        self.rules.remove(id)
        for flow in self.all():
            if flow.rule == id:
                flow.rule = None
                if flow.protection == PASSED:
                    flow.protection = UNPROTECTED if flow.kind == TCP or self.gate == OPEN else FOLLOWED
