"""What is told: a line for each moment, then what was counted; and what isn't as it must be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demo.wiring import Wiring

# A part that counts one of these has not done what this demo asks of it.
TROUBLE = ("dropped_", "not_mirrored_", "disconnect", "dead_peers", "protocol_errors", "refused")
NO_TROUBLE = ("dropped_by_gate", "dropped_superseded")  # the gate's purpose, and a checkpoint's


class Clock:
    """Seconds since it was made, of moments by the monotonic clock or in QMP's events."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._wall = time.time() - self._began

    def since_start(self, moment: float) -> float:
        return moment - self._began

    def moment(self, event: Mapping[str, Any]) -> float:
        """By the monotonic clock, as all else is: when an event was, which has the time of day."""
        stamp = event["timestamp"]
        return float(stamp["seconds"]) + float(stamp["microseconds"]) / 1e6 - self._wall


class Account:
    """Prints, and remembers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self.clock = Clock()

    def begin(self, title: str) -> None:
        """Another run: its clock starts."""
        self.clock = Clock()
        print(f"\n{title}\n", flush=True)

    def at(self, moment: float, text: str) -> None:
        """What happened at a moment."""
        print(f"  {self.clock.since_start(moment):7.3f} s  {text}", flush=True)

    def now(self, text: str) -> None:
        self.at(time.monotonic(), text)

    def figure(self, name: str, text: str) -> None:
        print(f"  {name:<11}{text}", flush=True)

    def must(self, holds: bool, what: str) -> None:
        """Remember what had to hold, if it doesn't."""
        if not holds:
            self.wrong.append(what)


@dataclass(frozen=True)
class Compared:
    """What the primary has counted, and what either process ought not to have."""

    counters: Mapping[str, int]
    guest: Mapping[str, int]  # of what it sends to the comparer
    replica: Mapping[str, int]
    held_now: tuple[int, int]  # packets, bytes
    troubles: list[str]

    @classmethod
    def by(cls, wiring: Wiring) -> Compared:
        """Raises Failed."""
        primary, secondary = wiring.primary_colo.counters(), wiring.secondary_colo.counters()
        replica = wiring.primary_colo.ask("query-colo-replica")
        troubles = [
            f"{host}: {part} counted {name}={value}"
            for host, counters in (("primary", primary), ("secondary", secondary))
            for part, values in counters.items()
            for name, value in values.items()
            if name.startswith(TROUBLE) and name not in NO_TROUBLE
        ]
        held_now = replica["held-packets"], replica["held-bytes"]
        comparer, guest_in, replica_in = (
            primary.get(part, {}) for part in ("object comp0", "chardev compare0", "chardev compare1")
        )
        return cls(comparer, guest_in, replica_in, held_now, troubles)

    def tell(self, account: Account, divergences: int) -> None:
        """What there was until the kill; with offloads a packet has up to 64 KB."""
        get = self.counters.get
        guests = f"{get('compared', 0):,} packets of the guest's ({self.guest.get('bytes_out', 0):,} bytes)"
        replicas = f"{self.replica.get('frames_in', 0):,} of the replica's ({self.replica.get('bytes_in', 0):,})"
        account.figure("compared", f"{guests} with {replicas}, counted a moment before the kill")
        now = "at the kill {:,} ({:,} bytes)".format(*self.held_now)
        account.figure("held", f"{get('held', 0):,} packets until the replica had sent the same; {now}")
        median, most = (get(name, 0) / 1000 for name in ("hold_us_median", "hold_us_99"))
        account.figure("hold time", f"{median:.2f} ms in the median, {most:.2f} ms at the 99th percentile")
        account.must(get("compared", 0) > 0, "packets must have been compared")
        account.must(get("divergences", 0) == divergences, f"there must have been {divergences} divergences")
        account.must(get("checkpoints_done", 0) == divergences, f"there must have been {divergences} checkpoints")
        account.must(get("unprotected", 0) == 0, "nothing must have been let by uncompared")
        account.wrong += self.troubles
