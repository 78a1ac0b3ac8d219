# cython: annotation_typing=False
"""What comes from either side: each packet to its flow, and what becomes of it there."""

from __future__ import annotations

from collections import deque

from colo_twisted.packets import fields
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.comparing.flow_table import FOLLOWING, FlowTable
from colo_twisted.packets.comparing.flows import NEVER, Flow
from colo_twisted.packets.comparing.held import Chunk, Held, needs_room, place_of, read_held
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.comparing.outlet import Outlet
from colo_twisted.packets.comparing.protection import DIVERGED, FOLLOWED, NAMING
from colo_twisted.packets.comparing.questions import Questions
from colo_twisted.packets.comparing.tally import Tally
from colo_twisted.packets.comparing.verdicts import EQUAL, MEMORY_FULL, NAMES, QUEUE_FULL
from colo_twisted.packets.fragments import Reassembler, Whole
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.kinds import CONTROL, FRAGMENT, MALFORMED, NOT_IP, TCP
from colo_twisted.packets.marker import find_marker
from colo_twisted.packets.tcp import SYN
from colo_twisted.packets.wheel import Wheel

FRAGMENT_LIFETIME = 30.0  # seconds (RFC 791 section 3.2 suggests 15, Linux has 30)
MOST_FRAGMENT_BYTES = 16 << 20
MOST_RECENT = 4 << 20  # bytes of batches that are kept whole, beyond what held packets are reckoned to cost
CHUNK_OVERHEAD = 512  # bytes that a batch costs beside its own


