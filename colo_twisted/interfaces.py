"""
What the parts promise each other.

Batches go one way: a netdev or a chardev receives them, a chain takes them through its filters, a
netdev or a chardev sends them. All calls are made in the reactor's thread, once a batch.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from colo_twisted.counters import Counters
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.sequence import Offsets


class Direction(enum.Enum):
    """Seen from the netdev: TX is what it sends, from the network to the guest; RX is from the guest to the network."""

    TX = "tx"
    RX = "rx"


class Decoder(Protocol):
    """
    Makes batches from a byte stream that is cut anywhere; packets.framing.FrameDecoder is the usual one.

    @ivar vnet_hdr: whether its batches carry vnet headers.
    @ivar broken: how the stream broke the protocol, in one line; None while it hasn't.
    @ivar held: bytes of a part frame that wait for the rest of it.
    """

    @property
    def vnet_hdr(self) -> bool: ...

    @property
    def broken(self) -> str | None: ...

    @property
    def held(self) -> int: ...

    def feed(self, data: bytes) -> Batch | None:
        """Take received bytes; return the frames that are whole now, or None if there are none."""


def _ignore(_: Any) -> None:
    """For the events that a front end has no use for."""


@dataclass
class FrontEnd:
    """
    The one user of a chardev.

    @ivar owner: who it is, for messages.
    @ivar vnet_hdr: whether frames on this chardev carry vnet headers, both ways.
    @ivar receive: called with each batch that came in; None means that whatever the peer sends is discarded.
    @ivar connection_changed: called with True when a peer is there, with False when it has gone.
    @ivar pressure_changed: called with True when the peer takes less than is written, with False when all is taken.
    @ivar decoder: makes what a byte stream from each new peer is read with, where that isn't Ethernet; else None.
    """

    owner: str
    vnet_hdr: bool = False
    receive: Callable[[Batch], None] | None = None
    connection_changed: Callable[[bool], None] = _ignore
    pressure_changed: Callable[[bool], None] = _ignore
    decoder: Callable[[], Decoder] | None = None


class IChardev(Interface):
    """A character device that carries frames: one front end here, one peer there."""

    id: str = Attribute("The chardev's id.")
    counters: Counters = Attribute("What it has counted.")
    front_end: FrontEnd | None = Attribute("Its user, if it has one.")
    connected: bool = Attribute("Whether a peer is there.")
    backlog: int = Attribute("Bytes written that the transport hasn't been given yet, as the peer doesn't take them.")

    def attach(front_end: FrontEnd) -> None:
        """
        Become the front end of this chardev.

        @raise StartError: it has one, or the other end of a pair carries vnet headers and this one doesn't.
        """

    def detach() -> None:
        """Stop being its front end; its peer stays connected, and what comes in is discarded."""

    def write(batch: Batch) -> None:
        """Send frames, in the form that the front end named. Never blocks; what can't be sent is dropped by name."""

    def disconnect(reason: str) -> None:
        """Drop the peer and whatever is still to be sent to it; it may connect again as new."""

    def open() -> None:
        """
        Do what needs privileges: bind.

        @raise StartError: it can't be done; nothing is left behind.
        """

    def start() -> Deferred[None] | None:
        """Begin to connect; the Deferred fires when start-up need no longer wait for a peer."""

    def close() -> Deferred[None] | None:
        """Give everything back that open and start took; harmless when neither was called."""


class INetdev(Interface):
    """One end of a guest's cable: a TAP, or a stream of frames to another process."""

    id: str = Attribute("The netdev's id.")
    counters: Counters = Attribute("What it has counted.")
    vnet_hdr_support: bool = Attribute("Whether it could carry vnet headers.")
    vnet_hdr: bool = Attribute("Whether the batches that it gives do carry them; known once it is open.")
    pressure_changed: Callable[[bool], None] = Attribute(
        "Called with True when it takes less than is sent, with False when all is taken. Set by its chain."
    )

    def open(vnet_hdr: bool) -> None:
        """
        Do what needs privileges.

        @param vnet_hdr: whether everything on this cable could carry vnet headers.
        @raise StartError: it can't be done; nothing is left behind.
        """

    def set_offloads(on: bool) -> None:
        """Let the kernel hand over segments to be cut and checksums to be finished, or not; only with vnet_hdr."""

    def start(receive: Callable[[Batch], None]) -> None:
        """Begin to read; ``receive`` is called with each batch."""

    def send(batch: Batch) -> None:
        """Send all frames, in whichever form they are. Never blocks; what can't be sent is dropped by name."""

    def pause() -> None:
        """Read no more for now, where the frames can wait at their source (a TAP); otherwise do nothing."""

    def resume() -> None:
        """Read again."""

    def close() -> Deferred[None] | None:
        """Give everything back that open and start took; harmless when neither was called."""


class IChain(Interface):
    """The filters on a netdev, between its network side and its guest."""

    def inject(behind: IFilter, direction: Direction, batch: Batch) -> None:
        """Let a batch enter behind a filter, as if that filter had let it pass."""

    def hold(holder: str, direction: Direction) -> None:
        """Ask the source of a direction's frames to wait; it reads again when each holder has let go."""

    def let_go(holder: str, direction: Direction) -> None:
        """Take back one's hold; harmless without one."""

    def press(holder: str, direction: Direction, full: bool) -> None:
        """Hold or let go."""


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


