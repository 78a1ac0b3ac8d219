"""
``filter-rewriter``: on the secondary, the guest's TCP speaks in the primary's numbers.

It also is where a checkpoint stops the secondary's guest, and where the marker goes out first afterwards.
"""

from __future__ import annotations

import enum
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from zope.interface import implementer

from colo_twisted.files import read_file, replace_file
from colo_twisted.interfaces import Direction, ICheckpointed, IColoPeer, IMachine, IRetiring
from colo_twisted.link.properties import check_folder
from colo_twisted.netfilter.base import Filter, FilterProperties
from colo_twisted.options.declare import ObjectType, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Integer, Size, Text
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.keys import key_text
from colo_twisted.packets.page import Page
from colo_twisted.packets.rewriting.followed import CLOSED, OPEN, OPENING, PROPOSED, Followed
from colo_twisted.packets.rewriting.kept import DEFAULT_MOST
from colo_twisted.packets.rewriting.resets import AT_ONCE
from colo_twisted.packets.rewriting.rewriter import Rewriter
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from colo_twisted.packets.rewriting.saving import TableError, read
from colo_twisted.packets.sequence import Offsets

MOST_TABLE = 1 << 30  # bytes: eight million connections
RESETS_A_TURN = 4096  # connections; some tens of milliseconds
_STATES = {PROPOSED: "proposed", OPENING: "opening", OPEN: "open", CLOSED: "closed"}


@dataclass(frozen=True, kw_only=True)
class RewriterProperties(FilterProperties):
    """QEMU's, ``max_connections``, ``max_backlog`` and ``max_kept``."""

    vnet_hdr_support: bool = prop(Boolean(), "taken: vnet headers stay as they are in any case", default=False)
    max_connections: int = prop(
        Integer(1, 1 << 24), "TCP connections followed at the same time", default=1 << 20, settable=True
    )
    max_backlog: int = prop(
        Size(least=1 << 17),
        "bytes kept each way during a checkpoint; frames beyond are dropped",
        default=64 << 20,
        settable=True,
    )
    max_kept: int = prop(
        Size(),
        "bytes of memory for the guest's output until its clients acknowledge it, for a take-over; 0 for none",
        default=DEFAULT_MOST,
        settable=True,
    )

    table: str | None = prop(
        Text("a path"),
        "after a take-over: keeps the connections over an orderly restart; it is used once",
        default=None,
    )

    def check_host(self) -> None:
        if self.table is not None:
            check_folder("table", self.table)

    def claims(self) -> tuple[str, ...]:
        return () if self.table is None else (f"file {os.path.abspath(self.table)}",)

    def check(self) -> None:
        if self.queue != "all":
            raise OptionError(
                f"property 'queue' takes all only: acks are rewritten on their way to the guest, by what it has sent;"
                f" got '{self.queue}'"
            )


@dataclass
class FilterRewriterCounters(RewriterCounters):
    """The rewriter's, and frames that met a checkpoint."""

    kept: int = 0  # came while a checkpoint was being made
    dropped_backlog: int = 0  # more than max_backlog of them
    dropped_superseded: int = 0  # the guest's from before the checkpoint
    dropped_invalid: int = 0  # a checkpoint failed, and nobody knows the guest's state
    dropped_stopped: int = 0  # still kept at the end of the service


class Traffic(enum.Enum):
    """What becomes of frames: they flow, wait for a checkpoint's end, or are dropped until the next."""

    FLOWS = "flows"
    WAITS = "waits"
    DROPPED = "dropped"


