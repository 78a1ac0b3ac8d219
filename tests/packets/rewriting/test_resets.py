"""A take-over resets what the guest has not followed, at both ends, and nothing else."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.followed import OPEN
from colo_twisted.packets.rewriting.following import Following
from colo_twisted.packets.rewriting.resets import AT_ONCE, OLD_SECONDS, Resets, reset
from colo_twisted.packets.rewriting.rewrites import RewriterCounters
from tests.packets.rewriting.take_overs import TakenOver
from tests.packets.rewriting.test_rewriting import replicas_of, services
from tests.support.cable import (
    CLIENT_ISN,
    ENDS,
    KEY,
    PRIMARY_ISN,
    SECONDARY_ISN,
    Cable,
    checked,
    client,
    guest,
    places,
)
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, FIN, MODULUS, RST, SYN, Address, Segment, internet_checksum
from tests.support.strategies import Frame, batch_of_frames, frames_of


def taken_over(cable: Cable, unprotected: bool = True) -> tuple[list[Segment], list[Segment]]:
    """The resets that the guest, and that the client gets at once."""
    for_guest, for_client, _ = all_taken_over(cable, unprotected)
    return for_guest, for_client


def all_taken_over(cable: Cable, unprotected: bool = True) -> tuple[list[Segment], list[Segment], list[Segment]]:
    """As that, and the segments that are to make the client speak."""
    if unprotected:
        cable.following.unprotect(None, cable.now)
    cable.rewriter.fail_over(cable.now)
    for_guest: list[Segment] = []
    for_client: list[Segment] = []
    for to_guest, to_client in cable.rewriter.resets():
        for_guest += [checked(packet) for packet in to_guest.packets()] if to_guest else []
        for_client += [checked(packet) for packet in to_client.packets()] if to_client else []
    resets = [segment for segment in for_client if segment.flags & RST]
    return for_guest, resets, [segment for segment in for_client if not segment.flags & RST]


def sent_by_client(cable: Cable, segment: Segment) -> tuple[list[Segment], list[Segment]]:
    """What the guest gets of it, and what the client is answered."""
    packet = segment.packet(cable.client, cable.guest, cable.tags)
    passed = cable.rewriter.to_guest(Batch.from_packets([packet]), cable.now)
    answer = cable.rewriter.take_for_client()
    return list(map(checked, passed.packets())), list(map(checked, answer.packets())) if answer else []


def sent_by_guest(cable: Cable, segment: Segment) -> tuple[list[Segment], list[Segment]]:
    """What the client gets of it, and what the guest is answered."""
    packet = segment.packet(cable.guest, cable.client, cable.tags)
    passed = cable.rewriter.from_guest(Batch.from_packets([packet]), cable.now)
    return list(map(checked, passed.packets())), cable.owed()


def rst(seq: int, **fields: Any) -> Segment:
    return Segment(seq % MODULUS, 0, RST, 0, **fields)


# the packet


@pytest.mark.parametrize("ack", [-1, 2**32 - 1])
@pytest.mark.parametrize("tags", [(), (5,), (0xE007, 5)])
@pytest.mark.parametrize(("end", "other"), ENDS)
def test_a_reset_is_what_scapy_makes(end: Address, other: Address, tags: tuple[int, ...], ack: int) -> None:
    link = Ether(dst="52:54:00:00:00:01", src="52:54:00:00:00:02")
    for tag in tags:
        link = link / Dot1Q(prio=tag >> 13, vlan=tag & 0xFFF)
    v4 = len(end.ip) == 4
    ip = (
        IP(src="10.0.0.2", dst="10.0.0.1", ttl=255, id=0, flags="DF")
        if v4
        else IPv6(src="fd00::2", dst="fd00::1", hlim=255)
    )
    tcp = TCP(sport=80, dport=40000, seq=4242, ack=max(ack, 0), flags="R" if ack < 0 else "RA", window=0)
    whole = bytes(link / ip / tcp)
    vlans = b"".join(struct.pack(">H", tag & 0xFFF) for tag in tags)
    key = other.ip + end.ip + struct.pack(">HH", 80, 40000)
    if tags:
        key = bytes((1, 4 if v4 else 6)) + vlans + key
    assert reset(whole[: 14 + 4 * len(tags)], key, 4242, ack) == whole


# at once


@pytest.mark.parametrize("tags", [(), (0xE007, 5)])
@pytest.mark.parametrize(("end", "other"), ENDS)
def test_both_ends_are_reset_exactly_where_they_take_it(end: Address, other: Address, tags: tuple[int, ...]) -> None:
    cable = Cable(end, other, tags).open()
    cable.to_guest(client(0, 0, payload=b"request"))
    cable.from_guest(guest(0, 7, payload=b"x" * 100))
    cable.to_guest(client(7, 60))
    assert taken_over(cable) == ([rst(CLIENT_ISN + 8)], [rst(PRIMARY_ISN + 61)])
    assert (cable.counters.resets_to_guest, cable.counters.resets_to_client) == (1, 1)


@pytest.mark.parametrize(("end", "other"), ENDS)
def test_addresses_and_tags_are_as_the_guests_own(end: Address, other: Address) -> None:
    cable = Cable(end, other, (0xE007, 5)).open()
    cable.following.unprotect(None, cable.now)
    cable.rewriter.fail_over(cable.now)
    ((for_guest, for_client),) = cable.rewriter.resets()
    assert for_guest is not None
    assert for_client is not None
    model = guest(0).packet(other, end, (0xE007, 5))
    for packet in for_client.packets():
        assert packet[:22] == model[:22]
    (packet,) = for_guest.packets()
    assert packet[:22] == model[6:12] + model[:6] + model[12:22]


@pytest.mark.parametrize(("end", "other"), ENDS)
def test_the_client_is_made_to_speak(end: Address, other: Address) -> None:
    """What is known of its ack may be old: a segment below that, as a keep-alive's, draws one with its newest."""
    cable = Cable(end, other).open()
    cable.to_guest(client(0, 0, payload=b"request"))
    cable.from_guest(guest(0, 7, payload=b"x" * 100))
    cable.to_guest(client(7, 60))
    _, _, asked = all_taken_over(cable)
    assert asked == [Segment((PRIMARY_ISN + 60) % MODULUS, CLIENT_ISN + 8, ACK, 0)]
    assert sent_by_client(cable, client(7, 95)) == ([], [rst(PRIMARY_ISN + 96)])


