"""A connection that is unprotected stays so until it is over or a checkpoint is made, whenever its guest opens it."""

from __future__ import annotations

import pytest

from colo_twisted.packets.sequence import Offsets
from tests.packets.rewriting.test_resets import rst, sent_by_client, sent_by_guest, taken_over
from tests.support.cable import CLIENT_ISN, KEY, OFFSET, PRIMARY_ISN, SECONDARY_ISN, Cable, client, guest, places
from tests.support.segments import ACK, FIN, SYN, Segment

OPENS = Segment(CLIENT_ISN, flags=SYN)
ANSWERS = Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK)
OTHER_ISN = CLIENT_ISN + 5_000_000


def reused(cable: Cable) -> Cable:
    """Both ends have finished, and the client opens another connection between the same ports."""
    cable.from_guest(Segment(SECONDARY_ISN + 1, CLIENT_ISN + 1, FIN | ACK))
    cable.to_guest(client(0, 1, flags=FIN | ACK))
    cable.from_guest(Segment(SECONDARY_ISN + 2, CLIENT_ISN + 2))
    cable.to_guest(Segment(OTHER_ISN, flags=SYN))
    return cable


def answer(cable: Cable, isn: int = OTHER_ISN) -> None:
    """The guest answers the client's SYN with an ISN that it has not had."""
    cable.from_guest(Segment(SECONDARY_ISN + isn, isn + 1, SYN | ACK))


def name(cable: Cable) -> None:
    cable.following.unprotect([KEY], cable.now)


@pytest.mark.parametrize("syn_first", [True, False])
def test_one_that_is_named_before_its_guest_has_answered_is_reset_at_a_take_over(syn_first: bool) -> None:
    """The guest is slow, or what names the connection overtakes the mirrored SYN."""
    cable = Cable()
    steps = [lambda: cable.to_guest(OPENS), lambda: name(cable)]
    for step in steps if syn_first else reversed(steps):
        step()
    cable.from_guest(ANSWERS)
    assert cable.following.unprotected() == [KEY]
    cable.to_guest(client(0, 0))
    assert taken_over(cable, unprotected=False) == ([rst(CLIENT_ISN + 1)], [rst(PRIMARY_ISN + 1)])


def test_one_that_is_named_before_its_guest_opens_it() -> None:
    cable = Cable()
    name(cable)
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN))
    assert cable.following.unprotected() == [KEY]
    cable.from_guest(Segment(SECONDARY_ISN + 999, flags=SYN))
    assert cable.following.unprotected() == [], "it has begun another one"


def test_one_that_is_named_and_then_answered_with_another_isn() -> None:
    """A guest that is short of room forgets what it has answered, and makes a new ISN for the SYN's repetition."""
    cable = Cable()
    cable.to_guest(OPENS)
    cable.from_guest(ANSWERS)
    name(cable)
    cable.to_guest(OPENS)
    answer(cable, CLIENT_ISN)
    assert cable.following.unprotected() == [KEY]


@pytest.mark.parametrize("known", [True, False])
def test_one_whose_syn_came_before_new_ones_were_protected(known: bool) -> None:
    """The primary may have answered it then, uncompared."""
    cable = Cable()
    if known:
        cable.to_guest(OPENS)
    cable.following.unprotect(None, cable.now)
    cable.to_guest(OPENS)
    cable.following.protect_new()
    cable.from_guest(ANSWERS)
    assert cable.following.unprotected() == [KEY]


def test_one_whose_syn_came_afterwards_is_protected() -> None:
    cable = Cable()
    cable.following.unprotect(None, cable.now)
    cable.to_guest(OPENS)
    cable.following.protect_new()
    cable.to_guest(Segment(OTHER_ISN, flags=SYN))
    answer(cable)
    assert cable.following.unprotected() == []


def test_between_reused_ports_the_old_one_being_unprotected_says_nothing_of_the_new() -> None:
    cable = Cable().open()
    name(cable)
    answer(reused(cable))
    assert cable.following.unprotected() == []


def test_between_reused_ports_the_new_one_may_be_named_before_its_guest_has_answered() -> None:
    cable = reused(Cable().open())
    name(cable)
    answer(cable)
    assert cable.following.unprotected() == [KEY]


def test_a_checkpoint_ends_it_for_one_that_is_still_to_be_answered() -> None:
    cable = Cable()
    cable.following.unprotect(None, cable.now)
    cable.to_guest(OPENS)
    cable.following.checkpoint({}, cable.now)
    cable.following.protect_new()
    cable.from_guest(ANSWERS)
    assert cable.following.unprotected() == []


def test_what_a_take_over_met_unanswered_is_this_guests_own_if_the_client_says_so() -> None:
    cable = Cable()
    cable.following.unprotect(None, cable.now)
    cable.to_guest(OPENS)
    cable.following.protect_new()
    taken_over(cable, unprotected=False)
    assert sent_by_guest(cable, ANSWERS) == ([ANSWERS], [])
    ack = Segment(CLIENT_ISN + 1, SECONDARY_ISN + 1)
    assert sent_by_client(cable, ack) == ([ack], [])


@pytest.mark.parametrize("blind", [True, False])
def test_a_syn_of_anybodys_takes_no_offset_away_that_a_checkpoint_brings(blind: bool) -> None:
    """It is for a connection that is open at the primary, and not known here yet."""
    cable = Cable()
    if blind:
        cable.to_guest(Segment(77_777, flags=SYN))
        cable.following.unprotect(None, cable.now)
    cable.following.checkpoint({KEY: Offsets(OFFSET, 0)}, cable.now)
    cable.following.protect_new()
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    assert places(cable.to_guest(client(0, 1)))[1] == 1
    assert cable.following.unprotected() == []
