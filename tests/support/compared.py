"""Two user-space guests behind a rewriter and a comparer, their client, checkpoints and the primary's death."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.marker import marker_packet
from colo_twisted.packets.rewriting.rewriter import Rewriter
from tests.support.links import Network
from tests.support.segments import ACK, SYN, Segment
from tests.support.tcp import Endpoint, signed

NONCE = bytes(range(16))


class App:
    """Writes its data and reads, a bit now and then; where it is, its guest's stream tells."""

    def __init__(self, data: bytes, random: Random, pause: float, chunk: int, reads: bool) -> None:
        self._data, self._random, self._pause, self._chunk, self._reads = data, random, pause, chunk, reads
        self._next = 0.0

    def step(self, guest: Endpoint, now: float) -> float | None:
        """Do what is due; when the next is."""
        if guest.state in ("CLOSED", "LISTEN", "SYN-SENT", "SYN-RECEIVED"):
            return None
        guest.reading = self._reads
        if now < self._next:
            return self._next
        self._next = now + 0.001 + self._random.random() * self._pause
        guest.read(now)
        done = len(guest.stream)
        if done < len(self._data):
            guest.send(self._data[done : done + self._random.randint(1, self._chunk)], now)
        elif not guest.closing:
            guest.close(now)
        if guest.closing and (self._reads or guest.fin_received):
            return None
        return self._next


class Compared:
    """
    What leaves the comparer is checked against the secondary: it has sent and received as much.

    @param lags: seconds that a frame takes at most from either guest to the comparer.
    """

    def __init__(
        self, network: Network, client: Endpoint, guests: list[Endpoint], apps: list[App], lags: tuple[float, float]
    ) -> None:
        self.network, self.client, self.apps = network, client, apps
        self.primary, self.secondary = guests
        self.rewriter = Rewriter()
        # where a client loses packets, the guest with the smaller congestion window may be silent for seconds
        self.comparer = Comparer(Limits(compare_timeout=30.0 if network.loss else 3.0))
        self.failed = False
        self.released = 0
        self._lags = lags
        self._last = {"mirror": 0.0, "primary": 0.0, "secondary": 0.0}
        self._kept: list[bytes] | None = None  # for the secondary, while a checkpoint is made

    def turn(self) -> float | None:
        """Everybody's turn; when the next of them wants to be called."""
        now = self.network.now
        deadlines: list[float | None] = [self._client_turn(now), self._secondary_turn(now)]
        if not self.failed:
            deadlines += [self._guest_turn(self.primary, self.apps[0], now), self._comparer_turn(now)]
            for packet in self.primary.take():
                self._pipe("primary", self._lags[0], packet, self._from_primary)
        return min((when for when in deadlines if when is not None), default=None)

    def _client_turn(self, now: float) -> float | None:
        _tick(self.client, now)
        for packet in self.client.take():
            self.network.carry(packet, self._arrive)
        return self.client.deadline

    @staticmethod
    def _guest_turn(guest: Endpoint, app: App, now: float) -> float | None:
        _tick(guest, now)
        times = (app.step(guest, now), guest.deadline)
        return min((when for when in times if when is not None), default=None)

    def _secondary_turn(self, now: float) -> float | None:
        if self._kept is not None:
            return None
        deadline = self._guest_turn(self.secondary, self.apps[1], now)
        while packets := self.secondary.take():
            for packet in self.rewriter.from_guest(Batch.from_packets(packets), now).packets():
                if self.failed:
                    self.network.carry(packet, self.client.receive)
                else:
                    self._pipe("secondary", self._lags[1], packet, self._from_secondary)
            owed = self.rewriter.take_for_guest()
            for packet in owed.packets() if owed else ():
                self._hear(packet)
        return deadline

    def _comparer_turn(self, now: float) -> float | None:
        deadline = self.comparer.next_deadline
        if deadline is not None and deadline <= now:
            self._leave(self.comparer.expire(now))
        return self.comparer.next_deadline

    def _pipe(self, name: str, lag: float, packet: bytes, deliver: Callable[[bytes], None]) -> None:
        """Deliver it after a while, in order."""
        when = self._last[name] = max(self._last[name], self.network.now + self.network.random.random() * lag)
        self.network.at(when, lambda: deliver(packet))

    # what arrives

    def _arrive(self, packet: bytes, now: float) -> None:
        if not self.failed:
            self.primary.receive(packet, now)
        self._pipe("mirror", 0.001, packet, self._mirrored)

    def _mirrored(self, packet: bytes) -> None:
        if self._kept is not None:
            self._kept.append(packet)
            return
        for translated in self.rewriter.to_guest(Batch.from_packets([packet]), self.network.now).packets():
            self._hear(translated)

    def _hear(self, packet: bytes) -> None:
        """The secondary's guest gets it."""
        self.secondary.receive(packet, self.network.now)

    def _from_primary(self, packet: bytes) -> None:
        if not self.failed:
            self._leave(self.comparer.receive_primary(Batch.from_packets([packet]), self.network.now))

    def _from_secondary(self, packet: bytes) -> None:
        if not self.failed:
            self._leave(self.comparer.receive_secondary(Batch.from_packets([packet]), self.network.now))

    # what leaves

    def _leave(self, batch: Batch | None) -> None:
        assert self.comparer.divergences == [], self.comparer.divergences
        for packet in batch.packets() if batch is not None else ():
            self._check(packet)
            self.released += 1
            self.network.carry(packet, self.client.receive)

    def _check(self, packet: bytes) -> None:
        segment = Segment.of(packet)
        assert segment is not None, "a wrong checksum"
        if segment.flags & SYN:
            return
        secondary = self.secondary
        end = signed(segment.end - self.primary.isn)
        if segment.length:
            assert end <= secondary.snd_nxt, "what the secondary has not sent"
        if segment.flags & ACK:
            assert signed(segment.ack - secondary.irs) <= secondary.rcv_nxt, "an ack that the secondary has not sent"

    # checkpoints and take-over

    def begin_checkpoint(self) -> int:
        """The mark; from now on the secondary is stopped."""
        self._kept = []
        return self.comparer.mark()

    def copy_primary(self) -> None:
        """The secondary's guest becomes the primary's."""
        self.comparer.ignore_secondary(NONCE)
        seed = self.network.random.randint(0, 1000)
        self.secondary = copy.deepcopy(self.primary)
        self.secondary.out.clear()
        self.secondary.wrongs.clear()
        if self.secondary.cuts is not None:
            self.secondary.cuts = Random(seed)

    def end_checkpoint(self) -> None:
        """The secondary goes on, its marker first."""
        self.rewriter.following.checkpoint({}, self.network.now)
        self._pipe("secondary", self._lags[1], marker_packet(NONCE), self._from_secondary)
        kept, self._kept = self._kept or [], None
        for packet in kept:
            self._mirrored(packet)

    def flush(self, mark: int) -> None:
        self._leave(self.comparer.flush(mark, self.network.now))

    def fail_over(self) -> None:
        """The primary dies with its comparer; the secondary speaks."""
        self.failed = True
        self.rewriter.fail_over(self.network.now)


def _tick(end: Endpoint, now: float) -> None:
    if end.deadline is not None and end.deadline <= now:
        end.tick(now)
