"""What is told: a line for each step while it happens, then what was counted, and what isn't as it must be."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from demo.acts import Website
from demo.programs import Program
from demo.wiring import Wiring

# A part that counts one of these has not done what this demo asks of it.
TROUBLE = ("dropped_", "not_mirrored_", "disconnect", "dead_peers", "protocol_errors", "refused")


class Account:
    """Prints, and remembers what is wrong."""

    def __init__(self) -> None:
        self.wrong: list[str] = []
        self._began = time.monotonic()
        self._name = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def begin(self, name: str, text: str = "...") -> None:
        """A step; its line is printed when it is done, or on a terminal rewritten until then."""
        self._name = name
        self.progress(text)

    def progress(self, text: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\033[K  {self._name:<11}{text}", end="", flush=True)

    def done(self, text: str) -> None:
        start = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{start}  {self._name:<11}{text}", flush=True)

    def must(self, holds: bool, what: str) -> None:
        """Remember what had to hold, if it doesn't."""
        if not holds:
            self.wrong.append(what)


@dataclass(frozen=True)
class Seen:
    """What a guest's service says of a file: how many bytes it has sent or received, and their SHA-256."""

    bytes: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.bytes:>11,} bytes, SHA-256 {self.sha256[:16]}..."


def seen(service: Program, what: str) -> Seen:
    """What it says of ``what`` ('sent /random'); it is waited for. Raises Failed."""
    service.wait_for(rf"{what} \d+ ")
    size, sha256 = re.findall(rf"{what} (\d+) (\w+)", service.output)[-1]
    return Seen(int(size), sha256)


def tell_seen(account: Account, website: Website, guest: Program, replica: Program) -> None:
    """What both guests saw of the two transfers must be what the client got and gave."""
    wanted = Seen(len(website.random), website.sha256)
    print()
    for what, name in (("sent /random", "sent"), ("received /upload", "received")):
        for who, service in (("guest", guest), ("replica", replica)):
            found = seen(service, what)
            print(f"  {who:<11}{name:<9}{found}")
            account.must(found == wanted, f"the {who} must have {name} what the client has")


@dataclass(frozen=True)
class Compared:
    """What the comparer has counted, and what either process ought not to have."""

    counters: Mapping[str, int]
    troubles: list[str]

    @classmethod
    def by(cls, wiring: Wiring) -> Compared:
        primary, secondary = wiring.primary_colo.counters(), wiring.secondary_colo.counters()
        troubles = [
            f"{host}: {part} counted {name}={value}"
            for host, counters in (("primary", primary), ("secondary", secondary))
            for part, values in counters.items()
            for name, value in values.items()
            if name.startswith(TROUBLE)
        ]
        return cls(primary["object comp0"], troubles)

    @property
    def divergences(self) -> int:
        return self.counters.get("divergences", 0)

    def tell(self, account: Account) -> None:
        get = self.counters.get
        print(f"\n  {'compared':<11}{get('compared', 0):>11,} packets of the guest's")
        print(f"  {'held':<11}{get('held', 0):>11,} of them, until the replica had sent the same")
        print(f"  {'released':<11}{get('released', 0):>11,} packets, {get('made_acks', 0):,} of them made: acks owed")
        median, most = (get(name, 0) / 1000 for name in ("hold_us_median", "hold_us_99"))
        print(f"  {'hold time':<11}{median:>11.2f} ms in the median, {most:.2f} ms at the 99th percentile")
        print(f"  {'divergences':<11}{self.divergences:>11,}\n")
        account.must(get("compared", 0) > 0, "packets must have been compared")
        account.must(self.divergences == 0, "nothing must have diverged")
        account.must(get("unprotected", 0) == 0, "nothing must have been let by uncompared")
        account.wrong += self.troubles
