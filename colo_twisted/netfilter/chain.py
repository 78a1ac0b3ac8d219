"""
The chain on a netdev: the way between the network and the guest.

    network --tx-->  head, ..., tail  --> guest
    network <--rx--  head, ..., tail  <-- guest
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import Direction, IChain, IFilter, INetdev
from colo_twisted.options.errors import NoSuchFilter
from colo_twisted.packets.addresses import Addresses
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.ethernet import source_address
from colo_twisted.reporting import Reporter

_log = Logger("colo_twisted")

_Steps = tuple[tuple[IFilter, Callable[[Batch, Direction], Batch | None]], ...]


@dataclass
class ChainCounters(Counters):
    """What the ends of the chain can't pass on."""

    dropped_no_guest: int = 0  # no -device is plugged in
    dropped_link_down: int = 0  # set_link pulled the cable out, at either end
    dropped_filter_failed: int = 0  # a filter raised an exception over them


@implementer(IChain)
class Chain:
    """
    A netdev (its network side), a guest (another netdev, or None), and the filters between them.

    @ivar addresses: the guest's IP addresses, as far as it has been heard of late.
    """

    def __init__(self, network: INetdev, guest: INetdev | None) -> None:
        self.network = network
        self.guest: INetdev | None = None
        self.guest_address: bytes | None = None
        self.addresses = Addresses()
        self.counters: ChainCounters = ChainCounters()
        self.filters: list[IFilter] = []  # head first
        self.offloads = False  # whether both ends have them on
        self._report = Reporter(f"chain {network.id}")
        self._steps: dict[Direction, _Steps] = {Direction.TX: (), Direction.RX: ()}
        self._behind: dict[tuple[str, Direction], _Steps] = {}  # what an injected batch meets, by the filter's id
        self._holders: dict[Direction, set[str]] = {Direction.TX: set(), Direction.RX: set()}
        self._sources: dict[Direction, INetdev | None] = {Direction.TX: network, Direction.RX: None}
        self.link_up = True  # whether the network's end is plugged in
        self.guest_link_up = True
        self._started = False
        self._in_turn = False  # a batch is in hand
        self._afterwards: deque[Callable[[], None]] = deque()
        network.pressure_changed = self._network_pressure
        if guest is not None:
            self.plug_in(guest)

    # the guest

    def plug_in(self, guest: INetdev, address: bytes | None = None) -> None:
        """Give it a guest, which it has not; the Ethernet address, if that is known, is what it sends from."""
        if self.offloads:
            self._set_offloads(False)
            self.network.drain()
        self.guest = self._sources[Direction.RX] = guest
        self.guest_address = address
        guest.pressure_changed = self._guest_pressure
        if self._holders[Direction.RX]:
            guest.pause()
        if not self.guest_link_up:
            guest.set_link(False)

    def start_guest(self) -> None:
        """Let a guest that was plugged in while frames flow begin to read; harmless before they do."""
        if self._started and self.guest is not None:
            self.guest.start(self.receive_rx)

    def unplug(self) -> None:
        """Take its guest away; what that has sent by now still passes."""
        guest = self.guest
        if guest is None:
            return
        guest.drain()
        self.guest = self._sources[Direction.RX] = None
        self.guest_address = None
        self.addresses.clear()
        self._guest_pressure(False)
        guest.pressure_changed = lambda full: None
        if not self.guest_link_up:
            guest.set_link(True)
        if self._holders[Direction.RX]:
            guest.resume()
        self.guest_link_up = self.link_up  # a netdev's cable is its guest's, too

    def set_link(self, source: Direction, up: bool) -> None:
        """Pull the cable out, or plug it in, at the end where a direction's frames come from."""
        if source is Direction.TX:
            self.link_up = up
        else:
            self.guest_link_up = up
        end = self._sources[source]
        if end is not None:
            end.set_link(up)

    @property
    def reaches_network(self) -> bool:
        """As the interface says."""
        network: Any = self.network
        return self.link_up and not (getattr(network, "down", False) or getattr(network, "gone", False))

    # the filters

    def insert(self, new: IFilter) -> None:
        """Put a filter where it asks to stand. Raises NoSuchFilter if the one that it names isn't here."""
        if new.position == "head":
            index = 0
        elif new.position == "tail":
            index = len(self.filters)
        else:
            index = self._index_of(new) + (new.insert == "behind")
        if self.offloads and not new.vnet_hdr_support:
            self._set_offloads(False)
            self.drain()  # what stands in the kernel's queues still has offloads: it goes the old way
        self.filters.insert(index, new)
        self.refresh()

    def _index_of(self, new: IFilter) -> int:
        neighbour = new.position.removeprefix("id=")
        for index, known in enumerate(self.filters):
            if known.id == neighbour:
                return index
        raise NoSuchFilter(
            f"-object ...,id={new.id}: property 'position': netdev '{self.network.id}' has no filter '{neighbour}'",
            neighbour,
        )

    def remove(self, old: IFilter) -> None:
        """Take a filter out; what passes from now on passes without it."""
        self.filters.remove(old)
        self.refresh()
        for direction in Direction:
            self.let_go(old.id, direction)
        if self._started:
            self.settle_offloads()

    def refresh(self) -> None:
        self._behind.clear()
        for direction, order in ((Direction.TX, self.filters), (Direction.RX, self.filters[::-1])):
            steps: _Steps = ()
            for known in reversed(order):
                self._behind[known.id, direction] = steps
                if known.status and direction in known.directions:
                    steps = ((known, known.receive), *steps)
            self._steps[direction] = steps

    # the frames

    def start(self) -> None:
        """Let both ends begin to read."""
        self._started = True
        self.start_guest()
        self.network.start(self.receive_tx)

    def drain(self) -> None:
        """Let what both ends have received pass now."""
        for end in self.ends:
            end.drain()

    def receive_tx(self, batch: Batch) -> None:
        """From the network."""
        if self.link_up:
            self._take_turn(Direction.TX, batch)
        else:
            self.counters.dropped_link_down += len(batch)

    def receive_rx(self, batch: Batch) -> None:
        """From the guest."""
        if self.guest_address is None:
            self.guest_address = source_address(next(batch.packets(), b""))
        if self.guest_link_up:
            self._take_turn(Direction.RX, batch)
        else:
            self.counters.dropped_link_down += len(batch)
        self.addresses.from_guest(batch)

    def _take_turn(self, direction: Direction, batch: Batch) -> None:
        """
        Pass a batch on, and take the other end's answers to it: the reactor need not wake up for them.

        Once for a turn, so that two ends that answer each other keep nobody else waiting.
        """
        if self._in_turn:
            self._pass(self._steps[direction], direction, batch)
            return
        self._in_turn = True
        try:
            self._pass(self._steps[direction], direction, batch)
            answering = self.guest if direction is Direction.TX else self.network
            if answering is not None:
                answering.glance()
        finally:
            self._in_turn = False
            while self._afterwards:
                self._afterwards.popleft()()

    def afterwards(self, call: Callable[[], None]) -> None:
        if self._in_turn:
            self._afterwards.append(call)
        else:
            call()

    def inject(self, behind: IFilter, direction: Direction, batch: Batch) -> None:
        self._pass(self._behind[behind.id, direction], direction, batch)

    def _pass(self, steps: _Steps, direction: Direction, batch: Batch) -> None:
        for known, receive in steps:
            try:
                passed = receive(batch, direction)
            except Exception as error:  # another package's filter; it must not cost the TAP, whose turn this is
                self._failed(known, error, len(batch))
                return
            if passed is None:
                return
            batch = passed
        if direction is Direction.RX:
            self._send_to_network(batch)
        else:
            self._send_to_guest(batch)

    def announce(self, batch: Batch) -> None:
        if self.guest_link_up:
            self._pass(self._steps[Direction.RX], Direction.RX, batch)

    def _send_to_network(self, batch: Batch) -> None:
        if self.link_up:
            self.network.send(batch)
        else:
            self.counters.dropped_link_down += len(batch)

    def _send_to_guest(self, batch: Batch) -> None:
        if self.guest is None:
            self.counters.dropped_no_guest += len(batch)
        elif self.guest_link_up:
            self.guest.send(batch)
            self.addresses.to_guest(batch)
        else:
            self.counters.dropped_link_down += len(batch)

    def _failed(self, known: IFilter, error: Exception, frames: int) -> None:
        self.counters.dropped_filter_failed += frames
        self._report.warn(f"filter '{known.id}' failed, its frames are dropped: {error!r}", kind="failed")
        if self.counters.dropped_filter_failed == frames:
            _log.failure("the first such failure", Failure(error))

    # making the source wait

    def hold(self, holder: str, direction: Direction) -> None:
        holders = self._holders[direction]
        source = self._sources[direction]
        if not holders and source is not None:
            source.pause()
        holders.add(holder)

    def let_go(self, holder: str, direction: Direction) -> None:
        holders = self._holders[direction]
        source = self._sources[direction]
        if holder in holders:
            holders.remove(holder)
            if not holders and source is not None:
                source.resume()

    def press(self, holder: str, direction: Direction, full: bool) -> None:
        """Hold or let go."""
        (self.hold if full else self.let_go)(holder, direction)

    def _guest_pressure(self, full: bool) -> None:
        self.press("the guest", Direction.TX, full)

    def _network_pressure(self, full: bool) -> None:
        self.press("the network", Direction.RX, full)

    # vnet headers

    @property
    def ends(self) -> tuple[INetdev, ...]:
        """The network's side and, where there is one, the guest's."""
        return (self.network,) if self.guest is None else (self.network, self.guest)

    @property
    def carries_vnet_hdr(self) -> bool:
        """Whether all that a packet meets here could pass vnet headers on."""
        return all(end.vnet_hdr_support for end in self.ends) and all(known.vnet_hdr_support for known in self.filters)

    def settle_offloads(self) -> None:
        """Offloads are on when everything here carries vnet headers: then no packet must be finished in between."""
        self._set_offloads(self.carries_vnet_hdr and all(end.vnet_hdr for end in self.ends))

    def _set_offloads(self, on: bool) -> None:
        self.offloads = on
        for end in self.ends:
            end.set_offloads(on)
