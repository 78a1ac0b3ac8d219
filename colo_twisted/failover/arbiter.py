"""
Which of the two sides may speak to the network: when which row of failover/table.py is taken, and what must be on the
disk before that takes effect (SEMANTICS, 'Failover'). No clock, no connection, no command of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

from colo_twisted.failover.table import BY_EVENT, PRIMARY, SECONDARY, SPEAKING, Event, Row, State

NOBODY, ANYBODY = 0, 1  # as a partner; a side's own number is above


@dataclass(frozen=True)
class Kept:
    """
    What outlives a process.

    @ivar role: the side's; that of a secondary that has taken over is 'primary'.
    @ivar epoch: counts changes of who speaks; of two that meet the higher one is right.
    @ivar partner: the ``side`` of the other when they were last synced; ANYBODY if that was a secondary that would not
        have taken over by itself, or a primary without a state file; NOBODY before.
    @ivar solo: whether it has gone on without the other since they were last synced.
    @ivar was: its role when they were last synced, '' before.
    @ivar side: a random number that tells this side, as long as its state file is kept, from others.
    """

    role: str
    epoch: int = 0
    partner: int = NOBODY
    solo: bool = False
    was: str = ""
    side: int = 0


@dataclass(frozen=True)
class Other:
    """
    The other side, by its own word.

    ``takes_over``: whether it may, as a secondary, without an operator; ``unfenced``: and without a fence.
    ``keeps``: whether it has a state file.
    ``given_up``: which time it is that its guest has died, 0 while it hasn't; ``declined``: the same of this side's,
    where the other can't take over for that.
    """

    role: str
    epoch: int
    solo: bool
    was: str
    takes_over: bool
    unfenced: bool
    side: int = ANYBODY
    keeps: bool = False
    given_up: int = 0
    declined: int = 0


@dataclass(frozen=True)
class Policy:
    """
    What a side does without an operator.

    @ivar takeover: as a secondary: 'auto', 'unfenced', 'strict' or 'manual'.
    @ivar alone: as a primary: 'auto', 'unfenced' or 'manual'.
    @ivar fences: whether there is a fence command.
    """

    takeover: str = "manual"
    alone: str = "manual"
    fences: bool = False

    @property
    def takes_over(self) -> bool:
        """Whether a secondary may take over without an operator."""
        return self.takeover != "manual"


class Arbiter:
    """
    One side's.

    @ivar state: how it stands.
    @ivar kept: what is on the disk of it.
    @ivar other: the other side by its newest word, or None while this process has heard none.
    @ivar fencing: whether the fence command is to run, or runs: nothing is said to the other side meanwhile and
        nothing that it says is heard, so that it can't go on just when it is being switched off.
    @ivar given_up: which time it is that this primary's guest has died, 0 while it hasn't.
    @ivar is_gone: whether the other side speaks no more, for sure, since it was last heard.
    """

    def __init__(
        self,
        kept: Kept,
        policy: Policy,
        keep: Callable[[Kept], None],
        why_not: Callable[[], str | None],
        is_unfit: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        @param keep: called with what must be on the disk before a transition; what it raises stops that.
        @param why_not: why a secondary's guest can't take over now, in words; None if it can.
        @param is_unfit: whether it never can without the primary's help.
        """
        self.kept = kept
        self.policy = policy
        self.state = State.JOINING
        self.other: Other | None = None
        self.fencing = False
        self.given_up = 0
        self.is_gone = False
        self._times_given_up = 0
        self._keep = keep
        self._why_not = why_not
        self._is_unfit = is_unfit
        self._only_waits = False  # shut since the start: the other side, if it was entitled, has forgotten that

    def start(self, speaks_already: bool = False) -> None:
        """Begin; a primary that had a partner is shut, unless it is solo, in a process that ``speaks_already``."""
        if self.kept.role == PRIMARY and self.kept.partner != NOBODY and not (speaks_already and self.kept.solo):
            self.state = State.SHUT
            self._only_waits = True

    @property
    def may_speak(self) -> bool:
        """Whether a primary's guest may be heard. While ``bound``, for as long as the lease lasts."""
        return self.kept.role == PRIMARY and self.state in SPEAKING

    @property
    def bound(self) -> bool:
        """Whether this is a primary that would be taken for dead were it not heard, without an operator."""
        may_be_lost = self.kept.role == PRIMARY and self.state in (State.SYNCED, State.LOST)
        return may_be_lost and self.other is not None and self.other.takes_over

    @property
    def declined(self) -> int:
        """The number of the other's giving up that this side can't take over for: to be said to it."""
        if self.other is None or self.kept.role == PRIMARY or self.state is not State.JOINING:
            return 0
        return self.other.given_up

    def is_stranger(self, other: Other) -> bool:
        """
        Whether that is another side than the one of the last sync, which may speak, or be about to.

        Nothing is heard of it: what it says gives nobody the right to speak. Unless it has a higher epoch.
        """
        is_awaited = self._only_waits and not self.kept.solo
        if self.state not in (State.SYNCED, State.LOST) and not self.given_up and not is_awaited:
            return False
        if self.kept.partner == ANYBODY:
            is_another = is_awaited and other.role == PRIMARY
        else:
            is_another = self.kept.partner not in (NOBODY, other.side)
        return is_another and not self._is_overruled(other)

    # what the other side says

    def meet(self, other: Other, renewed: bool, knows: bool, leased: bool) -> None:
        """
        Its word has come.

        @param renewed: from another process than the one before.
        @param knows: it is meant for this process: what its sender said to one before this confirms nothing.
        @param leased: this side may speak for a while, as far as the heartbeats go.
        """
        if self.fencing or self.is_stranger(other):
            return
        self.other = other
        self.is_gone = False
        if renewed:
            self._take(Event.RENEWED)
        if self._is_overruled(other):
            self._take(Event.OVERRULED)
            self._only_waits = False  # it stays shut, whatever becomes of the other
        elif other.given_up and self.kept.role == SECONDARY:
            if self._is_unfit():
                self._take(Event.REVOKED)
            self.closed()
        elif knows and (leased or self.kept.role == SECONDARY or self.state is not State.LOST):
            self._take(Event.CONFIRMED)

    @property
    def confirms(self) -> bool:
        """Whether the other may go on, as far as this side is concerned: what a beat on a data channel says."""
        return self.state in (State.SYNCED, State.LOST) and (self.kept.role == SECONDARY or self.bound)

    def confirm(self) -> None:
        """
        A beat on a data channel says that this side may go on, to one that is leased: colo-peer's own may be cut.

        With a lease that is so: for as long as that lasts the other has not found this one silent.
        """
        other = self.other
        if self.fencing or self.is_gone or other is None or other.role == self.kept.role or other.given_up:
            return
        if self.state is State.LOST:
            self._take(Event.CONFIRMED)

    def _is_overruled(self, other: Other) -> bool:
        mine = self.kept
        if mine.epoch != other.epoch:
            return other.epoch > mine.epoch
        if mine.solo and other.solo:
            return mine.was == SECONDARY or mine.was == other.was
        return mine.role == other.role

    # what this side does with the other

    def offer(self) -> bool:
        """A primary is about to have new connections protected: whether it may say so."""
        if self.fencing or self.other is None or self.other.role != SECONDARY or self._row(Event.OFFERED) is None:
            return False
        self._write(partner=self.other.side if self.other.takes_over else ANYBODY, solo=False, was=PRIMARY)
        return self._take(Event.OFFERED)

    def entitle(self) -> bool:
        """A secondary is told that new connections are protected: whether it takes that."""
        if self.fencing or self.other is None or self.other.role != PRIMARY or self._row(Event.ENTITLED) is None:
            return self.state is State.SYNCED and self.kept.role == SECONDARY
        if self.other.given_up:  # it has been told that this side can't take over, and may go on
            return False
        partner = self.other.side if self.other.keeps else ANYBODY
        self._write(epoch=self.other.epoch, partner=partner, solo=False, was=SECONDARY)
        return self._take(Event.ENTITLED)

    def revoke(self) -> None:
        """The secondary is not to take over: on either side once that side knows it."""
        self._take(Event.REVOKED)

    # how the other side is lost

    def lapse(self) -> None:
        """The lease is over: the other might think that this side is silent, be that so or not."""
        if self.bound:
            self._take(Event.SILENT)

    def silent(self) -> None:
        """Nothing is heard of it; to be said again for as long as that is so."""
        if self.kept.role == SECONDARY or self.bound:
            self._take(Event.SILENT)
        self._decide()

    def closed(self) -> None:
        """
        Its process is dead, or has said goodbye, or has given its guest up: it speaks no more.

        To be said again: a secondary may be able to take over later.
        """
        self.is_gone = True
        if self.kept.role == PRIMARY or (self.policy.takes_over and self._why_not() is None):
            if self._take(Event.CLOSED):
                self.fencing = False
        else:
            self._take(Event.SILENT)

    def _decide(self) -> None:
        """Do what the policy says of a side that has lost the other, if it can be done now."""
        if self.fencing:
            return
        if self.kept.role == PRIMARY:
            if self.state is State.LOST and self.policy.alone == "unfenced" and not self._other_is_unfenced:
                self._take(Event.UNFENCED)
            # after a restart only one that nobody has followed since: another may be further, and must not be fenced
            # (one that an operator has opened is so too: whoever does that sees to this side)
            may_fence = self.state is State.LOST or (self._only_waits and self.kept.solo)
            self.fencing = may_fence and self.policy.alone == "auto" and self.policy.fences
        elif self.state is State.LOST and self._why_not() is None:
            if self.policy.takeover == "unfenced":
                self._take(Event.UNFENCED)
            else:
                self.fencing = self.policy.takes_over and self.policy.fences

    @property
    def _other_is_unfenced(self) -> bool:
        """Of two that both go on unfenced, the primary waits."""
        return self.other is None or self.other.unfenced

    def fenced(self, is_off: bool) -> None:
        """The fence command has ended."""
        self.fencing = False
        if is_off:
            self._take(Event.FENCED)

    def word(self) -> None:
        """An operator's, who has seen to it that the other side is off."""
        self.fencing = False
        self._take(Event.WORD)

    def guest_died(self) -> None:
        """This side's guest has died, or can't be heard: the other takes over when it hears so."""
        if self._take(Event.GUEST_DIED) and self.kept.role == PRIMARY:
            self._times_given_up += 1
            self.given_up = self._times_given_up

    def recover(self) -> None:
        """A guest is there that can be heard: it is, if the other side has heard that it wasn't, and can't help."""
        if self.given_up and self.other is not None and self.other.declined == self.given_up:
            self._take(Event.RECOVERED)

    # the table

    def _row(self, event: Event) -> Row | None:
        return BY_EVENT.get((self.kept.role, self.state, event))

    def _take(self, event: Event) -> bool:
        """Make a transition, if the table has one; what has to be on the disk for it is written first."""
        row = self._row(event)
        if row is None or (event is Event.CONFIRMED and self.state is State.SHUT and not self._only_waits):
            return False
        if row.solo:
            seen = 0 if self.other is None else self.other.epoch
            partner = self.kept.partner or ANYBODY
            was = self.kept.was or self.kept.role
            self._write(role=PRIMARY, epoch=max(self.kept.epoch, seen) + 1, partner=partner, solo=True, was=was)
        self.state = row.goes
        self._only_waits = False
        if row.goes is not State.SHUT:
            self.given_up = 0
        return True

    def _write(self, **changes: object) -> None:
        kept = dataclasses.replace(self.kept, **changes)  # type: ignore[arg-type]
        if kept != self.kept:
            self._keep(kept)
            self.kept = kept
