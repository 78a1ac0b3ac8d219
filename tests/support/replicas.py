"""Two user-space guests that run the same service: the client talks to the primary, the secondary hears it too."""

from __future__ import annotations

from random import Random

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.rewriter import Rewriter
from tests.support.links import Network
from tests.support.segments import SYN, Address, Segment
from tests.support.tcp import Endpoint, signed

CLIENT = Address.of("52:54:00:00:00:01", "10.0.0.1", 40000)
GUEST = Address.of("52:54:00:00:00:02", "10.0.0.2", 80)
CLIENT6 = Address.of("52:54:00:00:00:01", "fd00::1", 40000)
GUEST6 = Address.of("52:54:00:00:00:02", "fd00::2", 80)
MOST_RECORDED = 30
MIRROR_DELAY = 0.0005  # seconds; less than the client's way, as a comparer would see to


class Replicas:
    """
    A primary, a secondary behind a rewriter, and their client at the other end of a bad network.

    What the rewriter lets out is checked packet by packet against the primary's stream, and goes to the client after
    ``fail_over`` only.
    """

    def __init__(self, network: Network, client: Endpoint, primary: Endpoint, secondary: Endpoint) -> None:
        self.network = network
        self.client, self.primary, self.secondary = client, primary, secondary
        self.rewriter = Rewriter()
        self.failed = False
        self.shown: list[Segment] = []  # what came out of the rewriter
        self.rewritten: list[bytes] = []  # its first packets, either way
        self._newest_tsval: int | None = None

    def fail_over(self) -> None:
        """The primary dies; the secondary speaks."""
        self.failed = True
        self.rewriter.fail_over(self.network.now)

    def turn(self) -> float | None:
        """Everybody's turn; when the next of them wants to be called."""
        now = self.network.now
        ends = [self.client, self.secondary] if self.failed else [self.client, self.primary, self.secondary]
        for end in ends:
            if end.deadline is not None and end.deadline <= now:
                end.tick(now)
        for packet in self.client.take():
            self.network.carry(packet, self._arrive)
        if not self.failed:
            for packet in self.primary.take():
                self.network.carry(packet, self.client.receive)
        while packets := self.secondary.take():
            self._let_out(packets)
        return min((end.deadline for end in ends if end.deadline is not None), default=None)

    def _arrive(self, packet: bytes, now: float) -> None:
        if not self.failed:
            self.primary.receive(packet, now)
        self.network.carry(packet, self._mirrored, MIRROR_DELAY, reliable=True)

    def _mirrored(self, packet: bytes, now: float) -> None:
        for translated in self.rewriter.to_guest(Batch.from_packets([packet]), now).packets():
            self._record(translated)
            self.secondary.receive(translated, now)

    def _let_out(self, packets: list[bytes]) -> None:
        now = self.network.now
        for packet in self.rewriter.from_guest(Batch.from_packets(packets), now).packets():
            self._check(packet)
            if self.failed:
                self.network.carry(packet, self.client.receive)
        owed = self.rewriter.take_for_guest()
        for packet in owed.packets() if owed else ():
            self.secondary.receive(packet, now)

    def _record(self, packet: bytes) -> None:
        if len(self.rewritten) < MOST_RECORDED:
            self.rewritten.append(packet)

    def stream(self) -> bytes:
        """All that the secondary has let out, put together by the primary's numbers."""
        whole = bytearray(len(self.primary.stream))
        missing = set(range(len(whole)))
        for segment in self.shown:
            place = signed(segment.seq - self.primary.isn) - 1
            if segment.payload:
                whole[place : place + len(segment.payload)] = segment.payload
                missing -= set(range(place, place + len(segment.payload)))
        assert not missing
        return bytes(whole)

    def _check(self, packet: bytes) -> None:
        segment = Segment.of(packet)
        assert segment is not None, "a wrong checksum"
        self.shown.append(segment)
        self._record(packet)
        if segment.flags & SYN:
            return
        met = self.secondary if self.failed and self.client.irs == self.secondary.isn else self.primary
        place = signed(segment.seq - met.isn)  # the client may have met the secondary only
        assert bytes(met.stream[place - 1 : place - 1 + len(segment.payload)]) == segment.payload
        if segment.timestamps:
            tsval = segment.timestamps[0]
            assert self._newest_tsval is None or signed(tsval - self._newest_tsval) >= 0
            self._newest_tsval = tsval


def settle(random: Random, loss: float = 0.0) -> Network:
    """A network; one that loses packets doubles and reorders them too."""
    return Network(random, loss, doubled=loss, jitter=0.02 if loss else 0.0)
