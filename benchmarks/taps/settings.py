"""Which contestants are set beside which, and what the comparison says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.results import Table
from benchmarks.taps import contestants
from benchmarks.taps.contestants import Contestant


@dataclass(frozen=True)
class Setting:
    """A table: its contestants, and which of them is divided by which."""

    name: str
    title: str
    shown: tuple[Contestant, ...]
    ratios: tuple[tuple[Contestant, Contestant], ...]

    def table(self, quantities: tuple[str, ...]) -> Table:
        names = tuple(contestant.name for contestant in self.shown)
        return Table(self.title, names, quantities, tuple((one.name, other.name) for one, other in self.ratios))


SETTINGS = (
    Setting(
        "plain",
        "Without a mirror, packet by packet (the veth pair is what the two kernels can do with nothing between)",
        (contestants.VETH, contestants.OURS, contestants.QEMU_HUB),
        ((contestants.OURS, contestants.QEMU_HUB),),
    ),
    Setting(
        "mirror",
        "With a mirror without vnet headers (ours has offloads and cuts the copies, QEMU's hub goes packet by packet)",
        (contestants.OURS_MIRROR, contestants.QEMU_MIRROR),
        ((contestants.OURS_MIRROR, contestants.QEMU_MIRROR),),
    ),
    Setting(
        "offloads",
        "With offloads, and a mirror with vnet headers (QEMU's hub carries no offloads: its own is packet by packet)",
        (
            contestants.OURS_OFFLOADS,
            contestants.OURS_VNET_MIRROR,
            contestants.QEMU_HUB,
            contestants.QEMU_MIRROR,
        ),
        (
            (contestants.OURS_OFFLOADS, contestants.QEMU_HUB),
            (contestants.OURS_VNET_MIRROR, contestants.QEMU_MIRROR),
        ),
    ),
    Setting(
        "stuck",
        "With a mirror whose peer never reads: kept, all its copies in memory (max_backlog=16G), or disconnected (1M)",
        (contestants.OURS_MIRROR, contestants.OURS_STUCK, contestants.OURS_DROPPED),
        (
            (contestants.OURS_STUCK, contestants.OURS_MIRROR),
            (contestants.OURS_DROPPED, contestants.OURS_MIRROR),
        ),
    ),
)


def taking_part(settings: Iterable[Setting]) -> list[Contestant]:
    """Every contestant of these settings, once."""
    return list(dict.fromkeys(contestant for setting in settings for contestant in setting.shown))
