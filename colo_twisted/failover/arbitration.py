"""
One side of the pair in time: its beats, its lease, its fence command, and what is on its disk.

The table that it goes by is failover/table.py's; what it means for frames is its owner's affair.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall

from colo_twisted.failover.arbiter import Arbiter, Kept, Other, Policy
from colo_twisted.failover.heartbeats import Beat, Heartbeats
from colo_twisted.failover.messages import Message, Type
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.failover.table import PRIMARY, SECONDARY, State
from colo_twisted.packets.beats import SECRET_SIZE
from colo_twisted.reporting import Reporter

MS = 1000
LATE = 3  # intervals from one tick to the next after which this process has stood still
_KEYS = tuple(field.name for field in dataclasses.fields(Kept))
_OF_A_WORD = tuple(field.name for field in dataclasses.fields(Other))


class Fence(Protocol):
    """Switches the other side off."""

    @property
    def pausing(self) -> bool:
        """Whether it has failed, and is not to be run again yet."""

    def run(self, reason: str) -> None:
        """Begin; ``Arbitration.fenced`` is called with how it ended, later."""

    def cancel(self) -> None:
        """Stop; harmless when it doesn't run."""

    def forget(self) -> None:
        """The other side is heard again: the next run waits for no pause."""


class Owner(Protocol):
    """What is told."""

    def say(self, message: Message) -> None:
        """Send a message to the other side, if there is a connection."""

    def beat(self, message: Message) -> None:
        """Send a HEARTBEAT by every way."""

    def stands(self, before: State, state: State) -> None:
        """A transition was made."""

    def may_speak_again(self) -> None:
        """The lease was over without a transition, and is renewed."""


