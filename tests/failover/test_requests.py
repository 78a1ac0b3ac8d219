"""What is asked is answered once, for all who asked it, or given up."""

from __future__ import annotations

from colo_twisted.failover.messages import Message, Type
from colo_twisted.failover.requests import Requests
from tests.support.wires import results


def an_answer(to: Message) -> Message:
    return Message(Type.ANSWER, to.number, answered=to.type)


def test_an_answer_is_for_all_who_asked_the_same_and_for_nobody_else() -> None:
    requests = Requests()
    begin, done = Message(Type.BEGIN, 5), Message(Type.DONE, 5)
    asked = [results(requests.add(message)) for message in (begin, begin, done, Message(Type.BEGIN, 6))]
    assert requests.answered(an_answer(begin))
    assert asked == [[True], [True], [], []]
    assert not requests.answered(an_answer(begin))


def test_what_is_given_up_is_answered_no_and_what_is_asked_then_is_new() -> None:
    requests = Requests()
    begin = Message(Type.BEGIN, 5)
    before = results(requests.add(begin))
    requests.give_up()
    after = results(requests.add(begin))
    assert (before, after) == ([False], [])


def test_who_is_told_no_may_ask_again_at_once() -> None:
    requests = Requests()
    begin = Message(Type.BEGIN, 5)
    again: list[list[bool]] = []
    requests.add(begin).addCallback(lambda _: again.append(results(requests.add(begin))))
    requests.give_up()
    assert again == [[]]
    assert requests.answered(an_answer(begin))
    assert again == [[True]]


def test_each_request_gets_a_number_of_its_own() -> None:
    requests = Requests()
    assert [requests.next_number() for _ in range(3)] == [1, 2, 3]
