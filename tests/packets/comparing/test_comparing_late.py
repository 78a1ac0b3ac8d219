"""The primary dies at any moment while the secondary is late: the connection goes on, and the client drops nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.packets.comparing.test_comparing_guests import assert_all_arrived, is_over, services, world_of
from tests.support.compared import Compared
from tests.support.segments import SYN, Segment
from tests.support.tcp import Endpoint


class Attentive(Endpoint):
    """
    A client that counts what its PAWS check (RFC 7323 section 5) drops.

    A SYN-ACK after its handshake isn't counted: it is answered by an ACK, dropped by the one check or by another. The
    secondary's carries the secondary's own numbers while no ACK has told it the primary's.
    """

    too_old = 0

    def _too_old(self, segment: Segment) -> bool:
        old = super()._too_old(segment)
        self.too_old += old and not segment.flags & SYN
        return old


class Late(Compared):
    """
    The secondary's guest gets all so many seconds later; a take-over is one of Rewriter's, kept output and all.

    What is on its way to the secondary when the primary dies is lost with it, if ``loses``.
    """

    late = 0.0
    loses = False

    def fail_over(self) -> None:
        super().fail_over()
        assert list(self.rewriter.resets()) == []
        for batch in self.rewriter.kept_output():
            for packet in batch.packets():
                self.network.carry(packet, self.client.receive)

    def _arrive(self, packet: bytes, now: float) -> None:
        to_primary = not self.failed
        if to_primary:
            self.primary.receive(packet, now)

        def mirrored(packet: bytes) -> None:
            if not (self.loses and self.failed and to_primary):
                self._mirrored(packet)

        self._pipe("mirror", 0.001, packet, mirrored)

    def _hear(self, packet: bytes) -> None:
        self.network.at(self.network.now + self.late, lambda: self.secondary.receive(packet, self.network.now))


moments = st.one_of(st.none(), st.floats(0.0, 3.0))
delays = st.one_of(st.just(0.5), st.floats(0.0, 0.5))


@given(services, moments, delays, st.booleans())
def test_it_takes_over(service: dict[str, Any], moment: float | None, late: float, loses: bool) -> None:
    """None: at once after the client's handshake."""
    world = world_of(service, Late, Attentive)
    world.late, world.loses = late, loses
    network, client, secondary = world.network, world.client, world.secondary

    def due() -> bool:
        return client.state not in ("LISTEN", "SYN-SENT", "SYN-RECEIVED") if moment is None else network.now >= dies

    dies = network.now + (moment or 0.0)
    if moment is not None:
        network.at(dies, lambda: None)
    network.run(due, world.turn)
    world.fail_over()
    network.run(lambda: is_over(client, secondary), world.turn, limit=400)
    assert_all_arrived(world, secondary)
    if not network.loss:
        assert client.too_old == 0
