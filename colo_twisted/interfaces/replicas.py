"""Two copies of a guest: what compares them, what makes them equal again, and what the two processes say."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from colo_twisted.interfaces.frames import IChardev
from colo_twisted.interfaces.objects import IFilter, IObject
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.comparing.passthrough import Rule
from colo_twisted.packets.page import Page
from colo_twisted.packets.sequence import Offsets


class Outcome(enum.Enum):
    """How a checkpoint ended: DONE, or the secondary is as it was (UNCHANGED), or nobody knows (FAILED)."""

    DONE = "done"
    UNCHANGED = "unchanged"
    FAILED = "failed"


class ICheckpointer(IObject):
    """Makes the secondary equal to the primary. A comparer asks it, one checkpoint at a time."""

    unasked: Callable[[], None] = Attribute("Called when the other side has made one that nobody here asked for.")
    wanted: Callable[[str], None] = Attribute("Called with the reason when one is needed, for what only it knows.")
    halts: Callable[[], None] = Attribute(
        "Called when the primary's guest stands still for one: what it has sent by then is settled once that is done."
    )
    pauses_primary: bool = Attribute(
        "Whether the primary's guest stands still for each: from C{halts}, or else its end, on until it is told."
    )

    def checkpoint(number: int) -> Deferred[Outcome]:
        """Make one; the Deferred never fails."""

    def cancel() -> None:
        """End the one under way: it is FAILED."""


class ICheckpointed(Interface):
    """What takes part in checkpoints and protection on the secondary: its rewriter."""

    def begin_checkpoint() -> None:
        """Stop the guest's traffic both ways; it is kept within a bound. Harmless when it is stopped."""

    def guest_turned() -> None:
        """The guest has become the primary's equal: what it sent so far is of no use, what it sends now is."""

    def end_checkpoint(offsets: Mapping[bytes, Offsets], marker: bytes | None) -> None:
        """
        The guest equals the primary's now: traffic goes on.

        Unless C{guest_turned} was called since the beginning, what it has sent by now is of no use.

        @param offsets: those of the primary's own rewriter, by connection key; all others are zero.
        @param marker: an Ethernet packet that goes out before anything that the guest sends, if anybody waits for it.
        """

    def abort_checkpoint(unchanged: bool) -> None:
        """Let traffic on with the old offsets if the guest is unchanged; else it stays stopped."""

    def offsets() -> Mapping[bytes, Offsets]:
        """Its own that aren't zero, by connection key: a checkpoint of this guest carries them to the other side's."""

    def unprotect(keys: Sequence[bytes] | None) -> None:
        """Remember connections to be reset at a take-over; None: all that are open, and new ones until protect_new."""

    def protect_new() -> None:
        """New connections are followed again from their SYN on."""

    def unprotected() -> list[bytes]:
        """The keys of the open connections that would be reset at a take-over."""

    def fail_over() -> None:
        """The client hears this guest from now on: known connections go on, new ones are left alone."""


class IHypervisor(IObject):
    """What runs this side's guest and makes it the other's equal by itself: a QEMU under COLO."""

    role: str = Attribute("'primary' or 'secondary': whose guest it is.")
    answers: bool = Attribute("Whether it can be spoken with; one that can't is hung, or dead.")
    answer_watchers: list[Callable[[bool], None]] = Attribute("Each is called when that has changed.")
    connected: bool = Attribute("Whether the guest is under COLO.")
    why_not: str | None = Attribute("Why it isn't, in words; None if it is.")
    watchers: list[Callable[[bool], None]] = Attribute("Each is called when these two have changed.")

    def go_on() -> None:
        """This side goes on without the other: it is told so, now or as soon as it answers."""


class ICopy(IHypervisor):
    """
    The secondary's.

    It calls the methods guest_* of each secondary's colo-peer's C{replica} when it makes the guest another.
    """

    tells: bool = Attribute("Whether it would say so now.")

    def hear() -> None:
        """Take in what it has said by now, and not in the reactor's next turn."""

    def settle() -> None:
        """The primary is lost while the guest is being made anew: find out what has become of it, and say so."""


