"""How the rewriter's connections end and begin anew; checkpoints, failover, protection."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.sequence import Offsets
from tests.support.cable import (
    CLIENT_ISN,
    CLIENT_TS,
    KEY,
    OFFSET,
    PRIMARY_ISN,
    PRIMARY_TS,
    SECONDARY_ISN,
    SECONDARY_TS,
    Cable,
    client,
    guest,
    places,
)
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, FIN, MODULUS, PSH, RST, SYN, Address, Segment

# ends and restarts


def test_a_stale_syn_changes_nothing() -> None:
    cable = Cable().open(scale=3)
    cable.to_guest(Segment(77, flags=SYN, scale=9))
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    assert (cable.known.offset, cable.known.client_scale) == (OFFSET, 3)


@pytest.mark.parametrize(("seq", "ends"), [(CLIENT_ISN + 11, True), (CLIENT_ISN + 12, False), (0, False)])
@pytest.mark.parametrize("told", ["by the guest", "by the client"])
def test_only_a_reset_exactly_at_rcv_nxt_ends(seq: int, ends: bool, told: str) -> None:
    cable = Cable().open()
    cable.to_guest(client(0, 0, payload=b"x" * 10))
    if told == "by the guest":
        cable.from_guest(guest(0, 10))
    reset = Segment(seq, flags=RST)
    assert cable.to_guest(reset) == reset
    assert (cable.counters.closed == 1) is ends
    assert places(cable.from_guest(guest(0, 10, payload=b"y")))[0] == 0


def test_a_guest_that_speaks_on_after_a_reset_is_open() -> None:
    cable = Cable().open()
    cable.to_guest(Segment(CLIENT_ISN + 1, flags=RST))
    cable.from_guest(guest(0, payload=b"y"))
    cable.now += 1000.0
    cable.following.expire(cable.now)
    assert len(cable.following) == 1


def end_by_fins(cable: Cable) -> None:
    cable.from_guest(guest(0, 0, flags=FIN | ACK))
    cable.to_guest(client(0, 1, flags=FIN | ACK))
    cable.from_guest(guest(1, 1))


def end_by_guests_reset(cable: Cable) -> None:
    assert places(cable.from_guest(guest(0, flags=RST | ACK)))[0] == 0


def end_by_both_at_once(cable: Cable) -> None:
    cable.from_guest(guest(0, 0, flags=FIN | ACK))
    cable.to_guest(client(0, 0, flags=FIN | ACK))
    cable.from_guest(guest(1, 1))
    cable.to_guest(client(1, 1))


@pytest.mark.parametrize("end", [end_by_fins, end_by_guests_reset, end_by_both_at_once])
def test_a_closed_one_stays_for_60_seconds(end: Any) -> None:
    cable = Cable().open()
    end(cable)
    cable.following.expire(cable.now + 59.0)
    assert places(cable.to_guest(client(0, 0)))[1] == 0
    cable.following.expire(cable.now + 62.0)
    assert len(cable.following) == 0
    assert cable.counters.expired == 1


def test_half_closed_is_not_closed() -> None:
    cable = Cable().open()
    cable.from_guest(guest(0, 0, flags=FIN | ACK))
    cable.to_guest(client(0, 1))
    cable.following.expire(cable.now + 3600.0)
    assert len(cable.following) == 1


@pytest.mark.parametrize("closed", [True, False])
def test_the_same_four_numbers_again(closed: bool) -> None:
    cable = Cable().open()
    if closed:
        end_by_fins(cable)
    again, primary = SECONDARY_ISN + 123_456, 31_337
    cable.to_guest(Segment(CLIENT_ISN + 99, flags=SYN))
    cable.from_guest(Segment(again, CLIENT_ISN + 100, SYN | ACK))
    assert cable.to_guest(Segment(CLIENT_ISN + 100, primary + 1)).ack == again + 1
    assert cable.from_guest(Segment(again + 1, CLIENT_ISN + 100, payload=b"x")).seq == primary + 1


def test_a_refusal_of_a_syn_keeps_its_zero() -> None:
    cable = Cable().open()
    end_by_fins(cable)
    refusal = Segment(0, CLIENT_ISN + 500, RST | ACK)
    assert cable.from_guest(refusal) == refusal


def test_a_reset_of_a_stray_ack_while_opening_ends_nothing() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK))
    stray = Segment(4242, flags=RST)
    assert cable.from_guest(stray) == stray
    assert cable.to_guest(client(0, 0)).ack == SECONDARY_ISN + 1


def test_blind_syns_are_forgotten_soon_and_never_evict_what_is_live() -> None:
    cable = Cable(most=10).open()
    for port in range(1, 1000):
        stranger = Address(CLIENT.mac, CLIENT.ip, port)
        batch = Batch.from_packets([Segment(port, flags=SYN).packet(stranger, GUEST)])
        assert cable.rewriter.to_guest(batch, cable.now) is batch
    assert len(cable.following) == 10
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    cable.following.expire(cable.now + 62.0)
    assert len(cable.following) == 1


def test_without_room_a_connection_passes_as_it_is() -> None:
    cable = Cable(most=1).open()
    cable.client = Address(CLIENT.mac, CLIENT.ip, 5)
    syn_ack = Segment(5, 6, SYN | ACK)
    assert cable.from_guest(syn_ack) == syn_ack
    assert cable.counters.not_followed == 1


# checkpoints, failover, protection


def test_a_checkpoint_makes_each_offset_that_of_the_primarys_own_rewriter() -> None:
    cable = Cable().open(stamped=True)
    cable.following.checkpoint({}, cable.now)
    out = guest(0, payload=b"x" * 100, timestamps=(PRIMARY_TS, CLIENT_TS))
    assert cable.from_guest(out) == out
    cable.following.checkpoint({KEY: Offsets(1000, 70), b"k" * 12: Offsets(1, 1)}, cable.now)
    assert cable.from_guest(out) == out.but(seq=out.seq - 1000, timestamps=(PRIMARY_TS - 70, CLIENT_TS))
    assert cable.following.offsets() == {KEY: Offsets(1000, 70), b"k" * 12: Offsets(1, 1)}


def test_after_a_checkpoint_nothing_is_clamped_until_both_were_seen() -> None:
    cable = Cable().open()
    cable.following.checkpoint({}, cable.now)
    assert cable.to_guest(client(0, 9000)).ack == client(0, 9000).ack
    cable.from_guest(Segment((PRIMARY_ISN + 1) % MODULUS, CLIENT_ISN + 1, payload=b"x"))
    assert cable.to_guest(client(0, 9001)).ack == client(0, 9000).ack


def test_an_opening_that_a_checkpoint_meets_has_no_offset() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK))
    cable.following.checkpoint({}, cable.now)
    assert cable.to_guest(client(0, 0)) == client(0, 0)


def test_after_a_failover_known_connections_go_on_and_new_ones_are_left_alone() -> None:
    cable = Cable().open()
    cable.following.alone = True
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    cable.client = Address(CLIENT.mac, CLIENT.ip, 5)
    for segment in (Segment(8, flags=SYN), Segment(9, 500)):
        assert cable.to_guest(segment) == segment
    for segment in (Segment(499, 9, SYN | ACK), Segment(500, 9, payload=b"x")):
        assert cable.from_guest(segment) == segment
    assert len(cable.following) == 1


def test_after_a_failover_the_same_four_numbers_again_are_a_new_connection() -> None:
    cable = Cable().open()
    cable.following.alone = True
    cable.from_guest(Segment(5, CLIENT_ISN + 100, SYN | ACK))
    assert cable.to_guest(Segment(CLIENT_ISN + 100, 6)).ack == 6
    assert len(cable.following) == 0


def test_after_a_failover_a_client_that_waits_for_the_primarys_syn_draws_no_reset() -> None:
    cable = Cable()
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN, timestamps=(SECONDARY_TS, 0)))
    cable.following.alone = True
    challenge = Segment(CLIENT_ISN + 1, (PRIMARY_ISN + 1) % MODULUS, timestamps=(CLIENT_TS, PRIMARY_TS))
    calm = cable.to_guest(challenge)
    assert (calm.ack, calm.timestamps) == (SECONDARY_ISN + 1, (CLIENT_TS, SECONDARY_TS))
    assert cable.to_guest(challenge.but(seq=CLIENT_ISN, flags=SYN | ACK)).ack == SECONDARY_ISN + 1


def opened(cable: Cable, port: int) -> bytes:
    """Another connection, from its SYN; its key."""
    cable.client = Address(CLIENT.mac, CLIENT.ip, port)
    cable.open()
    return GUEST.ip + CLIENT.ip + struct.pack(">HH", GUEST.port, port)


def test_unprotected_connections_are_remembered_until_a_checkpoint() -> None:
    cable = Cable()
    first, second = opened(cable, 1), opened(cable, 2)
    cable.following.unprotect([first], 10.0)
    assert cable.following.unprotected() == [first]
    cable.following.unprotect([b"unknown here"], 10.0)
    cable.following.unprotect(None, 10.0)
    third = opened(cable, 3)
    cable.following.protect_new()
    opened(cable, 4)
    assert set(cable.following.unprotected()) == {first, second, third, b"unknown here"}
    cable.following.checkpoint({}, 10.0)
    assert cable.following.unprotected() == []


def test_one_met_in_mid_stream_is_unprotected_but_for_a_checkpoint_before() -> None:
    cable = Cable()
    cable.from_guest(guest(0))
    assert cable.following.unprotected() == [KEY]
    other = Cable()
    other.following.checkpoint({}, 10.0)
    other.from_guest(guest(0))
    assert other.following.unprotected() == []


def test_flags_that_nobody_reads_are_kept() -> None:
    cable = Cable().open()
    assert cable.from_guest(guest(0, flags=ACK | PSH, payload=b"x")).flags == ACK | PSH