def test_a_client_whose_ack_is_not_known_is_reset_by_an_answer_only() -> None:
    cable = Cable()
    cable.from_guest(Segment(5000, 77, payload=b"mid-stream"))
    assert taken_over(cable, unprotected=False) == ([rst(77)], [])
    assert sent_by_client(cable, Segment(77, 3000, payload=b"x")) == ([], [rst(3000)])


def test_one_that_is_named_and_was_never_seen_is_reset_by_answers_only() -> None:
    cable = Cable()
    cable.following.unprotect([KEY], cable.now)
    assert taken_over(cable, unprotected=False) == ([], [])
    assert sent_by_client(cable, Segment(77, 3000)) == ([], [rst(3000)])
    assert sent_by_guest(cable, Segment(9000, 77)) == ([], [rst(77)])


def test_a_guest_that_has_sent_a_syn_is_refused() -> None:
    cable = Cable()
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN))
    assert taken_over(cable) == ([Segment(0, SECONDARY_ISN + 1, RST | ACK, 0)], [])


def test_a_guest_that_has_answered_a_syn_is_reset_where_it_stands() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    cable.from_guest(Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK))
    assert taken_over(cable) == ([rst(CLIENT_ISN + 1)], [])
    assert sent_by_client(cable, client(0, 0)) == ([], [rst(PRIMARY_ISN + 1)])


def test_what_is_protected_or_over_goes_on() -> None:
    cable = Cable().open()
    assert taken_over(cable, unprotected=False) == ([], [])
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    assert places(cable.to_guest(client(0, 1)))[1] == 1
    other = Cable().open()
    other.from_guest(guest(0, 0, flags=FIN | ACK))
    other.to_guest(client(0, 1, flags=FIN | ACK))
    other.from_guest(guest(1, 1))
    assert taken_over(other) == ([], [])
    assert places(other.to_guest(client(1, 1)))[1] == 1


def test_many_come_in_batches() -> None:
    cable = Cable(most=5000)
    for port in range(2 * AT_ONCE + 10):
        cable.client = Address(CLIENT.mac, CLIENT.ip, 1000 + port)
        cable.open()
    cable.following.unprotect(None, cable.now)
    cable.rewriter.fail_over(cable.now)
    sizes = [(len(to_guest or ()), len(to_client or ())) for to_guest, to_client in cable.rewriter.resets()]
    assert sizes == [(AT_ONCE, 2 * AT_ONCE), (AT_ONCE, 2 * AT_ONCE), (10, 20)]


def test_under_vnet_headers() -> None:
    cable = Cable().open()
    frame = Frame(guest(0, payload=b"x").packet(GUEST, CLIENT), bytes(10))
    cable.rewriter.from_guest(batch_of_frames([frame], True), cable.now)
    cable.following.unprotect(None, cable.now)
    cable.rewriter.fail_over(cable.now)
    ((for_guest, for_client),) = cable.rewriter.resets()
    for batch in (for_guest, for_client):
        assert batch is not None
        assert batch.vnet_hdr
        assert {one.header for one in frames_of(batch)} == {b""}


