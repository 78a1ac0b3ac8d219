"""A rewriter, and what it makes of single segments."""

from __future__ import annotations

import struct
from typing import Any

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.rewriter import Rewriter
from tests.support.replicas import CLIENT, CLIENT6, GUEST, GUEST6
from tests.support.segments import ACK, MODULUS, SYN, Address, Segment

CLIENT_ISN, PRIMARY_ISN, SECONDARY_ISN = 1_000, 2**32 - 50, 700_000_000
OFFSET = (SECONDARY_ISN - PRIMARY_ISN) % MODULUS
CLIENT_TS, PRIMARY_TS, SECONDARY_TS = 5_000, 10_000, 90_000_000
KEY = GUEST.ip + CLIENT.ip + struct.pack(">HH", GUEST.port, CLIENT.port)


class Cable:
    """A rewriter and what it makes of single segments; client and guest number theirs from their ISNs + 1."""

    def __init__(
        self, client: Address = CLIENT, guest: Address = GUEST, tags: tuple[int, ...] = (), most: int = 100
    ) -> None:
        self.rewriter = Rewriter(most)
        self.following = self.rewriter.following
        self.counters = self.rewriter.counters
        self.client, self.guest, self.tags = client, guest, tags
        self.now = 10.0

    def to_guest(self, segment: Segment) -> Segment:
        """The client's, as the guest gets it."""
        packet = segment.packet(self.client, self.guest, self.tags)
        (translated,) = self.rewriter.to_guest(Batch.from_packets([packet]), self.now).packets()
        return checked(translated)

    def from_guest(self, segment: Segment) -> Segment:
        """The guest's, as the client would get it."""
        packet = segment.packet(self.guest, self.client, self.tags)
        (translated,) = self.rewriter.from_guest(Batch.from_packets([packet]), self.now).packets()
        return checked(translated)

    def owed(self) -> list[Segment]:
        """What the guest is given beside what the client sends."""
        batch = self.rewriter.take_for_guest()
        return [checked(packet) for packet in batch.packets()] if batch else []

    def open(self, stamped: bool = False, scale: int | None = None, sack: bool = False) -> Cable:
        """The client opens, both guests answer, the client acknowledges the primary's."""
        options: dict[str, Any] = {"scale": scale, "sack_permitted": sack, "mss": 1460}

        def stamps(mine: int, other: int) -> dict[str, Any]:
            return {"timestamps": (mine, other)} if stamped else {}

        self.to_guest(Segment(CLIENT_ISN, flags=SYN, **options, **stamps(CLIENT_TS, 0)))
        self.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK, **options, **stamps(SECONDARY_TS, CLIENT_TS)))
        self.to_guest(client(0, 0, **stamps(CLIENT_TS, PRIMARY_TS)))
        return self

    @property
    def known(self) -> Any:
        (known,) = self.following.all()
        return known


def checked(packet: bytes) -> Segment:
    segment = Segment.of(packet)
    assert segment is not None, "a wrong checksum"
    return segment


def client(place: int, acked: int, **fields: Any) -> Segment:
    """The client's byte ``place``, acknowledging ``acked`` bytes of the primary's."""
    return Segment((CLIENT_ISN + 1 + place) % MODULUS, (PRIMARY_ISN + 1 + acked) % MODULUS, **fields)


def guest(place: int, acked: int = 0, **fields: Any) -> Segment:
    """The secondary's byte ``place``, acknowledging ``acked`` bytes of the client's."""
    return Segment((SECONDARY_ISN + 1 + place) % MODULUS, CLIENT_ISN + 1 + acked, **fields)


def places(segment: Segment) -> tuple[int, int]:
    """What the client sees as the guest's place, and what the guest sees as acknowledged."""
    return (segment.seq - PRIMARY_ISN - 1) % MODULUS, (segment.ack - SECONDARY_ISN - 1) % MODULUS


ENDS = [(CLIENT, GUEST), (CLIENT6, GUEST6)]
