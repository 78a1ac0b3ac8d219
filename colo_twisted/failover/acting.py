"""The secondary's part of the talk: what the primary asks is done and answered, once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from colo_twisted.failover.arbitration import Arbitration
from colo_twisted.failover.messages import Message, Type
from colo_twisted.failover.replica import Replica
from colo_twisted.failover.table import PRIMARY
from colo_twisted.failover.talk import ColoPeerCounters
from colo_twisted.reporting import Reporter

MOST_REMEMBERED = 1024  # requests that were done, and may be said again because their answers were lost

NUMBERED = (Type.UNPROTECTED, Type.PROTECT_NEW, Type.INVALID)
"""Those that are counted by the primary's own numbers."""
ACTS = (Type.BEGIN, Type.DONE, Type.ABORT, *NUMBERED)
"""What a primary asks."""


class Acting:
    """Acts on the guest, for one primary's process at a time."""

    def __init__(
        self,
        replica: Replica,
        arbitration: Arbitration,
        may_be_entitled: Callable[[], bool],
        entitled: Callable[[], None],
        say: Callable[[Message], None],
        counters: ColoPeerCounters,
        report: Reporter,
    ) -> None:
        """
        @param may_be_entitled: whether this side's guest is there, and all else that a take-over needs.
        @param entitled: called when this side may take over from now on, or is told so anew.
        """
        self._replica = replica
        self._arbitration = arbitration
        self._may_be_entitled = may_be_entitled
        self._tell_entitled = entitled
        self._say = say
        self._counters = counters
        self._report = report
        self._done: deque[int] = deque(maxlen=MOST_REMEMBERED)
        self._refused: Message | None = None  # a PROTECT_NEW or DONE that was not answered, and may be yet

    def forget(self, is_new: bool) -> None:
        """The primary is gone; ``is_new``: another process is there in its place, with numbers of its own."""
        self._refused = None
        if is_new:
            self._done.clear()

    def beat(self) -> None:
        """What could not be done may be possible now."""
        if self._refused is not None:
            self.act(self._refused)

    def act(self, message: Message) -> None:
        """Do what the primary asks, and answer."""
        if self._arbitration.arbiter.kept.role == PRIMARY:
            self._counters.dropped_taken_over += 1
            self._report.warn(
                f"{Type(message.type).name} of a primary's is not answered: this side has taken over", kind="ignored"
            )
            return
        self._refused = None
        if message.type not in NUMBERED:
            answers = self._checkpoint(message)
        else:
            answers = message.number in self._done or self._do(message)
        if message.type == Type.DONE and not answers and self._replica.is_checkpointing:
            self._refused = message  # the guest's QEMU has its word in it
        if answers:
            self._counters.answered += 1
            self._say(Message(Type.ANSWER, message.number, answered=message.type))

    def _checkpoint(self, message: Message) -> bool:
        if message.type == Type.BEGIN:
            return self._replica.begin(message.number, message.nonce)
        if message.type == Type.DONE:
            return self._replica.done(message.number, message.offsets)
        return self._replica.abort(message.number, message.unchanged)

    def _do(self, message: Message) -> bool:
        """One that was not done yet; False: it is not answered."""
        if message.type == Type.UNPROTECTED:
            does = self._replica.unprotect(message.keys)
        elif message.type == Type.INVALID:
            does = self._replica.invalidate(message.reason)
            self._arbitration.revoke()
        elif self._done and message.number < max(self._done):
            return False  # what was asked since may say the contrary
        else:
            does = self._entitled()
            if not does:
                self._refused = message
        if does:
            self._done.append(message.number)
        return does

    def _entitled(self) -> bool:
        """The primary protects new connections: whether this guest follows them, and may take over from now on."""
        if not (self._may_be_entitled() and self._replica.protect_new() and self._arbitration.entitle()):
            return False
        self._tell_entitled()
        return True
