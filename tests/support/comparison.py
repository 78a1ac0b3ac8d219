"""A comparer with the test at all its ends: what goes in on either side, and what goes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.comparer import Comparer
from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.comparing.flows import Flow
from colo_twisted.packets.comparing.limits import Limits
from colo_twisted.packets.vnet import NEEDS_CSUM
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, SYN, Address, Segment, internet_checksum, pseudo_header
from tests.support.strategies import Frame, batch_of_frames, frames_of

ISN, OTHER_ISN, CLIENT_ISN = 5000, 900_000, 1000
TIMEOUT = 3.0
SCALE = 7
UNIT = 1 << SCALE

SYN_ACK = Segment(
    ISN, CLIENT_ISN + 1, SYN | ACK, 64240, mss=1460, scale=SCALE, sack_permitted=True, timestamps=(100, 10)
)
OTHER_SYN_ACK = SYN_ACK.but(seq=OTHER_ISN, timestamps=(7_000_000, 10))

Sent = Segment | bytes


class Bench:
    """
    Time stands still but for ``wait``. What goes in and out without TCP is bytes, else segments; one whose checksum is
    wrong fails the test.

    @param vnet: the virtio-net header before each packet; None for frames of the form without.
    """

    def __init__(
        self,
        ack_commit: bool = True,
        names: bool = False,
        vnet: bytes | None = None,
        guest: Address = GUEST,
        client: Address = CLIENT,
        tags: tuple[int, ...] = (),
        **limits: float,
    ) -> None:
        self.comparer = Comparer(Limits(**limits), ack_commit, names)  # type: ignore[arg-type]
        self.now = 1000.0
        self.guest, self.client, self.tags = guest, client, tags
        self._vnet = vnet
        self.frames: list[Frame] = []  # all that ever came out

    # going in

    def primary(self, *sent: Sent, at: int | None = None) -> list[Sent]:
        """What goes out when the primary's guest sends this, as one batch; ``at``: to this port of the client's."""
        return self._took(self.comparer.receive_primary(self.batch(sent, at), self.now))

    def secondary(self, *sent: Sent, at: int | None = None) -> list[Sent]:
        return self._took(self.comparer.receive_secondary(self.batch(sent, at), self.now))

    def both(self, *sent: Sent, at: int | None = None) -> list[Sent]:
        return self.primary(*sent, at=at) + self.secondary(*sent, at=at)

    def open(self, at: int | None = None) -> None:
        """Both guests answer the client's SYN, and nothing is owed."""
        assert self.primary(SYN_ACK, at=at) == []
        assert self.secondary(OTHER_SYN_ACK, at=at) == [SYN_ACK]

    def wait(self, seconds: float = TIMEOUT + 0.2) -> list[Sent]:
        """Let time pass, each time-out being met when it is due."""
        end = self.now + seconds
        out = []
        while (deadline := self.comparer.next_deadline) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            out += self._took(self.comparer.expire(self.now))
            assert self.comparer.next_deadline != deadline, "a time-out that is met again and again"
        self.now = end
        return out

    def flush(self, mark: int) -> list[Sent]:
        return self._took(self.comparer.flush(mark, self.now))

    def finish(self) -> list[Sent]:
        """What was let go otherwise than by a packet."""
        return self._took(self.comparer.finish())

    def batch(self, sent: Iterable[Sent], at: int | None = None) -> Batch:
        header = self._vnet or b""
        packets = [self.packet(one, at) for one in sent]
        return batch_of_frames([Frame(packet, header) for packet in packets], self._vnet is not None)

    def packet(self, sent: Sent, at: int | None = None) -> bytes:
        if isinstance(sent, bytes):
            return sent
        packet = sent.packet(self.guest, self._client_at(at), self.tags)
        return unfinished(packet) if self.partial else packet

    def _client_at(self, port: int | None) -> Address:
        return self.client if port is None else Address(self.client.mac, self.client.ip, port)

    @property
    def partial(self) -> bool:
        return self._vnet is not None and len(self._vnet) > 0 and bool(self._vnet[0] & NEEDS_CSUM)

    # coming out

    def _took(self, batch: Batch | None) -> list[Sent]:
        if batch is None:
            return []
        assert batch.vnet_hdr == (self._vnet is not None)
        frames = frames_of(batch)
        self.frames += frames
        return [self._read(frame) for frame in frames]

    def _read(self, frame: Frame) -> Sent:
        if self.protocol(frame.packet) != 6:
            return frame.packet
        partial = bool(frame.header) and bool(frame.header[0] & NEEDS_CSUM)
        segment = Segment.of(finished(frame.packet) if partial else frame.packet)
        assert segment is not None, f"a wrong checksum: {frame}"
        return segment

    @staticmethod
    def protocol(packet: bytes) -> int:
        """IP's protocol; -1 for fragments and what is not IP."""
        at = network_at(packet)
        kind = packet[at - 2 : at]
        if kind == b"\x86\xdd":
            return packet[at + 6]
        if kind != b"\x08\x00" or int.from_bytes(packet[at + 6 : at + 8], "big") & 0x3FFF:
            return -1
        return packet[at + 9]

    @property
    def divergences(self) -> list[Divergence]:
        """Those that are new."""
        found = list(self.comparer.divergences)
        self.comparer.divergences.clear()
        return found

    @property
    def kinds(self) -> list[str]:
        return [divergence.kind for divergence in self.divergences]

    @property
    def flow(self) -> Flow:
        """The only one."""
        (flow,) = self.comparer.flows.all()
        return flow

    @property
    def tally(self) -> Mapping[str, int]:
        return dict(self.comparer.tally.rows())

    def assert_empty(self) -> None:
        """Nothing is held."""
        for flow in self.comparer.flows.all():
            assert flow.primary_head is None
            assert flow.secondary_head is None
            assert (flow.primary_tail, flow.secondary_tail) == (None, None)
            assert (flow.primary_count, flow.secondary_count, flow.held_bytes) == (0, 0, 0)
        assert (self.tally["held_packets"], self.tally["held_bytes"]) == (0, 0)


