"""How a side stands, as its comparer and an operator hear it."""

from __future__ import annotations

from collections.abc import Callable

from colo_twisted.failover.arbiter import Arbiter
from colo_twisted.failover.arbitration import Arbitration
from colo_twisted.failover.messages import Message
from colo_twisted.failover.properties import ColoPeerProperties
from colo_twisted.failover.replica import Replica
from colo_twisted.failover.table import PRIMARY, SECONDARY, State
from colo_twisted.failover.talk import Refusal

_NOT_HEARD = "the other side has not been heard since the start, and may speak (colo-ctl failover if it is off)"
_OVERTAKEN = "the other side has taken over, or gone on alone, and this one must not speak any more"
_OUTDATED = (
    "the other side, a secondary, has followed a later primary than this one, or this one's state-file was lost: an"
    " operator must say whether this guest's state is the one to go on with (colo-ctl failover)"
)
_TWO_SECONDARIES = "the other process is a secondary too; one of them must be role=primary"
_STRANGER = (
    "another {role} is there than the one of the last sync, which may speak, or be about to; if that one is off, an"
    " operator must say so (colo-ctl failover)"
)
TWO_SPEAK = (
    "a primary is there though this side has taken over, and only one of the two guests may speak to the network"
)
_CLASH = "the other side has the same right to speak: an operator must say which one goes on (colo-ctl failover)"


class Condition:
    """
    Looks only.

    @ivar why_handed_over: why this side's guest was given up, '' if it wasn't.
    @ivar why_taken_over: why this side has gone on without the other, '' before.
    """

    def __init__(
        self,
        properties: ColoPeerProperties,
        arbitration: Arbitration,
        replica: Replica,
        is_connected: Callable[[], bool],
    ) -> None:
        """
        @param is_connected: whether the other process is there.
        """
        self.why_handed_over = ""
        self.why_taken_over = ""
        self._role = properties.role
        self._arbitration = arbitration
        self._replica = replica
        self._is_connected = is_connected
        self._strict = properties.takeover == "strict"

    @property
    def has_taken_over(self) -> bool:
        """Whether this is a survivor that was made as the secondary."""
        return self._role == SECONDARY and self._arbiter.kept.role == PRIMARY

    @property
    def overtaken(self) -> bool:
        """Whether the other side has gone on without this one, which must not speak any more."""
        other = self._arbiter.other
        return self._is_behind and other is not None and other.role == PRIMARY

    @property
    def _is_behind(self) -> bool:
        other = self._arbiter.other
        return self._arbiter.state is State.SHUT and other is not None and other.epoch > self._arbiter.kept.epoch

    @property
    def hushed(self) -> tuple[str, str] | None:
        """While the primary's guest may not be heard: the replica's state for that, and why; else None."""
        if self._role == SECONDARY or self._arbitration.may_speak:
            return None
        return ("shut", self.why_shut) if self._arbiter.state is State.SHUT else ("lost", self._why_lost(None))

    @property
    def replica(self) -> tuple[str, str]:
        """As the secondary's side sees it, and why; 'none' on the primary, whose comparer knows."""
        if self._role == PRIMARY:
            return "none", ""
        if self._arbiter.state is State.LOST:
            return "lost", self._why_lost(self.why_not)
        if self._arbiter.state is State.SHUT:
            return "shut", self.why_shut
        if self.has_taken_over:
            return "taken-over", self.why_taken_over
        if self._arbiter.state is State.SYNCED and not self._is_connected() and self._arbitration.has_ways():
            return "synced", "colo-peer's own connection is down; the primary is heard on another channel"
        state, reason = self._replica.condition(self._is_connected())
        if state == "joining" and self._is_connected() and (unfit := self._arbitration.why_unfit()) is not None:
            return state, unfit
        if state == "synced" and self._arbiter.state is not State.SYNCED:
            return "joining", self._why_not_entitled
        return state, reason

    @property
    def _why_not_entitled(self) -> str:
        if self._arbiter.declined:
            return "the primary's guest can't be heard by the network, and this side's couldn't either"
        return "this side's guest was gone, or couldn't be heard by the network"

    @property
    def two_speak(self) -> bool:
        """Whether a primary is there though this side has taken over."""
        other = self._arbiter.other
        is_there = self._is_connected() and other is not None and other.role == PRIMARY
        return is_there and self._arbiter.state is State.TAKEN_OVER

    def refusal(self, hello: Message) -> Refusal | None:
        """Whether nothing is to be taken from who says this hello."""
        if hello.role == self._arbiter.kept.role == SECONDARY:
            return Refusal(_TWO_SECONDARIES, False)
        return Refusal(_STRANGER.format(role=hello.role), True) if self._arbitration.is_stranger(hello) else None

    @property
    def why_not(self) -> str | None:
        """Why the secondary can't take over now by itself, in words; None if it can."""
        if self._replica.why_not is None and self._strict and (open_ones := self._replica.unprotected):
            return f"{open_ones} connections are unprotected, and takeover=strict"
        return self._replica.why_not

    @property
    def why_shut(self) -> str:
        """Of a side that is."""
        if self._arbiter.other is None:
            return _NOT_HEARD
        if self.overtaken:
            return _OVERTAKEN
        if self._is_behind:
            return _OUTDATED
        return self.why_handed_over if self.why_handed_over and self._arbiter.other.role == SECONDARY else _CLASH

    def _why_lost(self, why_not: str | None) -> str:
        """Of a side that is; ``why_not``: why it can't take over."""
        if self._arbiter.fencing:
            waits = "the fence command runs"
        elif why_not is not None:
            waits = why_not
        elif self._fences:
            waits = "the fence command will be tried again"
        else:
            waits = "it waits for it, or for an operator: colo-ctl failover"
        if self._arbiter.kept.role == PRIMARY:
            return f"the secondary is silent, and might take over: nothing leaves; {waits}"
        other = self._arbiter.other
        if other is not None and other.given_up:
            return f"the primary has handed over; {waits}"
        return f"the primary is {'gone' if self._arbiter.is_gone else 'silent'}; {waits}"

    @property
    def _fences(self) -> bool:
        """Whether the fence command is run by itself."""
        policy = self._arbiter.policy
        by_policy = policy.alone == "auto" if self._arbiter.kept.role == PRIMARY else policy.takes_over
        return policy.fences and by_policy

    @property
    def _arbiter(self) -> Arbiter:
        return self._arbitration.arbiter
