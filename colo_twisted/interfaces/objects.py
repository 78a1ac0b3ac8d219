"""What -object makes, and what such an object may offer to those who run it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import Attribute, Interface

from colo_twisted.counters import Counters
from colo_twisted.interfaces.frames import Direction
from colo_twisted.packets.batch import Batch


class IObject(Interface):
    """What -object makes."""

    id: str = Attribute("The object's id.")
    counters: Counters = Attribute("What it has counted.")

    def open() -> None:
        """
        Do what needs privileges.

        @raise StartError: it can't be done; nothing is left behind.
        """

    def start() -> None:
        """Begin; chardevs and netdevs are open."""

    def stop() -> None:
        """Hand on what is held; called before anything closes. Harmless when not started."""

    def close() -> None:
        """Give everything back that open took, after all objects have stopped; harmless when it was not called."""


class IFilter(IObject):
    """An object on a netdev's chain."""

    netdev: str = Attribute("The id of the netdev on whose chain it stands.")
    directions: frozenset[Direction] = Attribute("Which of the two it looks at.")
    status: bool = Attribute("Whether it is on; a filter that is off is passed by, and injects nothing.")
    position: str = Attribute("Where it wants to stand: 'head', 'tail' or 'id=FILTER'.")
    insert: str = Attribute("On which side of id=FILTER: 'before' or 'behind'.")
    vnet_hdr_support: bool = Attribute("Whether frames with vnet headers leave it as they came.")

    def receive(batch: Batch, direction: Direction) -> Batch | None:
        """
        Look at a batch on its way.

        @return: the frames that go on now: the batch itself, another one, or None for none.
        """


class IChangeable(Interface):
    """An object some of whose properties are settable."""

    def change(properties: Any) -> None:
        """
        Go on with changed properties.

        @param properties: of the same type; only settable ones differ.
        @raise OptionError: that can't be; nothing has changed then.
        """


class IRetiring(Interface):
    """An object that has something to do before it is removed while all else runs on."""

    def retire() -> None:
        """Hand on what is held, as if nobody were to come after it; C{stop} and C{close} follow."""


class IUser(Interface):
    """An object that works with others that its properties don't name."""

    def uses() -> list[str]:
        """The ids of those; they can't be removed before it."""


class IChain(Interface):
    """The filters on a netdev, between its network side and its guest."""

    reaches_network: bool = Attribute("Whether frames can go at the network's end: its cable is in, its TAP up.")
    guest_address: bytes | None = Attribute("The guest's Ethernet address: given, or learnt from what it sends.")

    def inject(behind: IFilter, direction: Direction, batch: Batch) -> None:
        """Let a batch enter behind a filter, as if that filter had let it pass."""

    def drain() -> None:
        """Let pass now what both ends have received."""

    def afterwards(call: Callable[[], None]) -> None:
        """Call it when the batch in hand, and its answers, have gone on; at once if none is in hand."""

    def announce(batch: Batch) -> None:
        """Send to the network, through the filters, what is to look as if the guest had sent it."""

    def refresh() -> None:
        """Look again at which filters are on, and which way they look."""

    def hold(holder: str, direction: Direction) -> None:
        """Ask the source of a direction's frames to wait; it reads again when each holder has let go."""

    def let_go(holder: str, direction: Direction) -> None:
        """Take back one's hold; harmless without one."""

    def press(holder: str, direction: Direction, full: bool) -> None:
        """Hold or let go."""
