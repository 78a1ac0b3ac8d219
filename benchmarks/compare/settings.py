"""Which comparers are fed with what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.compare import contestants
from benchmarks.compare.contestants import Contestant
from benchmarks.compare.feeding import Flight
from benchmarks.results import Table

# QEMU holds 1024 packets of a connection, whose window this is for one. With 64 it could have 64 times as much: of 60
# to 60,000 no window made QEMU faster than this one by more than the noise (above 1,000 large packets cost it more).
AHEAD = Flight(window=1000)
BEHIND = Flight(window=3000, lag=1000)
MOST_BYTES = 730_000_000  # of a prebuilt stream, unless each connection's one segment needs more
MOST_SEGMENTS = 2_000_000


@dataclass(frozen=True)
class Load:
    """What goes in on both sides."""

    connections: int
    payload: int  # bytes of each segment
    flight: Flight = AHEAD
    over: str = "unix"  # of benchmarks.compare.sockets.KINDS
    most: int = MOST_SEGMENTS  # to be sent; but each connection has one at least

    @property
    def name(self) -> str:
        return f"{self.connections:,} x {self.payload} B"

    @property
    def segments(self) -> int:
        """How many are there to be sent."""
        return max(self.connections, min(self.most, MOST_BYTES // (self.payload + 58)))


@dataclass(frozen=True)
class Setting:
    """Contestants that are measured with some loads, and which of them is divided by which."""

    name: str
    title: str
    shown: tuple[Contestant, ...]
    loads: tuple[Load, ...]
    ratios: tuple[tuple[Contestant, Contestant], ...]

    def tables(self) -> Iterator[Table]:
        names = tuple(contestant.name for contestant in self.shown)
        ratios = tuple((one.name, other.name) for one, other in self.ratios)
        loads = tuple(load.name for load in self.loads)
        yield Table(f"{self.title}: thousand pairs a second", names, loads, ratios)
        yield Table(
            "CPU time of the comparing program, us a pair (less is better)", names, tuple(map(cpu_of, loads)), ratios
        )


def cpu_of(load: str) -> str:
    """The name of the other thing that is measured with a load."""
    return f"{load} us"


_BESIDE_QEMU = (contestants.NOBODY, contestants.OURS, contestants.OURS_PLAIN, contestants.QEMU_COMPARE)
_LAGGING = (contestants.OURS, contestants.OURS_PLAIN, contestants.QEMU_LONG_QUEUES)
MANY = "many"  # its memory is looked at, too

SETTINGS = (
    Setting(
        "small",
        "Connections x bytes of TCP payload, both sides in step",
        _BESIDE_QEMU,
        tuple(Load(connections, 64) for connections in (1, 64, 10_000)),
        ((contestants.OURS, contestants.QEMU_COMPARE), (contestants.OURS_PLAIN, contestants.QEMU_COMPARE)),
    ),
    Setting(
        "large",
        "Connections x bytes of TCP payload, both sides in step",
        _BESIDE_QEMU,
        tuple(Load(connections, 1400) for connections in (1, 64, 10_000)),
        ((contestants.OURS, contestants.QEMU_COMPARE), (contestants.OURS_PLAIN, contestants.QEMU_COMPARE)),
    ),
    Setting(
        "tcp",
        "Over TCP, through the loopback interface",
        (contestants.NOBODY, contestants.OURS, contestants.QEMU_COMPARE),
        tuple(Load(64, payload, over="tcp") for payload in (64, 1400)),
        ((contestants.OURS, contestants.QEMU_COMPARE),),
    ),
    Setting(
        "lag",
        "The secondary 1,000 packets behind",
        _LAGGING,
        (Load(1, 64, BEHIND), Load(64, 64, BEHIND), Load(64, 1400, BEHIND)),
        ((contestants.OURS, contestants.QEMU_LONG_QUEUES), (contestants.OURS_PLAIN, contestants.QEMU_LONG_QUEUES)),
    ),
    Setting(
        MANY,
        "A million connections (QEMU's table has room for 16,384)",
        (contestants.NOBODY, contestants.OURS),
        (Load(1_000_000, 64), Load(1_000_000, 1400)),
        (),
    ),
)
