"""
The comparison against an oracle: what each guest has said by then, byte by byte and ack by ack.

Two scripts of one connection, cut, repeated, reordered and merged in different ways, come in any interleaving.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from tests.support.comparison import Bench, finished
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6
from tests.support.segments import ACK, FIN, MODULUS, PSH, RST, SYN, Segment
from tests.support.tcp import signed

isns = st.one_of(st.integers(0, MODULUS - 1), st.integers(MODULUS - 4000, MODULUS - 1), st.just(MODULUS // 2 - 100))

services = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1_000_000),
        "isns": st.tuples(isns, isns, isns),
        "size": st.sampled_from((0, 1, 10, 300, 3000)),
        "uploaded": st.sampled_from((0, 1, 500, 100_000)),
        "largest": st.sampled_from((1, 40, 1460, 60_000)),
        "scale": st.sampled_from((None, 0, 3, 7, 14)),
        "opening": st.sampled_from(("client", "guest", "none")),
        "ending": st.sampled_from(("fin", "rst", "none")),
        "trouble": st.sampled_from((0.0, 0.1, 0.4)),
        "timestamps": st.booleans(),
    }
)
forms = st.fixed_dictionaries(
    {
        "version": st.sampled_from((4, 6)),
        "tags": st.sampled_from(((), (5,), (7, 5))),
        "vnet": st.sampled_from((None, b"", bytes(10), bytes(12), b"\1" + bytes(9))),
    }
)


@dataclass
class Said:
    """What the oracle knows of one guest."""

    bytes: dict[int, int] = field(default_factory=dict)  # by sequence number
    ack: int | None = None  # the highest, as a place in the client's stream
    edge: int = 0  # the highest right edge of its windows
    fin_at: int | None = None
    syn: bool = False
    reset: bool = False


class Connection:
    """
    Scripts for both guests, and what has become of them.

    Acks are whole numbers (places in the client's stream) that never wrap, until they are put into a segment.
    """

    def __init__(self, service: dict[str, Any], port: int, spoil: int | None = None) -> None:
        self.random = Random(service["seed"] + port)
        self.service = service
        self.port = port
        self.isn, self.other_isn, self.client_isn = service["isns"]
        self.stream = self.random.randbytes(service["size"])
        other = bytearray(self.stream)
        if spoil is not None:
            other[spoil] ^= 0x55
        self.scale = service["scale"]
        self.shift = 14 if service["opening"] == "none" else self.scale or 0
        self.final_window = self.random.randint(1, 0xFFFF)
        self.primary = self._script(self.isn, self.stream, True)
        self.secondary = self._script(self.other_isn, bytes(other), False)
        self.said = (Said(), Said())
        self.unmatched: deque[Segment] = deque()  # the primary's segments that are no pure acks, not yet out
        self.pure: set[Segment] = set()
        self.left: set[int] = set()  # sequence numbers of bytes
        self.released_ack: int | None = None
        self.released_edge: int | None = None
        self.opened = service["opening"] == "none"
        self.sent_end = int(self.opened)
        self.newest = 0  # TSval that was let out

    # scripts

    def _script(self, isn: int, stream: bytes, is_primary: bool) -> deque[Segment]:
        random, service = self.random, self.service
        segments: list[Segment] = []
        opening, ending = service["opening"], service["ending"]
        if opening != "none":
            flags = SYN | ACK if opening == "client" else SYN
            syn = Segment(
                isn,
                (self.client_isn + 1) % MODULUS if flags & ACK else 0,
                flags,
                64240,
                mss=1460,
                scale=self.scale,
                sack_permitted=True,
                timestamps=self._stamp(is_primary),
            )
            segments += [syn] * (1 + (random.random() < service["trouble"]))
        pieces = self._cut(stream)
        if ending == "fin":
            pieces = self._with_fin(pieces)
        pieces = self._disturb(pieces)
        if service["uploaded"]:
            for _ in range(random.randint(0, 5)):
                pieces.insert(random.randint(0, len(pieces)), (len(stream), b"", 0))
        if opening == "none" and is_primary:
            pieces.insert(0, (0, b"", 0))  # tells where the stream begins
        ack = 1 if opening != "none" else 0
        told = ack + 64240 if opening == "client" else 0  # no guest takes back what its window has offered
        for place, payload, flags in pieces:
            ack = random.randint(ack, 1 + service["uploaded"])
            told = max(told, ack + random.randint(0, 200_000))
            segments.append(self._segment(place, payload, flags, ack, told, is_primary))
        last = len(stream) + (1 if ending == "fin" else 0)
        window = self.final_window
        edge = max(told, 1 + service["uploaded"] + (window << self.shift))
        segments.append(self._segment(last, b"", 0, 1 + service["uploaded"], edge, is_primary))
        if ending == "rst":
            segments.append(self._segment(len(stream), b"", RST, 1 + service["uploaded"], edge, is_primary))
        return deque(segments)

    def _cut(self, stream: bytes) -> list[tuple[int, bytes, int]]:
        pieces, at = [], 0
        while at < len(stream):
            size = self.random.randint(max(1, self.service["largest"] // 4), self.service["largest"])
            pieces.append((at, stream[at : at + size], 0))
            at += size
        return pieces

    def _with_fin(self, pieces: list[tuple[int, bytes, int]]) -> list[tuple[int, bytes, int]]:
        if pieces and self.random.random() < 0.5:
            place, payload, _ = pieces[-1]
            return [*pieces[:-1], (place, payload, FIN)]
        return [*pieces, (len(self.stream), b"", FIN)]

    def _disturb(self, pieces: list[tuple[int, bytes, int]]) -> list[tuple[int, bytes, int]]:
        """Lose some and send them again later, in other cuts; repeat some, and change the order."""
        trouble, random = self.service["trouble"], self.random
        stream = b"".join(payload for _, payload, _ in pieces)
        on_time: list[tuple[int, bytes, int]] = []
        late: list[tuple[int, bytes, int]] = []
        for piece in pieces:
            (late if random.random() < trouble else on_time).append(piece)
            if random.random() < trouble / 2:
                on_time.insert(random.randint(0, len(on_time)), piece)
        for place, payload, flags in late:
            half = random.randint(0, len(payload))
            if half and random.random() < 0.5:
                on_time += [(place, payload[:half], 0), (place + half, payload[half:], flags)]
            else:
                before = random.randint(0, min(place, 50))  # overlaps what was sent before
                on_time.append((place - before, stream[place - before : place] + payload, flags))
        return [piece for piece in on_time if piece[1] or piece[2]]

    def _segment(self, place: int, payload: bytes, flags: int, ack: int, edge: int, is_primary: bool) -> Segment:
        field = min(max(0, edge - ack) >> self.shift, 0xFFFF)
        return Segment(
            (self.isn + 1 + place) % MODULUS,
            (self.client_isn + ack) % MODULUS,
            flags | ACK | (PSH if self.random.random() < 0.3 else 0),
            field,
            payload,
            timestamps=self._stamp(is_primary),
        )

    def _stamp(self, is_primary: bool) -> tuple[int, int] | None:
        if not self.service["timestamps"]:
            return None
        return (self.random.randint(0, 1000) if is_primary else 4_000_000_000, self.random.randint(0, 100))

    # who may speak, and what was said

    def may_speak(self, side: int) -> bool:
        script = (self.primary, self.secondary)[side]
        # after its SYN, a guest speaks when the client has seen the primary's
        return bool(script) and (bool(script[0].flags & SYN) or self.opened)

    def speak(self, side: int) -> Segment:
        segment = (self.primary, self.secondary)[side].popleft()
        self._note(self.said[side], segment)
        if side == 0 and (segment.payload or segment.flags & (SYN | FIN | RST)):
            self.unmatched.append(segment)
        elif side == 0:
            self.pure.add(segment)
        return segment

    def _place(self, ack: int) -> int:
        return signed(ack - self.client_isn)

    def _note(self, said: Said, segment: Segment) -> None:
        said.syn |= bool(segment.flags & SYN)
        said.reset |= bool(segment.flags & RST)
        for offset, value in enumerate(segment.payload):
            said.bytes[(segment.seq + offset) % MODULUS] = value
        if segment.flags & FIN:
            said.fin_at = (segment.seq + len(segment.payload)) % MODULUS
        if segment.flags & ACK:
            ack = self._place(segment.ack)
            said.ack = ack if said.ack is None else max(ack, said.ack)
            said.edge = max(said.edge, ack + (segment.window << (0 if segment.flags & SYN else self.shift)))

    # what goes out

    def check_released(self, segment: Segment, commits: bool) -> None:
        secondary, original = self.said[1], None
        if segment.payload or segment.flags & (SYN | FIN | RST):
            original = self._original(segment)
            assert (segment.seq, segment.flags, segment.payload) == (original.seq, original.flags, original.payload)
            stamps = original.timestamps
            overtaken = (max(stamps[0], self.newest), stamps[1]) if stamps and commits else stamps
            assert (segment.mss, segment.timestamps in (stamps, overtaken)) == (original.mss, True)
        for offset, value in enumerate(segment.payload):
            assert secondary.bytes.get((segment.seq + offset) % MODULUS) == value
        if segment.flags & SYN:
            assert secondary.syn
            self.opened = True
        if segment.flags & FIN:
            assert secondary.fin_at == (segment.seq + len(segment.payload)) % MODULUS
        if segment.flags & RST:
            assert secondary.reset
        if not commits:
            assert segment == original or segment in self.pure
        elif segment.flags & ACK and not segment.flags & RST:
            self._check_ack(segment, original)
        if original is not None:
            self.sent_end = max(self.sent_end, signed(segment.end - self.isn))
        self.newest = max(self.newest, (segment.timestamps or (0,))[0])

    def _original(self, segment: Segment) -> Segment:
        """The primary's segment that this is, or the beginning of it that this is."""
        size = len(segment.payload)
        if segment.seq in self.left:
            self._bring_forward(segment)  # sent again: it need not wait for the others
        self.left |= {(segment.seq + offset) % MODULUS for offset in range(size)}
        original = self.unmatched.popleft()
        if size < len(original.payload) and not original.flags & (SYN | RST):
            rest = original.but(seq=(original.seq + size) % MODULUS, payload=original.payload[size:])
            self.unmatched.appendleft(rest)
            original = original.but(payload=original.payload[:size], flags=original.flags & ~(FIN | PSH))
        return original

    def _bring_forward(self, segment: Segment) -> None:
        for index, one in enumerate(self.unmatched):
            if one.seq == segment.seq and segment.payload and one.payload.startswith(segment.payload):
                del self.unmatched[index]
                self.unmatched.appendleft(one)
                return

    def _check_ack(self, segment: Segment, original: Segment | None) -> None:
        primary, secondary = self.said
        ack = self._place(segment.ack)
        shift = 0 if segment.flags & SYN else self.shift
        edge = ack + (segment.window << shift)
        assert None not in (primary.ack, secondary.ack)
        assert ack <= secondary.ack
        assert edge <= min(primary.edge, secondary.edge)
        if self.released_ack is not None and self.released_edge is not None and ack < self.released_ack:
            assert ack == self._place(original.ack) if original else segment in self.pure
        elif original is None and not any(self._is_narrowed(segment, one) for one in self.pure):
            assert self.released_ack is None or ack > self.released_ack or edge > (self.released_edge or 0)
            assert signed(segment.seq - self.isn) == self.sent_end
            assert (segment.sack, segment.timestamps is None) == ((), not self.service["timestamps"])
        self.released_ack = ack if self.released_ack is None else max(ack, self.released_ack)
        self.released_edge = edge if self.released_edge is None else max(edge, self.released_edge)

    @staticmethod
    def _is_narrowed(segment: Segment, original: Segment) -> bool:
        """Whether this is a pure ACK of the primary's with a smaller window: a duplicate that goes at once."""
        return segment.window <= original.window and segment == original.but(window=segment.window)

    def check_end(self, commits: bool) -> None:
        assert not self.unmatched
        if commits and self.service["ending"] != "rst":
            primary, secondary = self.said
            assert self.released_ack == primary.ack == secondary.ack
            assert self.released_edge is not None
            short = min(primary.edge, secondary.edge) - self.released_edge
            furthest = (primary.ack or 0) + (0xFFFF << self.shift)
            assert 0 <= short < 1 << self.shift or self.released_edge == furthest


def run(connections: list[Connection], bench: Bench, random: Random) -> None:
    """All scripts to their ends, in a random interleaving and random batches."""
    commits = bench.comparer.flows.ack_commit
    while True:
        sides = [(one, side) for one in connections for side in (0, 1) if one.may_speak(side)]
        if not sides:
            break
        _, side = random.choice(sides)
        packets = []
        for _ in range(random.choice((1, 1, 2, 5))):
            able = [one for one in connections if one.may_speak(side)]
            if not able:
                break
            one = random.choice(able)
            packets.append(bench.packet(one.speak(side), one.port))
        seen = len(bench.frames)
        (bench.primary if side == 0 else bench.secondary)(*packets)
        for frame in bench.frames[seen:]:
            packet = finished(frame.packet) if bench.partial and frame.header else frame.packet
            segment = Segment.of(packet)
            assert segment is not None
            port = Ether(packet)[TCP].dport
            (one,) = (one for one in connections if one.port == port)
            one.check_released(segment, commits)
        if bench.comparer.divergences:
            return


def bench_of(form: dict[str, Any], ack_commit: bool = True) -> Bench:
    guest, client = (GUEST, CLIENT) if form["version"] == 4 else (GUEST6, CLIENT6)
    return Bench(ack_commit, vnet=form["vnet"], guest=guest, client=client, tags=form["tags"])


def assert_settled(connections: list[Connection], bench: Bench) -> None:
    assert bench.divergences == []
    for one in connections:
        assert not one.primary
        assert not one.secondary
        one.check_end(bench.comparer.flows.ack_commit)
    bench.assert_empty()


@given(services, forms, st.integers(1, 3), st.integers(0, 10_000))
def test_equal_streams_leave_whole_and_only_when_both_have_said_so(
    service: dict[str, Any], form: dict[str, Any], count: int, seed: int
) -> None:
    bench = bench_of(form)
    connections = [Connection(service, 40_000 + index) for index in range(count)]
    run(connections, bench, Random(seed))
    assert_settled(connections, bench)
    if service["ending"] != "none":
        bench.wait(60)
        assert bench.divergences == []


@given(services, forms, st.integers(0, 10_000))
def test_without_commit_nothing_is_altered_or_made(service: dict[str, Any], form: dict[str, Any], seed: int) -> None:
    bench = bench_of(form, ack_commit=False)
    connections = [Connection(service, 40_000)]
    run(connections, bench, Random(seed))
    assert_settled(connections, bench)
    assert bench.tally["made_acks"] == 0


@given(services, forms, st.integers(0, 10_000), st.booleans(), st.randoms(use_true_random=False))
def test_another_byte_never_leaves_and_is_told(
    service: dict[str, Any], form: dict[str, Any], seed: int, commits: bool, random: Random
) -> None:
    service = {**service, "size": max(1, service["size"])}
    spoilt = random.randrange(service["size"])
    bench = bench_of(form, commits)
    one = Connection(service, 40_000, spoilt)
    run([one], bench, Random(seed))
    (divergence,) = bench.divergences
    assert divergence.kind == "payload"
    assert signed(divergence.seq + divergence.offset - one.isn - 1) == spoilt
    mine, theirs = (Ether(packet or b"")[TCP] for packet in (divergence.packet, divergence.other))
    at = divergence.offset
    assert bytes(mine.payload)[at] == one.stream[spoilt]
    assert bytes(theirs.payload)[signed(divergence.seq + at - theirs.seq)] == one.stream[spoilt] ^ 0x55
    assert bench.flow.secondary_head is None
    assert bench.tally["held_bytes"] == bench.flow.held_bytes
    assert bench.tally["held_packets"] == bench.flow.primary_count + bench.flow.secondary_count


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("tags", [(), (5,), (7, 5)])
@pytest.mark.parametrize("timestamps", [None, (5, 6)])
def test_scapy_finds_what_is_made_and_altered_right(version: int, tags: tuple[int, ...], timestamps: Any) -> None:
    guest, client = (GUEST, CLIENT) if version == 4 else (GUEST6, CLIENT6)
    bench = Bench(guest=guest, client=client, tags=tags)
    syn = Segment(10, 20, SYN | ACK, 1000, mss=1460, scale=7, timestamps=timestamps)
    bench.both(syn)
    bench.primary(Segment(11, 900, payload=b"odd", window=700, timestamps=timestamps, sack=((850, 860), (950, 960))))
    bench.secondary(Segment(11, 300, payload=b"odd", window=701, timestamps=timestamps))
    bench.secondary(Segment(14, 950, window=700, timestamps=timestamps))
    assert len(bench.frames) == 3
    assert bench.tally["made_acks"] == 1
    for frame in bench.frames:
        rebuilt = Ether(frame.packet)
        for layer in (rebuilt[TCP], rebuilt.getlayer("IP")):
            if layer is not None:
                layer.chksum = None
                if layer.name == "IP":
                    layer.len = None
        assert bytes(Ether(bytes(rebuilt))) == frame.packet
