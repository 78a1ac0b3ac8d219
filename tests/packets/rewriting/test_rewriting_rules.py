"""The rewriter, rule by rule: offsets of either kind of opening, and acks for what the guest has not sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.cable import (
    CLIENT_ISN,
    CLIENT_TS,
    ENDS,
    PRIMARY_ISN,
    PRIMARY_TS,
    SECONDARY_ISN,
    SECONDARY_TS,
    Cable,
    client,
    guest,
    places,
)
from tests.support.replicas import CLIENT6, GUEST6
from tests.support.segments import ACK, MODULUS, RST, SYN, Address, Segment

# the offset


@pytest.mark.parametrize(("end", "other"), ENDS)
@pytest.mark.parametrize("tags", [(), (5,), (7, 5)])
def test_client_opens_ack_gets_the_offset_and_seq_loses_it(end: Address, other: Address, tags: Any) -> None:
    cable = Cable(end, other, tags).open()
    assert places(cable.from_guest(guest(0, payload=b"x" * 100)))[0] == 0  # across the wrap of the primary's
    assert places(cable.from_guest(guest(100, payload=b"odd")))[0] == 100
    assert places(cable.to_guest(client(0, 103)))[1] == 103


@pytest.mark.parametrize(("end", "other"), ENDS)
def test_guest_opens(end: Address, other: Address) -> None:
    cable = Cable(end, other)
    assert cable.from_guest(Segment(SECONDARY_ISN, flags=SYN, mss=1460)).seq == SECONDARY_ISN
    answer = cable.to_guest(Segment(CLIENT_ISN, (PRIMARY_ISN + 1) % MODULUS, SYN | ACK, mss=1460))
    assert answer.ack == SECONDARY_ISN + 1
    assert places(cable.from_guest(guest(0, payload=b"hello")))[0] == 0


def test_a_refusal_of_the_guests_opening_bears_its_own_ack() -> None:
    cable = Cable()
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN))
    assert cable.to_guest(Segment(0, (PRIMARY_ISN + 1) % MODULUS, RST | ACK)).ack == SECONDARY_ISN + 1


@pytest.mark.parametrize("last", [SYN | ACK, ACK])
def test_both_open(last: int) -> None:
    cable = Cable()
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN))
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK))
    seq = CLIENT_ISN if last & SYN else CLIENT_ISN + 1
    assert cable.to_guest(Segment(seq, (PRIMARY_ISN + 1) % MODULUS, last)).ack == SECONDARY_ISN + 1
    assert places(cable.from_guest(guest(0, payload=b"hello")))[0] == 0


def test_the_guests_syn_ack_goes_out_as_it_is_and_repeated_later_in_the_primarys_numbers() -> None:
    cable = Cable()
    syn_ack = Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK)
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    assert cable.from_guest(syn_ack) == syn_ack
    assert cable.from_guest(syn_ack) == syn_ack
    cable.to_guest(client(0, 0))
    assert cable.from_guest(syn_ack).seq == PRIMARY_ISN
    assert cable.counters.opened == 1


def test_nothing_is_learnt_from_a_segment_that_is_not_in_the_guests_window() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK))
    stray = Segment(CLIENT_ISN + 5_000_000, 12345)
    assert cable.to_guest(stray) == stray
    assert cable.to_guest(client(0, 0)).ack == SECONDARY_ISN + 1


# acks for what the guest has not sent


@pytest.mark.parametrize("scale", [None, 0, 4])
def test_an_ack_ahead_of_the_guest_is_lowered_and_the_edge_stays(scale: int | None) -> None:
    cable = Cable().open(scale=scale)
    cable.from_guest(guest(0, payload=b"x" * 100))
    units = 1 << (scale or 0)
    translated = cable.to_guest(client(0, 100 + 64, window=500))
    assert places(translated)[1] == 100
    assert 100 + translated.window * units == 164 + 500 * units
    assert cable.counters.clamped == 1
    assert places(cable.to_guest(client(0, 60_100, window=65_000)))[1] == 100


def test_a_window_that_was_widened_stays_a_field() -> None:
    cable = Cable().open()
    assert cable.to_guest(client(0, 30_000, window=60_000)).window == 65535


def test_the_scale_of_an_opening_that_was_not_seen_is_taken_to_be_the_largest() -> None:
    cable = Cable()
    cable.from_guest(Segment(100, 7, payload=b"x"))
    cable.to_guest(Segment(7, 101))
    assert cable.to_guest(Segment(7, 101 + (1 << 15), window=10)).window == 12


def test_the_full_ack_follows_once_the_guest_has_sent_it_even_if_the_client_is_silent() -> None:
    cable = Cable().open(scale=2)
    cable.to_guest(client(0, 200, window=300, payload=b"request"))
    assert cable.owed() == []
    cable.from_guest(guest(0, 7, payload=b"x" * 120))
    (part,) = cable.owed()
    assert (part.seq, part.flags, places(part)[1], part.payload) == (CLIENT_ISN + 8, ACK, 120, b"")
    assert part.window == 300 + 80 // 4
    cable.from_guest(guest(120, 7, payload=b"x" * 80))
    (full,) = cable.owed()
    assert (places(full)[1], full.window) == (200, 300)
    cable.from_guest(guest(200, 7, payload=b"more"))
    assert cable.owed() == []
    assert (cable.counters.acks_owed, cable.counters.acks_delivered) == (1, 2)


def test_what_is_owed_passes_paws_and_echoes_the_guests_own() -> None:
    cable = Cable(CLIENT6, GUEST6, (5,)).open(stamped=True)
    cable.to_guest(client(0, 10, timestamps=(CLIENT_TS + 5, PRIMARY_TS)))
    cable.from_guest(guest(0, payload=b"x" * 10, timestamps=(SECONDARY_TS + 9, CLIENT_TS + 5)))
    (owed,) = cable.owed()
    assert owed.timestamps == (CLIENT_TS + 5, SECONDARY_TS + 9)


def test_what_is_owed_passes_paws_when_the_guest_has_been_given_more_than_it_had_seen() -> None:
    """Its own segment was under way while the client's next, with a newer TSval, came."""
    cable = Cable().open(stamped=True)
    cable.to_guest(client(0, 10, timestamps=(CLIENT_TS + 5, PRIMARY_TS)))
    cable.to_guest(client(0, 10, payload=b"more", timestamps=(CLIENT_TS + 8, PRIMARY_TS)))
    cable.from_guest(guest(0, payload=b"x" * 10, timestamps=(SECONDARY_TS + 9, CLIENT_TS + 5)))
    (owed,) = cable.owed()
    assert owed.timestamps == (CLIENT_TS + 8, SECONDARY_TS + 9)


