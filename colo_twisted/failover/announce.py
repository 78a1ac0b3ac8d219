"""Telling the network where the guests are: after a take-over, and when an operator asks (announce-self)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.interfaces import IChain, IMachine
from colo_twisted.netfilter.rewriter import FilterRewriter
from colo_twisted.options.errors import StartError
from colo_twisted.packets.addresses import MOST, Addresses, local_addresses
from colo_twisted.packets.announce import Address, address_announcements, announcement, tags_for, vlans_of
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.followed import PROPOSED
from colo_twisted.reporting import Reporter

MOST_AT_ONCE = 16  # with different ids
SHORTEST_PAUSE = 0.01  # seconds
MOST_CONNECTIONS = 1 << 16  # of a rewriter that are looked at for addresses: tens of milliseconds
# IP addresses are said less often than where a guest is: RFC 4861 section 7.2.6 has three advertisements at most, a
# second apart (MAX_NEIGHBOR_ADVERTISEMENT, RETRANS_TIMER); RFC 5227 section 2.3 two or more announcements
MOST_ADDRESS_ROUNDS = 3
ADDRESS_PAUSE = 1.0  # seconds at least


@dataclass(frozen=True)
class Announcing:
    """
    How often, whose guests, and what of them; the defaults are a take-over's, with the pauses of QEMU's migration.

    @ivar initial: milliseconds from the first round, which is at once, to the second.
    @ivar step: milliseconds by which each further pause is longer.
    @ivar max: milliseconds that a pause has at most.
    @ivar rounds: how many; 0 ends those under way. Eight take 2.35 s: IP addresses are said three times.
    @ivar interfaces: ids of netdevs or devices; None: all.
    @ivar id: those with different ids go on side by side, one with the same id takes the other's place.
    @ivar addresses: a guest's IP addresses are announced, too, and in each VLAN where it has some; else only its
        Ethernet address, as QEMU's announce-self does.
    """

    initial: int = 50
    max: int = 550
    rounds: int = 8
    step: int = 100
    interfaces: tuple[str, ...] | None = None
    id: str = ""
    addresses: bool = True

    def pause(self, rounds_done: int) -> float:
        """Seconds to the next round, at least SHORTEST_PAUSE."""
        milliseconds = self.initial + (rounds_done - 1) * self.step
        return max(SHORTEST_PAUSE, min(milliseconds, self.max) / 1000)


@dataclass
class Progress:
    """
    How far one has come.

    @ivar unknown: netdevs whose guest's address wasn't known, and of which the log has been told.
    @ivar connections: what a guest's connections are from (VLANs and IP address), by netdev, as of the first round.
    @ivar address_rounds: those in which IP addresses were said; at ``addresses_at`` (seconds) for the last time.
    """

    rounds: int = 0
    unknown: set[str] = field(default_factory=set)
    connections: dict[str, list[tuple[tuple[int, ...], bytes]]] = field(default_factory=dict)
    address_rounds: int = 0
    addresses_at: float = 0.0

    def says_addresses(self, now: float) -> bool:
        """Whether this round is one of those."""
        if self.address_rounds >= MOST_ADDRESS_ROUNDS:
            return False
        if self.address_rounds and now - self.addresses_at < ADDRESS_PAUSE:
            return False
        self.address_rounds += 1
        self.addresses_at = now
        return True


@runtime_checkable
class Learning(Protocol):
    """A chain that knows its guest's IP addresses, as Chain does."""

    addresses: Addresses


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
            self._round(wanted, Progress())

    def stop(self) -> None:
        """Announce nothing more."""
        for id in list(self._next):
            self._cancel(id)

    def _cancel(self, id: str) -> None:
        call = self._next.pop(id, None)
        if call is not None:
            call.cancel()

    def _round(self, wanted: Announcing, progress: Progress) -> None:
        """Each guest's packets, as one batch."""
        self._next.pop(wanted.id, None)
        says_addresses = wanted.addresses and progress.says_addresses(self._machine.monotonic())
        for id, device, chain in self._machine.guests():
            if not (wanted.interfaces is None or id in wanted.interfaces or device in wanted.interfaces):
                continue
            if chain.guest_address is not None:
                known = self._addresses(id, chain, chain.guest_address, progress) if wanted.addresses else []
                chain.announce(Batch.from_packets(_packets(chain.guest_address, known, says_addresses)))
            elif id not in progress.unknown:
                progress.unknown.add(id)
                self._report.warn(
                    f"netdev '{id}': its guest is not announced: it has sent nothing yet, so nobody knows its address"
                )
        progress.rounds += 1
        if progress.rounds < wanted.rounds:
            pause = wanted.pause(progress.rounds)
            self._next[wanted.id] = self._machine.reactor.callLater(pause, self._round, wanted, progress)

    def _addresses(self, netdev: str, chain: IChain, hardware: bytes, progress: Progress) -> list[Address]:
        """Those that its chain has heard and, as far as there is room, those of its connections."""
        heard = chain.addresses.all() if isinstance(chain, Learning) else []
        known = {(each.tags, each.ip): each for each in heard}
        own_tags = {vlans_of(each.tags): each.tags for each in heard}
        router = any(each.router and each.hardware == hardware for each in heard)
        if netdev not in progress.connections:
            progress.connections[netdev] = local_addresses(self._connections(netdev))
        room = {size: MOST - sum(len(each.ip) == size for each in heard) for size in (4, 16)}
        for vlans, ip in progress.connections[netdev]:
            tags = own_tags.get(vlans, tags_for(vlans))
            if (tags, ip) not in known and room[len(ip)] > 0:
                room[len(ip)] -= 1
                known[tags, ip] = Address(ip, hardware, hardware, tags, router)
        return list(known.values())

    def _connections(self, netdev: str) -> Iterator[bytes]:
        """The keys of those on which the guest has spoken, by its rewriters."""
        for made in self._machine.objects.values():
            if isinstance(made, FilterRewriter) and made.netdev == netdev:
                for known in made.rewriter.following.some(0, MOST_CONNECTIONS):
                    if known.state != PROPOSED:
                        yield known.key


def _packets(hardware: bytes, known: Iterable[Address], says_addresses: bool) -> Iterator[bytes]:
    """
    Where a guest is, in each VLAN, for switches learn it by VLAN; and its IP addresses.

    @param hardware: its own Ethernet address, always announced as QEMU does: without tags.
    """
    places = {(each.source, each.tags): None for each in known}  # in order
    places.pop((hardware, b""), None)
    yield announcement(hardware)
    for source, tags in places:
        yield announcement(source, tags)
    if says_addresses:
        yield from address_announcements(known)