def test_nothing_is_reset_before_a_take_over() -> None:
    cable = Cable().open()
    cable.following.unprotect(None, cable.now)
    assert places(cable.to_guest(client(0, 0)))[1] == 0
    assert places(cable.from_guest(guest(0, payload=b"x")))[0] == 0
    assert list(cable.rewriter.resets()) == [(None, None)]


# afterwards


def test_each_segment_of_the_client_is_answered_and_not_given_to_the_guest() -> None:
    cable = Cable().open()
    taken_over(cable)
    for acked in (0, 5, 77_777):
        answered = sent_by_client(cable, client(0, acked, payload=b"more"))
        assert answered == ([], [rst(PRIMARY_ISN + 1 + acked)])
    assert cable.counters.dropped_unprotected == 3


def test_each_segment_of_the_guest_is_answered_and_not_given_to_the_client() -> None:
    cable = Cable().open()
    taken_over(cable)
    assert sent_by_guest(cable, guest(0, 5, payload=b"of another stream")) == ([], [rst(CLIENT_ISN + 6)])
    assert sent_by_guest(cable, guest(0, flags=RST)) == ([], [])
    assert cable.counters.dropped_unprotected == 2


def test_other_frames_of_the_batch_go_on() -> None:
    cable = Cable()
    cable.open()
    cable.following.unprotect([KEY], cable.now)
    stranger = Address(CLIENT.mac, CLIENT.ip, 5)
    cable.client = stranger
    cable.open()
    taken_over(cable, unprotected=False)
    packets = [
        client(0, 0, payload=b"1").packet(CLIENT, GUEST),
        client(0, 0, payload=b"2").packet(stranger, GUEST),
        client(1, 0, payload=b"3").packet(CLIENT, GUEST),
        bytes(60),
    ]
    batch = cable.rewriter.to_guest(Batch.from_packets(packets), cable.now)
    second, other = batch.packets()
    assert (places(checked(second))[1], checked(second).payload, other) == (0, b"2", bytes(60))
    assert batch.places[-1] == len(batch.data)


@pytest.mark.parametrize("flags", [RST, RST | ACK])
def test_a_reset_is_never_answered(flags: int) -> None:
    cable = Cable().open()
    taken_over(cable)
    passed, answers = sent_by_client(cable, client(0, 0, flags=flags))
    assert (len(passed), answers) == (1, [])


def test_a_new_connection_between_the_same_ports_is_left_alone() -> None:
    cable = Cable().open()
    taken_over(cable)
    for segment in (Segment(88, flags=SYN), Segment(89, 501), Segment(89, 501, payload=b"x")):
        assert sent_by_client(cable, segment) == ([segment], [])
        if segment.flags & SYN:
            syn_ack = Segment(500, 89, SYN | ACK)
            assert sent_by_guest(cable, syn_ack) == ([syn_ack], [])
    answer = Segment(501, 90, payload=b"y")
    assert sent_by_guest(cable, answer) == ([answer], [])


def test_a_guest_that_never_took_its_reset_is_reset_when_a_new_syn_makes_it_speak() -> None:
    cable = Cable().open()
    taken_over(cable)
    sent_by_client(cable, Segment(88, flags=SYN))
    assert sent_by_guest(cable, guest(0, 3)) == ([], [rst(CLIENT_ISN + 4)]), "its challenge ACK"


def first_fragment(segment: Segment, end: Address, other: Address) -> bytes:
    """The first 8 bytes of the payload and all before them."""
    packet = bytearray(segment.packet(end, other)[: 14 + 20 + 20 + 8])
    packet[16:18], packet[20:22], packet[24:26] = struct.pack(">H", len(packet) - 14), b"\x20\0", b"\0\0"
    packet[24:26] = struct.pack(">H", internet_checksum(bytes(packet[14:34])))
    return bytes(packet)


@pytest.mark.parametrize("followed", [True, False])
def test_nor_does_a_fragment_that_has_the_header_go_on(followed: bool) -> None:
    cable = Cable().open() if followed else Cable()
    taken_over(cable, unprotected=followed)
    sent = Batch.from_packets([first_fragment(guest(0, 5, payload=b"diverged" * 400), GUEST, CLIENT)])
    assert len(cable.rewriter.from_guest(sent, cable.now)) == 0
    assert cable.owed() == [rst(CLIENT_ISN + 6)]
    sent = Batch.from_packets([first_fragment(client(0, 7, payload=b"diverged" * 400), CLIENT, GUEST)])
    assert len(cable.rewriter.to_guest(sent, cable.now)) == 0
    answer = cable.rewriter.take_for_client()
    assert answer is not None
    assert list(map(checked, answer.packets())) == [rst(PRIMARY_ISN + 8)]
    assert cable.counters.dropped_unprotected == 2


