"""Telling the network where the guests are: after a take-over, and when an operator asks (announce-self)."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.interfaces import IMachine
from colo_twisted.options.errors import StartError
from colo_twisted.packets.announce import announcement
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter

MOST_AT_ONCE = 16  # with different ids
SHORTEST_PAUSE = 0.01  # seconds


@dataclass(frozen=True)
class Announcing:
    """
    How often, and whose guests; the defaults are those of QEMU's migration.

    @ivar initial: milliseconds from the first round, which is at once, to the second.
    @ivar step: milliseconds by which each further pause is longer.
    @ivar max: milliseconds that a pause has at most.
    @ivar rounds: how many; 0 ends those under way.
    @ivar interfaces: ids of netdevs or devices; None: all.
    @ivar id: those with different ids go on side by side, one with the same id takes the other's place.
    """

    initial: int = 50
    max: int = 550
    rounds: int = 5
    step: int = 100
    interfaces: tuple[str, ...] | None = None
    id: str = ""

    def pause(self, rounds_done: int) -> float:
        """Seconds to the next round, at least SHORTEST_PAUSE."""
        milliseconds = self.initial + (rounds_done - 1) * self.step
        return max(SHORTEST_PAUSE, min(milliseconds, self.max) / 1000)


class Announcements:
    """Those that are under way, by id."""

    def __init__(self, machine: IMachine) -> None:
        self._machine = machine
        self._report = Reporter("announce-self")
        self._next: dict[str, IDelayedCall] = {}

    def announce(self, wanted: Announcing) -> None:
        """
        Begin at once, in the place of what goes on under the same id.

        @raise StartError: MOST_AT_ONCE others go on.
        """
        self._cancel(wanted.id)
        if wanted.rounds > 1 and len(self._next) >= MOST_AT_ONCE:
            raise StartError(f"{MOST_AT_ONCE} announcements are under way already: wait, or give the id of one")
        if wanted.rounds > 0:
            self._round(wanted, 0, set())

    def stop(self) -> None:
        """Announce nothing more."""
        for id in list(self._next):
            self._cancel(id)

    def _cancel(self, id: str) -> None:
        call = self._next.pop(id, None)
        if call is not None:
            call.cancel()

    def _round(self, wanted: Announcing, rounds_done: int, unknown: set[str]) -> None:
        """
        One packet a guest.

        @param unknown: netdevs whose guest's address wasn't known, and of which the log has been told.
        """
        self._next.pop(wanted.id, None)
        for id, device, chain in self._machine.guests():
            if not (wanted.interfaces is None or id in wanted.interfaces or device in wanted.interfaces):
                continue
            if chain.guest_address is not None:
                chain.announce(Batch.from_packets([announcement(chain.guest_address)]))
            elif id not in unknown:
                unknown.add(id)
                self._report.warn(
                    f"netdev '{id}': its guest is not announced: it has sent nothing yet, so nobody knows its address"
                )
        rounds_done += 1
        if rounds_done < wanted.rounds:
            pause = wanted.pause(rounds_done)
            self._next[wanted.id] = self._machine.reactor.callLater(pause, self._round, wanted, rounds_done, unknown)