class Arbitration:
    """
    Ticks with the beats; ``heard`` and ``life`` take what comes.

    @ivar arbiter: how this side stands.
    @ivar secret: what this side's beats on the data channels bear.
    @ivar knows: the incarnation of the other side, 0 before its first word.
    @ivar headers: gives this side's Message.headers.
    @ivar has_ways: says whether a data channel leads to the other process.
    @ivar why_unfit: says in words why this side's guest could not follow, or not be heard; None if it could.
    @ivar may_offer: says whether the two go together, and the other's guest could follow.
    """

    def __init__(
        self,
        reactor: Any,
        monotonic: Callable[[], float],
        incarnation: int,
        policy: Policy,
        interval: float,
        timeout: float,
        state: StateFile,
        owner: Owner,
        why_not: Callable[[], str | None],
        is_unfit: Callable[[], bool],
        report: Reporter,
        fence: Fence | None = None,
    ) -> None:
        """
        @param interval: seconds between two beats.
        @param timeout: seconds without a sign of life after which the other side is silent.
        @param why_not: as Arbiter's; likewise is_unfit.
        """
        self.knows = 0
        self.headers: Callable[[], int] = lambda: 0
        self.has_ways: Callable[[], bool] = lambda: False
        self.why_unfit: Callable[[], str | None] = lambda: None
        self.may_offer: Callable[[], bool] = lambda: True
        self.secret = secrets.token_bytes(SECRET_SIZE)
        self.fence = fence
        self._reactor = reactor
        self._monotonic = monotonic
        self._incarnation = incarnation
        self._interval = interval
        self._state = state
        self._owner = owner
        self._report = report
        self._policy = policy
        self._why_not = why_not
        self._is_unfit = is_unfit
        self._beats = Heartbeats(timeout, monotonic())
        self._timer: IDelayedCall | None = None
        self._ticked_at = monotonic()
        self._is_late = False
        self.arbiter = Arbiter(Kept(""), policy, self._keep, why_not, is_unfit)

    # life

    def remember(self) -> None:
        """Put on the disk what is so by now: this side's number, above all. Raises StateError."""
        self._keep(self.arbiter.kept)

    def restore(self, role: str, speaks_already: bool = False) -> None:
        """Go on from the state file, or begin as ``role``. Raises StateError: the file is not this side's."""
        values = {name: self._state.values[name] for name in _KEYS if name in self._state.values}
        kept = Kept(**{"role": role, "side": _random_side(), **values})
        if not _is_sound(kept):
            raise StateError(f"{self._state.path} is no state file of this version: move it away")
        if (role, kept.role) == (PRIMARY, SECONDARY):
            raise StateError(f"{self._state.path} is a secondary's: move it away, or set role=secondary")
        self.arbiter = Arbiter(kept, self._policy, self._keep, self._why_not, self._is_unfit)
        self.arbiter.start(speaks_already)

    def start(self) -> None:
        """Begin to beat, and to wait for signs of life."""
        self._beats.sign_of_life(self._monotonic())
        self._ticked_at = self._monotonic()
        self._tick()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.fence is not None:
            self.fence.cancel()

    def _keep(self, kept: Kept) -> None:
        """Raises StateError, and nothing has changed."""
        self._state.keep(dataclasses.asdict(kept))

    # what is said

    def word(self, kind: Type) -> Message:
        """This side's, as a message of that type."""
        beat = self._beats.next(self._monotonic())
        kept = self.arbiter.kept
        return Message(
            kind,
            beat.number,
            role=kept.role,
            was=kept.was,
            solo=kept.solo,
            takes_over=self._policy.takes_over,
            unfenced=self._policy.takeover == "unfenced",
            keeps=self._state.path is not None,
            fit=self.why_unfit() is None,
            headers=self.headers(),
            timeout_ms=round(self._beats.timeout * MS),
            interval_ms=round(self._interval * MS),
            knows=self.knows,
            echo=beat.echo,
            side=kept.side,
            given_up=self.arbiter.given_up,
            declined=self.arbiter.declined,
            epoch=kept.epoch,
            nonce=self.secret,
        )

    def _tick(self) -> None:
        self._timer = self._reactor.callLater(self._interval, self._tick)
        now = self._monotonic()
        was_late, self._is_late = self._is_late, now - self._ticked_at > LATE * self._interval
        self._ticked_at = now
        if not self.arbiter.fencing:
            self._owner.beat(self.word(Type.HEARTBEAT))
        if self._is_late and not was_late:  # what the other said meanwhile is still to be read
            self._look_at_lease()
        else:
            self.look()

    # what is heard

    @property
    def deaf(self) -> bool:
        """Whether nothing that comes is heard: the other side is just being switched off."""
        return self.arbiter.fencing

    def life(self) -> None:
        """Anything has come from the other side, which is known."""
        self._beats.sign_of_life(self._monotonic())

    def overheard(self, to: int, number: int, echo: int, confirms: bool) -> None:
        """A beat has come by another way than colo-peer's connection."""
        if to == self._incarnation and not self.deaf:
            could_speak = self.may_speak
            self._beats.take(Beat(number, echo), self._monotonic())
            if confirms and self.leased:
                self._do(self.arbiter.confirm)
            self._tell_lease(could_speak)
            self.look()

    def heard(self, message: Message) -> None:
        """A HELLO or a HEARTBEAT has come."""
        could_speak = self.may_speak
        now = self._monotonic()
        renewed = message.incarnation != self.knows
        if renewed:
            self.knows = message.incarnation
            self._beats.begin(message.timeout_ms / MS, now)
        knows = message.knows == self._incarnation
        if knows:
            self._beats.take(Beat(message.number, message.echo), now)
        else:
            self._beats.sign_of_life(now)
        self._do(lambda: self.arbiter.meet(_other(message), renewed, knows, self.leased))
        self._tell_lease(could_speak)

    def _tell_lease(self, could_speak: bool) -> None:
        if self.may_speak and not could_speak:
            self._owner.may_speak_again()

    def is_stranger(self, hello: Message) -> bool:
        """As Arbiter's."""
        return self.arbiter.is_stranger(_other(hello))

    # how it stands

    @property
    def leased(self) -> bool:
        """Whether the other side has heard this one lately."""
        return self._monotonic() < self._beats.leased_until

    @property
    def may_speak(self) -> bool:
        """Whether the primary's guest may be heard now, whatever timers are late for."""
        return self.arbiter.may_speak and (not self.arbiter.bound or self.leased)

    def look(self) -> None:
        """See whether the other side is silent, and do what is to be done then."""
        arbiter, now = self.arbiter, self._monotonic()
        self._look_at_lease()
        if arbiter.is_gone:
            self._do(arbiter.closed)
        elif self._beats.is_silent(now) or (arbiter.bound and self._is_unheard):
            is_known = arbiter.state in (State.LOST, State.SHUT)
            if not (is_known and self.fence is not None and self.fence.pausing):  # else it may be heard meanwhile
                self._do(arbiter.silent)

    @property
    def _is_unheard(self) -> bool:
        """Whether the other, which may be heard itself, has heard nothing of this side for twice its timeout."""
        return self._beats.unheard * self._interval >= 2 * self._beats.their_timeout

    def _look_at_lease(self) -> None:
        if self.arbiter.bound and not self.leased:
            self._do(self.arbiter.lapse)

    # what happens

    def offer(self) -> bool:
        """As Arbiter's; not without a lease, where that is needed."""
        other = self.arbiter.other
        if other is None or (other.takes_over and not self.leased) or not self.may_offer():
            return False
        return bool(self._do(self.arbiter.offer))

    def entitle(self) -> bool:
        return bool(self._do(self.arbiter.entitle))

    def revoke(self) -> None:
        self._do(self.arbiter.revoke)

    def closed(self) -> None:
        self._do(self.arbiter.closed)

    def word_of_operator(self) -> None:
        """Raises StateError: it can't be kept."""
        before = self.arbiter.state
        if self.fence is not None:
            self.fence.cancel()
        self.arbiter.word()
        self._tell(before)

    def give_leave(self) -> None:
        """This side speaks on, and nobody here will know of the other: that one must not take over."""
        self._do(self.arbiter.word)

    def guest_died(self) -> None:
        self._do(self.arbiter.guest_died)

    def recover(self) -> None:
        """As Arbiter's."""
        self._do(self.arbiter.recover)

    def fenced(self, is_off: bool) -> None:
        """The fence command has ended."""
        self._do(lambda: self.arbiter.fenced(is_off))

    def _do(self, step: Callable[[], Any]) -> Any:
        """Take a step; one that can't be kept on the disk is not taken, and tried again with the next tick."""
        before, fencing = self.arbiter.state, self.arbiter.fencing
        try:
            result = step()
        except StateError as error:
            self._report.warn(f"this side stays '{before.value}': {error}", kind="state")
            result = None
        self._fence_or_not(fencing)
        self._tell(before)
        return result

    def _fence_or_not(self, before: bool) -> None:
        if self.fence is None or self.arbiter.fencing == before:
            return
        if self.arbiter.fencing:
            self.fence.run(f"the {'secondary' if self.arbiter.kept.role == PRIMARY else 'primary'} is silent")
        else:
            self.fence.cancel()

    def _tell(self, before: State) -> None:
        if self.arbiter.state is before:
            return
        if self.fence is not None and before in (State.LOST, State.SHUT):
            self.fence.forget()
        self._owner.stands(before, self.arbiter.state)


def _random_side() -> int:
    """A number for Kept.side."""
    return secrets.randbits(63) | 2  # neither NOBODY nor ANYBODY


def _other(word: Message) -> Other:
    return Other(**{name: getattr(word, name) for name in _OF_A_WORD})


def _is_sound(kept: Kept) -> bool:
    """Whether what was in a file can have been written by this version."""
    for field in dataclasses.fields(Kept):
        value = getattr(kept, field.name)
        if not isinstance(value, {"str": str, "int": int, "bool": bool}[str(field.type)]):
            return False
        if isinstance(value, int) and not 0 <= value < 1 << 63:
            return False
    return kept.role in (PRIMARY, SECONDARY) and kept.was in ("", PRIMARY, SECONDARY)