def test_a_fragment_of_a_protected_one_goes_on() -> None:
    cable = Cable().open()
    taken_over(cable, unprotected=False)
    sent = Batch.from_packets([first_fragment(guest(0, 5, payload=b"x" * 400), GUEST, CLIENT)])
    (packet,) = cable.rewriter.from_guest(sent, cable.now).packets()
    assert int.from_bytes(packet[38:42], "big") == (PRIMARY_ISN + 1) % MODULUS


# connections that nobody has followed


def test_one_that_was_never_seen_is_reset_by_answers() -> None:
    cable = Cable()
    taken_over(cable, unprotected=False)
    assert sent_by_client(cable, Segment(7, 3000)) == ([], [rst(3000)])
    assert sent_by_guest(cable, Segment(9000, 7, payload=b"x")) == ([], [rst(7)])
    refusal = Segment(3000, flags=RST)
    assert sent_by_guest(cable, refusal) == ([refusal], []), "the guest doesn't know it either"


@pytest.mark.parametrize("opener", ["client", "guest"])
def test_one_that_opens_afterwards_is_not(opener: str) -> None:
    cable = Cable()
    taken_over(cable, unprotected=False)
    (sent_by_client if opener == "client" else sent_by_guest)(cable, Segment(6, flags=SYN))
    for segment in (Segment(7, 3000), Segment(7, 3000, payload=b"x")):
        assert sent_by_client(cable, segment) == ([segment], [])
        assert sent_by_guest(cable, segment) == ([segment], [])


def test_after_a_checkpoint_there_are_none() -> None:
    cable = Cable()
    cable.following.checkpoint({}, cable.now)
    taken_over(cable, unprotected=False)
    assert sent_by_client(cable, Segment(7, 3000)) == ([Segment(7, 3000)], [])


def test_by_and_by_none_is_left() -> None:
    cable = Cable()
    taken_over(cable, unprotected=False)
    cable.now += OLD_SECONDS
    assert sent_by_client(cable, Segment(7, 3000)) == ([Segment(7, 3000)], [])


def test_new_ones_that_are_too_many_to_remember_are_not_taken_for_old_ones() -> None:
    resets = Resets(Following(10, RewriterCounters()), RewriterCounters(), 3)
    resets.begin(10.0)
    for number in range(3):
        resets.opens(bytes((number,)))
    assert [resets.concerns_unknown(bytes((number,)), 11.0) for number in range(5)] == [False] * 3 + [True] * 2
    resets.opens(b"one more")
    assert not any(resets.concerns_unknown(bytes((number,)), 11.0) for number in range(5))


@pytest.mark.parametrize("primary_answered", [True, False])
def test_a_syn_that_the_take_over_met(primary_answered: bool) -> None:
    """It came while new connections weren't protected; only this guest's own answer makes it one of its own."""
    cable = Cable()
    cable.following.unprotect(None, cable.now)
    sent_by_client(cable, Segment(CLIENT_ISN, flags=SYN))
    taken_over(cable, unprotected=False)
    syn_ack = Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK)
    assert sent_by_guest(cable, syn_ack) == ([syn_ack], [])
    ack = client(0, 0) if primary_answered else Segment(CLIENT_ISN + 1, SECONDARY_ISN + 1)
    passed, answers = sent_by_client(cable, ack)
    assert (passed, answers) == (([], [rst(ack.ack)]) if primary_answered else ([ack], []))


# any moment of any connection


@given(services, st.integers(1, 120))
def test_an_unprotected_connection_ends_at_both_ends_and_no_byte_of_the_guest_gets_out(
    service: dict[str, Any], milliseconds: int
) -> None:
    met = replicas_of(service | {"pause": False})
    replicas = TakenOver(met.network, met.client, met.primary, met.secondary)
    network, ends = replicas.network, (replicas.client, replicas.secondary)
    network.run(lambda: network.now > 100.0 + milliseconds / 1000, replicas.turn)
    following = replicas.rewriter.following
    following.unprotect(None, network.now)
    followed = [known for known in following.all() if known.state == OPEN]
    shown = len(replicas.shown)
    replicas.fail_over()
    for _ in range(2):
        network.run(lambda: all(end.state == "CLOSED" for end in ends), replicas.turn, 60.0)
        for end in ends:
            if end.state != "CLOSED":
                end.probe(network.now)  # as a keep-alive would
    network.run(lambda: False, replicas.turn, 60.0)
    if followed:
        assert [end.state for end in ends] == ["CLOSED", "CLOSED"]
        assert replicas.shown[shown:] == []
        assert replicas.secondary.wrongs == []
