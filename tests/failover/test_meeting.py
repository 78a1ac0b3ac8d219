"""Two sides that meet, again or for the first time: who goes on, for all that may be on their disks."""

from __future__ import annotations

from itertools import product

import pytest

from colo_twisted.failover.arbiter import Arbiter, Kept, Other, Policy
from colo_twisted.failover.table import PRIMARY, SECONDARY, State

ALL = [
    Kept(role, epoch, True, solo, was)
    for role, epoch, solo, was in product((PRIMARY, SECONDARY), (3, 4), (False, True), (PRIMARY, SECONDARY))
    if not (role == SECONDARY and solo)  # who goes on alone is a primary
]


def side(kept: Kept, speaks: bool) -> Arbiter:
    """One that has been heard by nobody yet: just started, or speaking since before."""
    arbiter = Arbiter(kept, Policy(), lambda kept: None, lambda: None)
    if not speaks:
        arbiter.start()
    elif kept.solo:
        arbiter.state = State.ALONE
    return arbiter


def word(arbiter: Arbiter) -> Other:
    kept = arbiter.kept
    return Other(kept.role, kept.epoch, kept.solo, kept.was, False, False)


def goes_on(mine: Kept, other: Kept, speaks: bool) -> bool:
    """As SEMANTICS says it, of a primary; one that was started anew, and may have been followed, hears a secondary."""
    if not speaks and not mine.solo and other.role == PRIMARY:
        return False
    if mine.epoch != other.epoch:
        return mine.epoch > other.epoch
    if mine.solo and other.solo:
        return (mine.was, other.was) == (PRIMARY, SECONDARY)
    return other.role == SECONDARY


@pytest.mark.parametrize("speaks", [False, True], ids=["started", "speaking"])
@pytest.mark.parametrize("other", ALL)
@pytest.mark.parametrize("mine", ALL)
def test_who_goes_on(mine: Kept, other: Kept, speaks: bool) -> None:
    one, two = side(mine, speaks), side(other, speaks)
    words = word(one), word(two)
    one.meet(words[1], renewed=True, knows=True, leased=True)
    two.meet(words[0], renewed=True, knows=True, leased=True)
    for arbiter, kept, theirs in ((one, mine, other), (two, other, mine)):
        assert arbiter.may_speak == (kept.role == PRIMARY and goes_on(kept, theirs, speaks))
    assert not (one.may_speak and two.may_speak)


@pytest.mark.parametrize("kept", [Kept(PRIMARY, 3, True, False, PRIMARY), Kept(PRIMARY, 3, True, True, SECONDARY)])
def test_of_two_with_the_same_right_an_operator_says_who(kept: Kept) -> None:
    one, two = side(kept, True), side(kept, True)
    words = word(one), word(two)
    for arbiter, theirs in ((one, words[1]), (two, words[0])):
        arbiter.meet(theirs, renewed=True, knows=True, leased=True)
        assert arbiter.state is State.SHUT
        arbiter.meet(theirs, renewed=False, knows=True, leased=True)  # said again, it changes nothing
        assert arbiter.state is State.SHUT
    one.word()
    assert one.may_speak
    two.meet(word(one), renewed=False, knows=True, leased=True)
    assert two.state is State.SHUT
    one.meet(word(two), renewed=False, knows=True, leased=True)
    assert one.may_speak