def opened(**options: object) -> Bench:
    """A bench with one connection."""
    bench = Bench(**options)  # type: ignore[arg-type]
    bench.open()
    return bench


def diverged(names: bool = False) -> Bench:
    """A bench with one connection in which both have sent something else."""
    bench = opened(names=names)
    data = Segment(ISN + 1, CLIENT_ISN + 1, window=500, payload=b"0123456789")
    bench.primary(data)
    bench.secondary(data.but(payload=b"other"))
    assert bench.kinds == ["payload"]
    return bench


def datagram(payload: bytes, port: int = 5000, ip_id: int = 1) -> bytes:
    """A UDP packet of the guest's to this port of the client's."""
    packet: Packet = Ether(src="52:54:00:00:00:02", dst="52:54:00:00:00:01")
    packet /= IP(src="10.0.0.2", dst="10.0.0.1", id=ip_id)
    return bytes(packet / UDP(sport=53, dport=port) / Raw(payload))


# partial checksums (virtio 1.2, 5.1.6.2): the field has the pseudo header's sum


def network_at(packet: bytes) -> int:
    """Where IP's header begins."""
    at = 14
    while packet[at - 2 : at] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    return at


def _tcp_at(packet: bytes) -> tuple[int, bytes]:
    """Where TCP begins, and the pseudo header."""
    at = network_at(packet)
    if packet[at] >> 4 == 6:
        length = int.from_bytes(packet[at + 4 : at + 6], "big")
        return at + 40, pseudo_header(packet[at + 8 : at + 24], packet[at + 24 : at + 40], 6, length)
    header = (packet[at] & 15) * 4
    length = int.from_bytes(packet[at + 2 : at + 4], "big") - header
    return at + header, pseudo_header(packet[at + 12 : at + 16], packet[at + 16 : at + 20], 6, length)


def unfinished(packet: bytes) -> bytes:
    """The packet with a partial checksum."""
    at, pseudo = _tcp_at(packet)
    partial = ~internet_checksum(pseudo) & 0xFFFF
    return packet[: at + 16] + partial.to_bytes(2, "big") + packet[at + 18 :]


def finished(packet: bytes) -> bytes:
    """The packet as the hardware sends it: what is in the checksum field counts."""
    at, _ = _tcp_at(packet)
    return packet[: at + 16] + internet_checksum(packet[at:]).to_bytes(2, "big") + packet[at + 18 :]
