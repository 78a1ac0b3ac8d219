"""What is told: a line for each step while it happens, then what was counted, and what isn't as it must be."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from demo.hosts import Host
from demo.programs import Failed, wait_until
from demo.wiring import GUEST_NIC, REPLICA_NIC, Counters, Wiring

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
    """What a guest's kernel counted at its interface."""

    frames: int
    bytes: int
    answers: int

    @classmethod
    def at(cls, guest: Host, nic: str) -> Seen:
        return cls(*(guest.count(nic, what) for what in ("rx_packets", "rx_bytes", "tx_packets")))


@dataclass(frozen=True)
class Counted:
    """All that was counted, when all frames had arrived."""

    guest: Seen
    replica: Seen
    primary: Counters
    secondary: Counters

    @classmethod
    def after(cls, wiring: Wiring) -> Counted:
        """Wait until the replica has caught up; if it never does, that is for the account to tell."""

        def look() -> tuple[Seen, Seen]:
            return Seen.at(wiring.guest, GUEST_NIC), Seen.at(wiring.replica, REPLICA_NIC)

        def caught_up() -> bool:
            guest, replica = look()
            return (guest.frames, guest.bytes) == (replica.frames, replica.bytes)

        with suppress(Failed):
            wait_until(caught_up, "the replica seeing what the guest saw", 5)
        return cls(*look(), wiring.primary_colo.counters(), wiring.secondary_colo.counters())

    @property
    def mirrored(self) -> int:
        return self.primary["object m0"].get("mirrored", 0)

    @property
    def lost(self) -> int:
        """Frames from the network that the replica did not see."""
        return self.guest.frames - self.replica.frames

    @property
    def troubles(self) -> list[str]:
        """Each counter that ought to have stayed at 0."""
        return [
            f"{host}: {part} counted {name}={value}"
            for host, counters in (("primary", self.primary), ("secondary", self.secondary))
            for part, values in counters.items()
            for name, value in values.items()
            if name.startswith(TROUBLE)
        ]

    def tell(self, account: Account) -> None:
        print(f"\n  {'':<11}{'from the network':>18}{'bytes':>14}{'answered':>12}")
        for name, seen, remark in (("guest", self.guest, ""), ("replica", self.replica, "  (to nobody)")):
            print(f"  {name:<11}{seen.frames:>11,} frames{seen.bytes:>14,}{seen.answers:>12,}{remark}")
        print(f"  {'mirrored':<11}{self.mirrored:>11,} frames")
        print(f"  {'lost':<11}{self.lost:>11,} frames")
        print("\n  From the network come requests and acknowledgments; the file itself is among what is answered.")
        account.must(self.guest.frames > 0, "the guest must have seen frames")
        account.must(self.lost == 0, "the replica must see as many frames as the guest")
        account.must(self.guest.bytes == self.replica.bytes, "the replica must see as many bytes as the guest")
        account.must(self.mirrored == self.guest.frames, "each frame from the network must be mirrored, once")
        account.wrong += self.troubles
