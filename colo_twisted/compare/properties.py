"""The properties of colo-compare: QEMU's, with its names, and ours."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Choice, Duration, Integer, Reference, Size
from colo_twisted.packets.comparing.limits import Limits

_LONGEST_MS = 1 << 31
MS = 1000  # in a second
FINEST_GRAIN = 0.05  # seconds: what a timer is late at most; expired_scan_cycle may ask for a finer one


@dataclass(frozen=True, kw_only=True)
class CompareProperties(Properties):
    """QEMU's defaults are 3000 ms, 1000 ms and 1024 packets; the last is too small for a client's receive window."""

    primary_in: str = prop(Reference("chardev"), "what the primary's guest sends")
    secondary_in: str = prop(Reference("chardev"), "what the secondary's guest sends")
    outdev: str = prop(Reference("chardev"), "where the primary's packets go when they are released")
    iothread: str | None = prop(Reference("object"), "taken: everything runs in one thread", default=None)
    vnet_hdr_support: bool = prop(Boolean(), "frames on all three carry vnet headers", default=False)
    notify_dev: str | None = prop(Reference("chardev"), "Xen's: checkpoints are asked for and told here", default=None)
    compare_timeout: int = prop(
        Duration("ms", 1, _LONGEST_MS), "a packet waits so long for its equal", default=3000, settable=True
    )
    expired_scan_cycle: int = prop(
        Duration("ms", 1, _LONGEST_MS), "bounds the timers' grain", default=1000, settable=True
    )
    max_queue_size: int = prop(
        Integer(1, 1 << 17),
        "packets of a connection held on either side; more are a divergence",
        default=16384,
        settable=True,
    )
    on_divergence: str = prop(
        Choice("checkpoint", "release", "isolate"),
        "hold and ask for a checkpoint; or let the flow go uncompared; or go on without the secondary",
        default="checkpoint",
        settable=True,
    )
    ack_commit: bool = prop(
        Boolean(), "acknowledgments and windows wait for the secondary's, too (off: QEMU's manner)", default=True
    )
    max_connections: int = prop(Integer(1, 1 << 26), "flows that are remembered", default=1 << 20)
    max_memory: int = prop(
        Size(least=1 << 20), "bytes held in all; packets beyond are dropped", default=512 << 20, settable=True
    )
    checkpoint: str | None = prop(Reference("object"), "what makes checkpoints", default=None)
    checkpoint_min_interval: int = prop(
        Duration("ms", 0, _LONGEST_MS), "at least so long from one checkpoint to the next", default=0, settable=True
    )
    checkpoint_timeout: int = prop(
        Duration("ms", 1, _LONGEST_MS), "a checkpoint not made by then has failed", default=10_000, settable=True
    )
    peer: str | None = prop(Reference("object"), "the colo-peer (not set: the only one there is)", default=None)

    def check(self) -> None:
        chardevs = [self.primary_in, self.secondary_in, self.outdev]
        chardevs += [self.notify_dev] if self.notify_dev is not None else []
        if len(set(chardevs)) < len(chardevs):
            raise OptionError(
                "properties 'primary_in', 'secondary_in', 'outdev' and 'notify_dev' take different chardevs"
            )
        maker = "notify_dev" if self.notify_dev is not None else "checkpoint" if self.checkpoint is not None else None
        if maker is not None and self.on_divergence != "checkpoint":
            raise OptionError(f"property '{maker}' goes with on_divergence=checkpoint; got '{self.on_divergence}'")
        if self.notify_dev is not None and self.checkpoint is not None:
            raise OptionError("properties 'notify_dev' and 'checkpoint' exclude each other: both make checkpoints")

    @property
    def limits(self) -> Limits:
        return Limits(
            self.compare_timeout / MS,
            min(FINEST_GRAIN, self.expired_scan_cycle / MS),
            self.max_queue_size,
            self.max_connections,
            self.max_memory,
        )
