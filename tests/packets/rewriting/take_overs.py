"""A take-over of replicas at which all is done that a take-over does: resets and kept output too."""

from __future__ import annotations

from colo_twisted.packets.batch import Batch
from tests.support.links import Network
from tests.support.replicas import Replicas
from tests.support.segments import Segment
from tests.support.tcp import Endpoint


class TakenOver(Replicas):
    """``resets`` are what the two ends were sent; ``output`` is what had been kept."""

    def __init__(self, network: Network, client: Endpoint, primary: Endpoint, secondary: Endpoint) -> None:
        super().__init__(network, client, primary, secondary)
        self.resets: list[Segment] = []
        self.output: list[Segment] = []

    def fail_over(self) -> None:
        self.failed = True
        now = self.network.now
        self.rewriter.fail_over(now)
        for for_guest, for_client in self.rewriter.resets():
            for packet in for_guest.packets() if for_guest else ():
                self._note(packet)
                self.secondary.receive(packet, now)
            self._to_client(for_client)
        for batch in self.rewriter.kept_output():
            for packet in batch.packets():
                self._check(packet)
                self.output.append(self.shown[-1])
                self.network.carry(packet, self.client.receive)

    def _to_client(self, batch: Batch | None) -> None:
        for packet in batch.packets() if batch else ():
            self._note(packet)
            self.network.carry(packet, self.client.receive)

    def _note(self, packet: bytes) -> None:
        segment = Segment.of(packet)
        assert segment is not None, "a wrong checksum"
        self.resets.append(segment)

    def _mirrored(self, packet: bytes, now: float) -> None:
        super()._mirrored(packet, now)
        self._to_client(self.rewriter.take_for_client())
