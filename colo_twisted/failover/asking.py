"""The primary's part of the talk: what its comparer asks of the secondary, until that is answered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed

from colo_twisted.failover.arbitration import Arbitration
from colo_twisted.failover.messages import MOST_ENTRIES, Message, Type
from colo_twisted.failover.requests import Requests
from colo_twisted.failover.table import State
from colo_twisted.packets.sequence import Offsets

REPEAT_BEATS = 20  # from one time that something unanswered is said to the next


class Asking:
    """Each request fires True when it is answered, False when the secondary can't take over any more."""

    def __init__(
        self,
        arbitration: Arbitration,
        is_open: Callable[[], bool],
        say: Callable[[Message], None],
        protects: Callable[[], None],
    ) -> None:
        """
        @param is_open: whether somebody may answer.
        @param protects: called when the secondary has said that it follows new connections.
        """
        self._arbitration = arbitration
        self._is_open = is_open
        self._say = say
        self._protects = protects
        self._requests = Requests()
        self._unoffered: list[Deferred[bool]] = []  # those who wait for a PROTECT_NEW that may not be said yet
        self._offers = 0  # how often one was
        self._beats = REPEAT_BEATS

    def name_unprotected(self, keys: Sequence[bytes] | None) -> Deferred[bool]:
        """More than MOST_ENTRIES keys are all. That ends a protect_new that could not be said yet."""
        named = None if keys is None or len(keys) > MOST_ENTRIES else tuple(keys)
        if named is None:
            self._offer_nothing()
        return self._request(Message(Type.UNPROTECTED, keys=named))

    def protect_new(self) -> Deferred[bool]:
        """Said as soon as the secondary may be entitled by it."""
        if not self._is_open() and not self._arbitration.arbiter.bound:
            return succeed(False)
        answer: Deferred[bool] = Deferred()
        self._unoffered.append(answer)
        self.offer()
        return answer

    def offer(self) -> None:
        """Say PROTECT_NEW for those who wait for that, if it can be said now: with a number of now, too."""
        if not self._unoffered or not (self._arbitration.arbiter.state is State.SYNCED or self._arbitration.offer()):
            return
        waiting, self._unoffered = self._unoffered, []
        self._offers += 1
        self._request(Message(Type.PROTECT_NEW)).addCallback(_tell, waiting)

    def _offer_nothing(self) -> None:
        waiting, self._unoffered = self._unoffered, []
        _tell(False, waiting)

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        return self._ask(Message(Type.BEGIN, number, nonce=nonce))

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        """Raises ValueError for more than MOST_ENTRIES offsets."""
        return self._ask(Message(Type.DONE, number, offsets=offsets))

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask(Message(Type.ABORT, number, unchanged=unchanged))

    def invalidate(self, reason: str) -> Deferred[bool]:
        self._offer_nothing()
        return self._request(Message(Type.INVALID, reason=reason)).addCallback(self._invalid_known, self._offers)

    def _invalid_known(self, is_there: bool, offers: int) -> bool:
        """It may have been entitled anew, behind that."""
        if is_there and offers == self._offers:
            self._arbitration.revoke()
        return is_there

    def _request(self, message: Message) -> Deferred[bool]:
        return self._ask(dataclasses.replace(message, number=self._requests.next_number()))

    def _ask(self, message: Message) -> Deferred[bool]:
        if not self._is_open() and not self._arbitration.arbiter.bound:
            return succeed(False)
        answer = self._requests.add(message)
        self._say(message)
        return answer

    # answers

    def answered(self, message: Message) -> bool:
        """An ANSWER has come; False if nobody asked."""
        was_asked = self._requests.answered(message)
        if was_asked and message.answered == Type.PROTECT_NEW:
            self._protects()
        return was_asked

    def give_up(self) -> None:
        """No answer will come: the secondary can't take over any more."""
        self._offer_nothing()
        self._requests.give_up()

    def beat(self) -> None:
        """What was said while the other side heard nothing, or answered while this one heard nothing, is said again."""
        self._beats -= 1
        if self._beats <= 0:
            self.repeat()

    def repeat(self) -> None:
        """Say all that is unanswered once more."""
        self._beats = REPEAT_BEATS
        for message in self._requests.unanswered():
            self._say(message)


def _tell(is_there: bool, waiting: list[Deferred[bool]]) -> None:
    for answer in waiting:
        answer.callback(is_there)
