"""What the primary has asked and the secondary has not answered yet."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from colo_twisted.failover.messages import Message


class Requests:
    """By type and number; the same one, asked again, is answered for all."""

    def __init__(self) -> None:
        self._numbered = 0
        self._pending: dict[tuple[int, int], tuple[Message, list[Deferred[bool]]]] = {}

    def next_number(self) -> int:
        """For a request that has no number of its own."""
        self._numbered += 1
        return self._numbered

    def add(self, message: Message) -> Deferred[bool]:
        """Fires True when it is answered, False when no answer will come."""
        answer: Deferred[bool] = Deferred()
        _, answers = self._pending.setdefault((message.type, message.number), (message, []))
        answers.append(answer)
        return answer

    def answered(self, message: Message) -> bool:
        """An ANSWER has come; False if nobody asked."""
        _, answers = self._pending.pop((message.answered, message.number), (None, []))
        for answer in answers:
            answer.callback(True)
        return bool(answers)

    def unanswered(self) -> list[Message]:
        """What was asked and not answered, oldest first: to be said again to somebody who was away."""
        return [message for message, _ in self._pending.values()]

    def give_up(self) -> None:
        """No answer will come to what was asked before."""
        pending, self._pending = self._pending, {}
        for _, answers in pending.values():
            for answer in answers:
                answer.callback(False)