class Intake:
    """
    The part of a comparer that looks at packets.

    ``questions`` knows which of the secondary's questions to its neighbours may leave.
    """

    def __init__(self, limits: Limits, ack_commit: bool = True, names: bool = False) -> None:
        self.tally = Tally()
        self.outlet = Outlet()
        self.divergences: list[Divergence] = []
        self.questions = Questions()
        self._headers = Headers()
        self.flows = FlowTable(limits.max_connections, ack_commit, names, self._headers, self.outlet, self.tally)
        self._timeout = limits.compare_timeout
        self._most_queued = limits.max_queue_size
        self._most_bytes = limits.max_memory
        self._wheel = Wheel(limits.grain)
        self._primary_fragments = Reassembler(MOST_FRAGMENT_BYTES, FRAGMENT_LIFETIME)
        self._secondary_fragments = Reassembler(MOST_FRAGMENT_BYTES, FRAGMENT_LIFETIME)
        self._chunk = Chunk(0)  # what is held of the batch in hand
        self._recent: deque[Chunk] = deque()  # what is held of those before it, oldest first
        self._recent_bytes = 0
        self._parting: list[Flow] = []  # whose first held packet is equal in part
        self._order = 1  # packets that came from the primary, and one: a mark is never 0
        self._mark = 0  # the newest checkpoint's
        self._awaited: bytes | None = None  # the nonce of the marker until which the secondary is ignored
        self._forgotten = False  # whether the secondary's packets from before the checkpoint have been, as they must
        self._vnet_hdr = False

    # what came

    def receive_primary(self, batch: Batch, now: float) -> Batch | None:
        """Take in the primary's frames; those that go out now."""
        data = batch.data
        octets = data
        count = len(batch)
        self._begin(batch)
        self.tally.primary += count
        end = 0
        for _ in range(count):
            start = end
            packet = self._packet_at(octets, start)
            end = self._end_at(octets, start)
            self._receive_primary(data, start, packet, end, now)
        if self._parting:
            self._part_heads(now)
        return self.finish()

    def receive_secondary(self, batch: Batch, now: float) -> Batch | None:
        """Take in the secondary's frames; those of the primary's that go out now."""
        data = batch.data
        octets = data
        count = len(batch)
        self._begin(batch)
        self.tally.secondary += count
        end = 0
        for _ in range(count):
            start = end
            packet = self._packet_at(octets, start)
            end = self._end_at(octets, start)
            self._receive_secondary(data, start, packet, end, now)
        if self._parting:
            self._part_heads(now)
        return self.finish()

    def _begin(self, batch: Batch) -> None:
        self._vnet_hdr = batch.vnet_hdr
        self._chunk = Chunk(len(batch.data))

    def _packet_at(self, octets: bytes, start: int) -> int:
        if not self._vnet_hdr:
            return start + LENGTH_SIZE
        return start + LENGTH_SIZE + VNET_LENGTH_SIZE + fields.u32(octets, start + LENGTH_SIZE)

    def _end_at(self, octets: bytes, start: int) -> int:
        return start + LENGTH_SIZE + fields.u32(octets, start) + (VNET_LENGTH_SIZE if self._vnet_hdr else 0)

    def finish(self) -> Batch | None:
        """What was let go since the last batch; the other methods call this themselves."""
        if self._chunk.waiting:
            self._remember(self._chunk)
            self._chunk = Chunk(0)
        outlet = self.outlet
        if outlet.made:
            self.tally.made_acks += outlet.made
            outlet.made = 0
        batch: Batch | None = outlet.take(self._vnet_hdr)
        if batch is not None:
            self.tally.released += len(batch)
        return batch

    def _remember(self, chunk: Chunk) -> None:
        """
        Let what is held of a batch stand in it for a while: mostly the other side's packets are not far.

        What waits longer than MOST_RECENT bytes of further batches is copied, and the batch let go.
        """
        self.tally.held += chunk.waiting
        self._recent.append(chunk)
        self._recent_bytes += chunk.size + CHUNK_OVERHEAD
        while self._recent_bytes > MOST_RECENT:
            oldest = self._recent.popleft()
            self._recent_bytes -= oldest.size + CHUNK_OVERHEAD
            if oldest.waiting:
                oldest.part()

    def _receive_primary(self, data: bytes, start: int, packet: int, end: int, now: float) -> None:
        headers = self._headers
        kind = headers.parse(data, packet, end)
        self._order += 1
        if kind in (NOT_IP, CONTROL):
            if kind == CONTROL:
                self.questions.learn(data, headers)
            self.tally.passed += 1
            self.outlet.add(data, start, end)
            return
        parts = None
        if kind == FRAGMENT:
            whole: Whole | None = self._primary_fragments.add(data, packet, end, headers, data[start:end], now)
            if self._primary_fragments.given_up:
                self._drop_fragments(self._primary_fragments.given_up)
            if whole is None:
                return
            data, parts = whole.packet, whole.frames
            start = packet = 0
            end = len(data)
            kind = headers.parse(data, 0, end)
        if kind in (MALFORMED, FRAGMENT):
            self.tally.dropped_malformed += 1
            return
        held = read_held(headers, data, start, end, self._vnet_hdr, now)
        held.parts = parts
        flow = self._flow_of_primary(held, now)
        if flow is None:
            return
        self._compare_primary(flow, held, now)

    def _flow_of_primary(self, held: Held, now: float) -> Flow | None:
        """The packet's flow, a new one if need be; None if the packet was dropped."""
        flow = self.flows.find(held.data)
        if flow is None:
            self.questions.learn(held.data, self._headers)
            return self.flows.begin(held, now, True)
        if held.flags & SYN and flow.kind == TCP and self.flows.is_reused(flow, held):
            return self.flows.begin_again(flow, held, now)
        if self.flows.names and flow.kind == TCP:
            self.flows.meet(flow, held)
        flow.last_used = now
        return flow

    def _compare_primary(self, flow: Flow, held: Held, now: float) -> None:
        held.order = self._order
        if self._mark and flow.mark != self._mark and self._order > self._mark:
            flow.note_mark(self._mark)
        if flow.protection != FOLLOWED:
            self._hold_or_pass(flow, held)
            return
        if flow.primary_count >= self._most_queued:
            self._diverge(flow, QUEUE_FULL, now)
            self._hold_or_pass(flow, held)
            return
        if self.tally.held_bytes > self._most_bytes and flow.secondary_head is None and needs_room(held, flow.kind):
            self._drop_for_memory(flow, now)
            return
        self.tally.compared += 1
        self._settle(flow, held, flow.receive_primary(held, self.outlet, now), now)

    def _hold_or_pass(self, flow: Flow, held: Held) -> None:
        """A packet of a flow that isn't compared."""
        if flow.protection == DIVERGED or flow.protection == NAMING:
            if flow.primary_count >= self._most_queued or self.tally.held_bytes > self._most_bytes:
                self.tally.dropped_queue_full += 1
                return
            flow.hold_primary(held)
            self._chunk.take(held)
            return
        self.tally.unprotected += 1
        flow.pass_by(held)
        self.outlet.add_held(held)
        if flow.ended:
            self.flows.rest(flow)

    def _receive_secondary(self, data: bytes, start: int, packet: int, end: int, now: float) -> None:
        headers = self._headers
        kind = headers.parse(data, packet, end)
        if kind in (NOT_IP, CONTROL):
            self._receive_uncompared(data, start, packet, end)
            return
        if self._awaited is not None or self.flows.gate != FOLLOWING:
            self.tally.secondary_ignored += 1
            return
        if kind == FRAGMENT:
            whole: Whole | None = self._secondary_fragments.add(data, packet, end, headers, b"", now)
            self._secondary_fragments.given_up.clear()
            if whole is None:
                return
            data = whole.packet
            start = packet = 0
            end = len(data)
            kind = headers.parse(data, 0, end)
        if kind in (MALFORMED, FRAGMENT):
            self.tally.secondary_malformed += 1
            return
        held = read_held(headers, data, start, end, self._vnet_hdr, now)
        flow = self.flows.find(data)
        if flow is None:
            flow = self.flows.begin(held, now, False)
            if flow is None:
                return
        self._compare_secondary(flow, held, now)

    def _receive_uncompared(self, data: bytes, start: int, packet: int, end: int) -> None:
        """What each kernel sends by its own timers is the primary's alone, but for what the secondary must know."""
        if self._awaited is not None:
            if find_marker(data[packet:end]) == self._awaited:
                self._awaited = None  # from here on the secondary speaks as of the checkpoint
        elif self.flows.gate == FOLLOWING and self.questions.may_be_asked(data, self._headers):
            self.tally.secondary_questions += 1
            self.outlet.add(data, start, end)
            return
        self.tally.secondary_only += 1

    def _compare_secondary(self, flow: Flow, held: Held, now: float) -> None:
        if flow.protection != FOLLOWED:
            self.tally.secondary_ignored += 1
            return
        if flow.secondary_count >= self._most_queued:
            self._diverge(flow, QUEUE_FULL, now)
            return
        no_room = self.tally.held_bytes > self._most_bytes and flow.primary_head is None
        if no_room and (held.length or flow.kind != TCP):
            self.tally.secondary_dropped_memory += 1
            if flow.kind != TCP:
                self._diverge(flow, MEMORY_FULL, now)
            return
        flow.last_used = now
        self._settle(flow, held, flow.receive_secondary(held, self.outlet, now), now)

    # what comes of it

    def _part_heads(self, now: float) -> None:
        """What both have sent by the batch's end goes, though a packet's rest must wait."""
        for flow in self._parting:
            if flow.protection == FOLLOWED:
                flow.part_head(self.outlet, now)
        self._parting.clear()

    def _settle(self, flow: Flow, held: Held, verdict: int, now: float) -> None:
        """A flow has looked at a packet."""
        if verdict != EQUAL:
            self._diverge(flow, verdict, now)
        if held.queued:
            self._chunk.take(held)
        head = flow.primary_head
        if head is not None and head.compared:
            self._parting.append(flow)
        if flow.watched_until == NEVER or not flow.slot or flow.ended or flow.kind != TCP:
            self._attend(flow)

    def _attend(self, flow: Flow) -> None:
        """
        See to it that a time-out looks at the flow in time.

        A connection that is watched is looked at soon enough: all that comes has the same patience. Datagrams that
        differ have less.
        """
        if flow.engaged():
            self._watch(flow)
        else:
            self.flows.rest(flow)

    def _watch(self, flow: Flow) -> None:
        """See to it that the flow is looked at when something in it has waited too long."""
        deadline = flow.deadline(self._timeout)
        if deadline < flow.watched_until:
            flow.watched_until = deadline
            self._wheel.put(flow, deadline)

    def _diverge(self, flow: Flow, verdict: int, now: float) -> None:
        """Tell of it, once; from now on the flow is held."""
        if flow.protection != FOLLOWED:
            return
        held = flow.primary_head
        other = flow.differing if flow.differing is not None else flow.secondary_head
        packet = None if held is None else held.data[held.packet : held.end]
        evidence = None if other is None else other.data[other.packet : other.end]
        seq = place_of(held if held is not None else other)
        self.divergences.append(Divergence(NAMES[verdict], flow.key, seq, flow.differs_at, packet, evidence, now))
        self.tally.divergences += 1
        flow.protection = DIVERGED
        flow.differing = None
        flow.differs_at = 0
        flow.forget_secondary()

    def _drop_for_memory(self, flow: Flow, now: float) -> None:
        """There is no room for a packet of the primary's: a network may drop what is sent again."""
        self.tally.dropped_memory += 1
        if flow.kind != TCP:
            self._diverge(flow, MEMORY_FULL, now)

    def _drop_fragments(self, given_up: list[list[bytes]]) -> None:
        """Count the frames of packets that never became whole."""
        for frames in given_up:
            self.tally.dropped_fragments += len(frames)
        given_up.clear()
