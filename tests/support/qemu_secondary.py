"""A secondary's process with its QEMU, rewriter and colo-peer, in memory; and the primary's end of the talk."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from colo_twisted.failover.replica import Replica
from colo_twisted.netfilter.rewriter import FilterRewriter
from colo_twisted.packets.marker import find_marker
from colo_twisted.packets.sequence import Offsets
from colo_twisted.qemu.secondary import SecondaryQEMU
from tests.support.fake_qemu import FakeQEMU, GuestNetdev, with_guest_netdevs
from tests.support.fakes import FakeNetdev, batch_of, packet
from tests.support.house import House
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, SYN, Address, Segment
from tests.support.wires import TYPES, Side, WireEnd, flow, plug, pull, results

LINE = (
    "-netdev fake,id=hn0 -netdev guest,id=g0 -device e1000,netdev=hn0,guest=g0 -chardev wire,id=w0"
    " -object filter-rewriter,id=rew0,netdev=hn0 -object colo-qemu,id=qemu0,qmp=unix:/nowhere,role=secondary"
    " -object colo-peer,id=p0,chardev=w0,role=secondary"
)
STEP = 0.05
NONCE = bytes(range(16))


class Pair:
    """
    Both ends; ``settle`` lets all that follows happen without time passing.

    @ivar qemu: the secondary's.
    """

    def __init__(self, more: str = "", primary: str = "") -> None:
        """
        @param more: for its colo-peer; likewise ``primary`` for the other's.
        """
        clock = Clock()
        self.clock = clock
        self.primary = Side("primary", primary, clock)
        self.house = House(f"{LINE}{more}", clock, with_guest_netdevs(TYPES))
        self.made: SecondaryQEMU = self.house.object("qemu0")
        self.qemu = FakeQEMU(clock, "secondary")
        self.qemu.plug_in(self.made.monitor)
        self.peer = self.house.object("p0")
        self.replica: Replica = self.peer.replica
        self.rewriter: FilterRewriter = self.house.object("rew0")
        self.end: WireEnd = self.house.chardev("w0")
        self.network: FakeNetdev = self.house.netdev("hn0")
        self.guest: GuestNetdev = self.house.netdev("g0")
        self._answers: list[tuple[str, list[bool]]] = []
        self._seen = self._given = 0
        self.house.start()
        self.find_each_other()

    # what happens

    def settle(self) -> None:
        """Until nothing is on its way."""
        moved = True
        while moved:
            self.clock.advance(0)
            moved = self.qemu.turn()
            moved = self.primary.end.flow() or self.end.flow() or moved
        self.guest.drain()

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.clock.advance(STEP)
            self.settle()

    def find_each_other(self) -> None:
        if self.end.other is None:
            plug(self.primary.end, self.end)
        self.settle()

    def lose_primary(self) -> None:
        """Its process is gone, or the cable."""
        pull(self.end)
        self.settle()

    # the primary's words, each with what has been answered to it at once

    def begin(self, number: int) -> list[bool]:
        return self._asked(f"BEGIN {number}", self.primary.peer.begin(number, NONCE))

    def done(self, number: int, offsets: dict[bytes, Offsets] | None = None) -> list[bool]:
        return self._asked(f"DONE {number}", self.primary.peer.done(number, offsets or {}))

    def abort(self, number: int, unchanged: bool) -> list[bool]:
        return self._asked(f"ABORT {number}", self.primary.peer.abort(number, unchanged))

    def _asked(self, what: str, answer: Deferred[bool]) -> list[bool]:
        answers = results(answer)
        self._answers.append((what, answers))
        flow(self.primary.end, self.end)
        self.settle()
        return answers

    @property
    def unanswered(self) -> list[str]:
        return [what for what, answers in self._answers if not answers]

    # QEMU's

    def stops(self) -> None:
        self.qemu.begins()
        self.settle()

    def runs(self) -> None:
        self.qemu.runs()
        self.settle()

    def turns(self) -> None:
        """A whole checkpoint, both events heard in time."""
        self.stops()
        self.runs()

    def exits(self) -> None:
        self.qemu.exits()
        self.settle()

    def qmp_lost(self) -> None:
        self.qemu.listens = False
        self.qemu.ends()
        self.settle()

    def qmp_back(self, at_once: bool = False) -> None:
        """It is tried again before long; ``at_once``: then no more time passes."""
        self.qemu.listens = True
        for _ in range(30):
            if not (at_once and self.made.monitor.connected):
                self.wait(STEP)

    # traffic

    def says(self, *texts: str) -> None:
        """Its guest sends these; they are read now."""
        self.guest.says(*(packet(text) for text in texts))
        self.guest.drain()

    def hears(self, *texts: str) -> None:
        """A client sends these to it."""
        self.network.receive(batch_of(*(packet(text) for text in texts)))

    @property
    def out(self) -> list[str]:
        """What has left newly towards the network."""
        packets = self.network.packets
        new, self._seen = packets[self._seen :], len(packets)
        return [shown(one) for one in new]

    @property
    def given(self) -> list[str]:
        """What the guest has newly got."""
        packets = self.guest.packets
        new, self._given = packets[self._given :], len(packets)
        return [shown(one) for one in new]

    @property
    def flows(self) -> bool:
        """Whether a word of the guest's leaves at once, and one for it comes to it."""
        before = len(self.network.packets), len(self.guest.packets)
        self.says("a word")
        self.hears("a word")
        after = len(self.network.packets), len(self.guest.packets)
        self._seen, self._given = after
        return after[0] > before[0] and after[1] > before[1]

    def open_connection(self) -> None:
        """A client's: the guest's ISN is 5000, the primary's 3000."""
        self.hears_segment(Segment(100, flags=SYN))
        self.says_segment(Segment(5000, 101, SYN | ACK))
        self.hears_segment(Segment(101, 3001))
        assert self.out == ["5000 SYN"]  # what is between the two is learnt from the answer
        assert self.given == ["100 SYN", "101"]

    def hears_segment(self, segment: Segment, client: Address = CLIENT) -> None:
        """A client's."""
        self.network.receive(batch_of(segment.packet(client, GUEST)))

    def says_segment(self, segment: Segment, client: Address = CLIENT) -> None:
        """The guest's; it is read now."""
        self.guest.says(segment.packet(GUEST, client))
        self.guest.drain()


def shown(one: bytes) -> str:
    """A packet in a word: its sequence number and payload, or its text."""
    if find_marker(one) is not None:
        return "MARKER"
    segment = Segment.of(one)
    if segment is None:
        return one[14:].rstrip(b"\0").decode()
    return f"{segment.seq}{' SYN' if segment.flags & SYN else ''} {segment.payload.decode()}".strip()