class IColoPeer(IObject):
    """The other process of the pair, as the primary's comparer speaks to it."""

    replica: Any = Attribute("Of a secondary: what is known of its guest; an ICopy tells it.")

    role: str = Attribute("'primary' or 'secondary': this process's own.")
    role_now: str = Attribute("The same, but of a survivor 'primary', also after its restart with a state file.")
    connected: bool = Attribute("Whether the other process has said hello.")
    watchers: list[Callable[[bool], None]] = Attribute(
        "Each is called with True when the other process has said hello, with False when it has gone or comes as new."
    )

    bound: bool = Attribute("Whether the secondary would take this primary for dead, were it not heard.")
    unlike: str | None = Attribute("What of the two configurations doesn't go together, in words, or None.")
    may_speak: bool = Attribute("Whether the primary's guest may be heard by the network now.")
    hushed: tuple[str, str] | None = Attribute("While it may not: the replica's state for that, and why; else None.")
    gate_watchers: list[Callable[[], None]] = Attribute("Each is called when these two may have changed.")
    announces: bool = Attribute("Whether a guest that takes over is announced to the network.")
    decided: Callable[[str], None] = Attribute("Called with the reason when this side goes on without the other.")
    why_not: str | None = Attribute("Why this side can't take over now, in words; None if it can.")

    def go_on(reason: str) -> None:
        """
        Go on without the other side: an operator has said so.

        @raise StateError: it can't be kept, and nothing has changed.
        """

    def name_unprotected(keys: Sequence[bytes] | None) -> Deferred[bool]:
        """
        Tell it which connections are unprotected; None: all that are open, and new ones until protect_new.

        @return: fires True when it has answered, False when it has closed; not at all while it is silent.
        """

    def protect_new() -> Deferred[bool]:
        """Tell it that new connections are followed again; fires as for name_unprotected."""

    def begin(number: int, nonce: bytes) -> Deferred[bool]:
        """A checkpoint begins: it stops its guest and answers; fires as for name_unprotected."""

    most_offsets: int = Attribute("So many connections' offsets done can carry.")

    def done(number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        """The checkpoint is made: it lets its guest go on and answers; fires as for name_unprotected."""

    def abort(number: int, unchanged: bool) -> Deferred[bool]:
        """The checkpoint failed; ``unchanged``: its guest is as it was. Fires as for name_unprotected."""

    def invalidate(reason: str) -> Deferred[bool]:
        """It must not take over until the next checkpoint; fires as for name_unprotected."""


class IComparer(IObject):
    """Compares two guests' output: colo-compare."""

    state: str = Attribute("The replica's: 'joining', 'synced', 'checkpointing', 'lost' or 'alone'.")
    reason: str = Attribute("Why it isn't synced, in words; '' when it is.")
    since: float = Attribute("The monotonic time at which it came into that state.")
    held_packets: int = Attribute("What waits, of either side.")
    held_bytes: int = Attribute("What that costs.")
    checkpoint_phase: str | None = Attribute("What a checkpoint waits for, in words; None without a checkpointer.")

    def channels() -> list[tuple[str, bool]]:
        """What must be up for the secondary to be followed, each with whether it is."""

    def connections(start: int, most: int) -> Page:
        """Flows that are known, from number C{start} on, at most C{most}, in the order in which they came."""

    def request_checkpoint(reason: str) -> int:
        """
        Ask for a checkpoint.

        @return: the number of the first one that settles all that has come by now, should it be made.
        @raise StartError: nothing here makes any.
        """

    def run_alone(reason: str) -> None:
        """Somebody who knows says that there is no secondary: hold nothing, until one comes anew."""

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


class IWay(Interface):
    """What carries frames between the two processes: a mirror, a secondary's redirectors, a comparer."""

    overhear: Callable[[Batch], Batch | None] | None = Attribute(
        "What each batch that comes from the other process goes through first: it may take frames out, or all."
    )

    chardevs: list[IChardev] = Attribute("Those that lead to the other process.")

    def send_beat(batch: Batch) -> None:
        """Send this to the other process, if that is there and this way leads to it."""


class IMirror(IFilter):
    """A filter that sends copies to the secondary."""

    connected: bool = Attribute("Whether somebody takes them.")
    watchers: list[Callable[[bool], None]] = Attribute("Called when that or C{status} changes.")