def test_what_is_owed_makes_no_segment_old_that_another_has_overtaken() -> None:
    """The guest remembers no TSval of a segment that stands beyond a gap (RFC 7323 section 4.3)."""
    cable = Cable().open(stamped=True)
    cable.to_guest(client(0, 10, timestamps=(CLIENT_TS + 5, PRIMARY_TS)))
    cable.to_guest(client(4, 10, payload=b"more", timestamps=(CLIENT_TS + 8, PRIMARY_TS)))
    cable.from_guest(guest(0, payload=b"x" * 10, timestamps=(SECONDARY_TS + 9, CLIENT_TS + 5)))
    (owed,) = cable.owed()
    assert owed.timestamps == (CLIENT_TS + 5, SECONDARY_TS + 9)


def test_a_guest_that_repeats_what_the_client_has_is_told_so() -> None:
    cable = Cable().open()
    cable.from_guest(guest(0, payload=b"x" * 10))
    cable.to_guest(client(0, 10))
    cable.from_guest(guest(0, payload=b"x" * 10))
    assert [places(one)[1] for one in cable.owed()] == [10]


def test_a_keep_alive_and_its_answer_move_nothing() -> None:
    cable = Cable().open()
    cable.from_guest(guest(0, payload=b"x" * 10))
    cable.to_guest(client(0, 10))
    assert places(cable.from_guest(guest(9)))[0] == 9
    assert places(cable.to_guest(client(-1, 10)))[1] == 10
    assert cable.owed() == []


@pytest.mark.parametrize("guest_first", [True, False])
def test_met_in_mid_stream_nothing_is_clamped_until_both_were_seen_and_then_at_the_higher(guest_first: bool) -> None:
    cable = Cable()
    assert cable.to_guest(Segment(7, 5000)).ack == 5000
    if guest_first:
        cable.from_guest(Segment(1000, 7, payload=b"x" * 10))
        assert cable.to_guest(Segment(7, 3000)).ack == 3000
    else:
        cable.from_guest(Segment(1000, 7))
        assert cable.to_guest(Segment(7, 3000)).ack == 3000
        cable.from_guest(Segment(1000, 7, payload=b"x" * 10))
    assert cable.to_guest(Segment(7, 3001)).ack == 3000
    cable.owed()
    cable.from_guest(Segment(1010, 7, payload=b"x" * 10))
    assert [one.ack for one in cable.owed()] == [1020], "the guest had sent less than was assumed"