class Outcome(enum.Enum):
    """How a checkpoint ended: DONE, or the secondary is as it was (UNCHANGED), or nobody knows (FAILED)."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class ICheckpointer(IObject):
    """Makes the secondary equal to the primary. A comparer asks it, one checkpoint at a time."""

    unasked: Callable[[], None] = Attribute("Called when the other side has made one that nobody here asked for.")
    pauses_primary: bool = Attribute("Whether the primary's guest stands still when one is done, until it is told.")

    def checkpoint(number: int) -> Deferred[Outcome]:
        """Make one; the Deferred never fails."""

    def cancel() -> None:
        """End the one under way: it is FAILED."""


class ICheckpointed(Interface):
    """What takes part in checkpoints and protection on the secondary: its rewriter."""

    def begin_checkpoint() -> None:
        """Stop the guest's traffic both ways; the client's is kept within a bound."""

    def end_checkpoint(offsets: Mapping[bytes, Offsets], marker: bytes) -> None:
        """
        The guest equals the primary's now: traffic goes on.

        @param offsets: those of the primary's own rewriter, by connection key; all others are zero.
        @param marker: an Ethernet packet that goes out before anything that the guest sends.
        """

    def abort_checkpoint(unchanged: bool) -> None:
        """Let traffic on with the old offsets if the guest is unchanged; else it stays stopped."""

    def unprotect(keys: Sequence[bytes] | None) -> None:
        """Remember connections to be reset at a take-over; None: all that are open, and new ones until protect_new."""

    def protect_new() -> None:
        """New connections are followed again from their SYN on."""


class IColoPeer(IObject):
    """The other process of the pair, as the primary's comparer speaks to it."""

    role: str = Attribute("'primary' or 'secondary': this process's own.")
    connected: bool = Attribute("Whether the other process has said hello.")
    watchers: list[Callable[[bool], None]] = Attribute(
        "Each is called with True when the other process has said hello, with False when it has gone or comes as new."
    )

    def name_unprotected(keys: Sequence[bytes] | None) -> Deferred[bool]:
        """
        Tell it which connections are unprotected; None: all that are open, and new ones until protect_new.

        @return: fires True when it has answered, False when it has closed; not at all while it is silent.
        """

    def protect_new() -> Deferred[bool]:
        """Tell it that new connections are followed again; fires as for name_unprotected."""

    def begin(number: int, nonce: bytes) -> Deferred[bool]:
        """A checkpoint begins: it stops its guest and answers; fires as for name_unprotected."""

    def done(number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        """The checkpoint is made: it lets its guest go on and answers; fires as for name_unprotected."""

    def abort(number: int, unchanged: bool) -> Deferred[bool]:
        """The checkpoint failed; ``unchanged``: its guest is as it was. Fires as for name_unprotected."""

    def invalidate(reason: str) -> Deferred[bool]:
        """It must not take over until the next checkpoint; fires as for name_unprotected."""


class IComparer(IObject):
    """Compares two guests' output: colo-compare."""

    def add_passthrough(id: str, rule: Rule) -> None:
        """
        Let the flows that a rule fits go uncompared, those that are known too. May be called before start.

        @param id: whose rule it is; it takes the place of one with the same id.
        """

    def remove_passthrough(id: str) -> None:
        """
        Compare again: new connections, and at once all that is no connection.

        Harmless when there is no such rule.
        """


class IMirror(IFilter):
    """A filter that sends copies to the secondary."""

    connected: bool = Attribute("Whether somebody takes them; True while it is off.")
    watchers: list[Callable[[bool], None]] = Attribute("Called when that changes.")


class IMachine(Interface):
    """The running set, as those that belong to it see it."""

    reactor: Any = Attribute("The reactor.")
    monotonic: Callable[[], float] = Attribute("The time in seconds, whatever becomes of the wall clock.")

    def chardev(id: str) -> IChardev:
        """The chardev of that id. The options were checked: there is one."""

    def chain(netdev: str) -> IChain:
        """The chain of a netdev. The options were checked: there is one."""

    def object(id: str) -> IObject:
        """The object of that id, once all are built. The options were checked: there is one."""

    def providers(interface: type[Interface]) -> list[Any]:
        """All objects that provide an interface, once all are built."""


class IObjectType(Interface):
    """
    A type that -object can make; those of -chardev, -netdev and -device are described alike.

    A package adds one for -object as a Twisted plugin: a file in its own ``twisted/plugins/`` directory with an
    instance of ``colo_twisted.options.ObjectType``, which provides this interface.
    """

    name: str = Attribute("What the option string begins with.")
    summary: str = Attribute("A few words for help.")
    properties: type[Any] = Attribute("A subclass of colo_twisted.options.Properties that declares what it takes.")

    def create(properties: Any, machine: IMachine) -> Any:
        """
        Make one, with no side effect outside the machine yet.

        @param properties: an instance of C{self.properties}.
        @return: a provider of IObject; of IFilter for one that stands on a netdev. (A chardev's type returns an
            IChardev or a tuple of them, a netdev's an INetdev.)
        @raise StartError: the machine's other parts don't fit.
        """