class Kept:
    """Batches of one direction that wait, up to a number of bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._batches: deque[Batch] = deque()
        self._size = 0

    def put(self, batch: Batch) -> bool:
        """Keep it; False if there is no room. One batch always fits."""
        if self._batches and self._size + len(batch.data) > self.most:
            return False
        self._batches.append(batch)
        self._size += len(batch.data)
        return True

    def take(self) -> deque[Batch]:
        """All of them, in order."""
        batches, self._batches, self._size = self._batches, deque(), 0
        return batches


@implementer(ICheckpointed, IRetiring)
class FilterRewriter(Filter):
    """The secondary's; ``rewriter`` knows the connections."""

    def __init__(self, properties: RewriterProperties, machine: IMachine) -> None:
        super().__init__(properties, machine)
        self.counters: FilterRewriterCounters = FilterRewriterCounters()
        self.max_connections = properties.max_connections
        self.rewriter = Rewriter(properties.max_connections, self.counters, properties.max_kept)
        self.traffic = Traffic.FLOWS
        self._has_turned = False  # while traffic waited, the guest has become the primary's equal
        self._monotonic = machine.monotonic
        self._kept = {direction: Kept(properties.max_backlog) for direction in Direction}
        self._timer: IDelayedCall | None = None
        self._resets: Iterator[tuple[Batch | None, Batch | None]] = iter(())
        self._further_resets: IDelayedCall | None = None
        self._stopped = False
        self._not_followed = 0  # that the log has been told of
        self._table = properties.table

    def receive(self, batch: Batch, direction: Direction) -> Batch | None:
        if self.traffic is not Traffic.FLOWS:
            self._keep(batch, direction)
            return None
        return self._rewritten(batch, direction)

    def _rewritten(self, batch: Batch, direction: Direction) -> Batch | None:
        now = self._monotonic()
        if direction is Direction.TX:
            batch = self.rewriter.to_guest(batch, now)
            answers = self.rewriter.take_for_client()
            if answers is not None:
                self._inject(answers, Direction.RX)
        else:
            batch = self.rewriter.from_guest(batch, now)
            owed = self.rewriter.take_for_guest()
            if owed is not None:
                self._inject(owed, Direction.TX)
        self._look_after()
        return batch if len(batch) else None

    def _inject(self, batch: Batch | None, direction: Direction) -> None:
        if self.status and batch is not None:
            self.machine.chain(self.netdev).inject(self, direction, batch)

    def _keep(self, batch: Batch, direction: Direction) -> None:
        if self.traffic is Traffic.DROPPED:
            self.counters.dropped_invalid += len(batch)
        elif self._kept[direction].put(batch):
            self.counters.kept += len(batch)
        else:
            self.counters.dropped_backlog += len(batch)

    # expiry

    def _look_after(self) -> None:
        """Count, and see to it that what is over is forgotten."""
        self.counters.connections = len(self.rewriter.following)
        self.counters.kept_bytes = self.rewriter.following.kept.held
        if self.counters.not_followed > self._not_followed:
            self._not_followed = self.counters.not_followed
            self.report.warn(
                f"connections aren't followed: max_connections={self.max_connections} are in use", kind="full"
            )
        if self._timer is None and not self._stopped:
            deadline = self.rewriter.following.next_deadline
            if deadline is not None:
                self._timer = self.reactor.callLater(max(0.0, deadline - self._monotonic()), self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.rewriter.following.expire(self._monotonic())
        self._look_after()

    def start(self) -> None:
        """Take up the connections of the process before this one, if it has left any."""
        if self._table is None or not os.path.exists(self._table):
            return
        secondary = self._secondary
        if secondary is not None:
            self.report.warn(
                f"the connections in {self._table} are not taken up: colo-peer '{secondary.id}' is a secondary's;"
                " remove that file"
            )
            return
        try:
            table = read(read_file(self._table, MOST_TABLE), self._monotonic())
            os.unlink(self._table)  # whoever comes after a crash must not take up what is long over
        except (OSError, TableError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.report.warn(f"the connections in {self._table} are not taken up: {reason}")
            return
        self.rewriter.load(table)
        self.rewriter.following.alone = True
        self._look_after()
        self.report.info(f"{len(self.rewriter.following)} connections taken up from {self._table}")

    @property
    def _secondary(self) -> IColoPeer | None:
        """A colo-peer by which this guest is a replica: each connection is to be followed from its beginning."""
        peers = self.machine.providers(IColoPeer)
        return next((peer for peer in peers if peer.role_now == "secondary"), None)

    def _leave_table(self) -> None:
        if self._table is None or not self.rewriter.following.alone:
            return
        try:
            replace_file(self._table, self.rewriter.save())
        except OSError as error:
            self.report.warn(f"the connections are not kept in {self._table}: {error.strerror}")

    def stop(self) -> None:
        if not self._stopped:
            self._leave_table()
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._further_resets is not None:
            self._further_resets.cancel()
            self._further_resets = None
        for direction in Direction:
            self.counters.dropped_stopped += self._count(self._kept[direction].take())

    def _count(self, batches: deque[Batch]) -> int:
        return sum(len(batch) for batch in batches)

    # changed, or removed, while all else runs on

    def change(self, properties: RewriterProperties) -> None:
        if not properties.status:
            self._hand_on()  # while it is still on, and takes part
        super().change(properties)
        self.max_connections = properties.max_connections
        self.rewriter.following.limit(properties.max_connections)
        for kept in self._kept.values():
            kept.most = properties.max_backlog
        self.rewriter.following.kept.limit(properties.max_kept)

    def retire(self) -> None:
        """Who comes after it knows nothing of a checkpoint: what waits for its end goes on."""
        self._hand_on()
        self._table = None  # the guest's connections go on without it, and it learns no more of them

    # checkpoints

    def begin_checkpoint(self) -> None:
        if self.traffic is not Traffic.WAITS:
            self._has_turned = False
        self.traffic = Traffic.WAITS

    def guest_turned(self) -> None:
        self._has_turned = True
        self.counters.dropped_superseded += self._count(self._kept[Direction.RX].take())

    def end_checkpoint(self, offsets: Mapping[bytes, Offsets], marker: bytes | None) -> None:
        if not self._has_turned:
            self.guest_turned()
        self.rewriter.following.checkpoint(offsets, self._monotonic())
        if marker is not None:
            self._inject(Batch.from_packets([marker]), Direction.RX)
        self._let_flow()

    def abort_checkpoint(self, unchanged: bool) -> None:
        if unchanged:
            self._let_flow()
            return
        self.traffic = Traffic.DROPPED
        self.counters.dropped_invalid += self.rewriter.following.kept.clear()
        for direction in Direction:
            self.counters.dropped_invalid += self._count(self._kept[direction].take())

    def _let_flow(self) -> None:
        self.traffic = Traffic.FLOWS
        self._has_turned = False
        self._hand_on()

    def _follow_turned(self) -> None:
        """The guest is the primary's equal, though nobody has ended the checkpoint: as far as is known."""
        if self._has_turned:
            self.rewriter.following.checkpoint({}, self._monotonic())

    def _hand_on(self) -> None:
        """The guest's own first: it was sent before it has had what the client sent since."""
        self._follow_turned()
        for direction in (Direction.RX, Direction.TX):
            for batch in self._kept[direction].take():
                self._inject(self._rewritten(batch, direction), direction)

    def offsets(self) -> Mapping[bytes, Offsets]:
        return self.rewriter.following.offsets()

    # protection and failover

    def unprotect(self, keys: Sequence[bytes] | None) -> None:
        self.rewriter.following.unprotect(keys, self._monotonic())
        self._look_after()

    def protect_new(self) -> None:
        self.rewriter.following.protect_new()

    def unprotected(self) -> list[bytes]:
        """The keys of the connections to be reset at a take-over."""
        return self.rewriter.following.unprotected()

    def fail_over(self) -> None:
        """
        As the interface says; a guest that was stopped, its state being unknown, is taken as it is.

        Unprotected connections are reset, what the guest sent beyond the clients' acks goes out, then what waited
        for a checkpoint. All that within this turn, but of the resets only so many that the rest need not wait long.
        """
        self._follow_turned()
        self.rewriter.fail_over(self._monotonic())
        self._resets = self.rewriter.resets()
        self._reset_some()
        for batch in self.rewriter.kept_output():
            self._inject(batch, Direction.RX)
        self._let_flow()
        self._look_after()

    def _reset_some(self) -> None:
        self._further_resets = None
        for _ in range(RESETS_A_TURN // AT_ONCE):
            try:
                for_guest, for_client = next(self._resets)
            except StopIteration:
                return
            self._inject(for_guest, Direction.TX)
            self._inject(for_client, Direction.RX)
        if not self._stopped:
            self._further_resets = self.reactor.callLater(0, self._reset_some)

    # what an operator sees

    def connections(self, start: int, most: int) -> Page:
        """
        The connections from the start-th on, oldest first; ``most`` of them at most.

        Offsets are what is taken from the guest's numbers, modulo 2**32, to make them the primary's.
        """
        following = self.rewriter.following
        return Page([_row(known) for known in following.some(start, most)], len(following))


def _row(known: Followed) -> dict[str, Any]:
    state = "unprotected" if known.unprotected and known.state in (OPENING, OPEN) else _STATES[known.state]
    return {
        "connection": key_text(known.key),
        "state": state,
        "sequence-offset": known.offset,
        "timestamp-offset": known.ts_offset,
    }


REWRITER = ObjectType(
    "filter-rewriter", "makes the secondary's TCP fit the primary's clients", RewriterProperties, FilterRewriter
)
