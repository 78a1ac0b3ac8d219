"""What the guest sent beyond the client's newest ack is there at a take-over, within a bound."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from colo_twisted.packets.batch import Batch
from colo_twisted.packets.rewriting.followed import LEAP
from colo_twisted.packets.rewriting.kept import CONNECTION_COST, SPAN_COST, Kept
from colo_twisted.packets.sequence import Offsets
from tests.packets.rewriting.take_overs import TakenOver
from tests.packets.rewriting.test_rewriting import is_over, replicas_of, services
from tests.support.cable import (
    CLIENT_ISN,
    CLIENT_TS,
    ENDS,
    PRIMARY_ISN,
    PRIMARY_TS,
    SECONDARY_ISN,
    SECONDARY_TS,
    Cable,
    checked,
    client,
    guest,
)
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, FIN, MODULUS, RST, SYN, Address, Segment
from tests.support.strategies import Frame, batch_of_frames, frames_of
from tests.support.tcp import signed


def kept(cable: Cable) -> Kept:
    return cable.following.kept


def handed_out(cable: Cable) -> list[Segment]:
    """What goes to the network at a take-over."""
    cable.rewriter.fail_over(cable.now)
    packets = [packet for batch in cable.rewriter.kept_output() for packet in batch.packets()]
    assert kept(cable).held == 0
    return list(map(checked, packets))


def sends(cable: Cable, *segments: Segment) -> list[Segment]:
    """The guest sends them at once; as they go on."""
    batch = Batch.from_packets([segment.packet(cable.guest, cable.client, cable.tags) for segment in segments])
    return list(map(checked, cable.rewriter.from_guest(batch, cable.now).packets()))


def shown(place: int, payload: bytes, **fields: Any) -> Segment:
    """The guest's bytes as the client would see them."""
    return Segment((PRIMARY_ISN + 1 + place) % MODULUS, CLIENT_ISN + 1, payload=payload, **fields)


# what is kept


@pytest.mark.parametrize("tags", [(), (7, 5)])
@pytest.mark.parametrize(("end", "other"), ENDS)
def test_what_is_not_acknowledged_is_handed_out_as_it_was_sent(
    end: Address, other: Address, tags: tuple[int, ...]
) -> None:
    cable = Cable(end, other, tags).open()
    segments = [guest(place, payload=bytes((place,)) * 100) for place in (0, 100, 200)]
    sent = sends(cable, *segments[:2]) + sends(cable, segments[2])
    cable.to_guest(client(0, 50))
    assert handed_out(cable) == sent, "the first is acknowledged in part only"
    assert cable.counters.output_sent == 3


@pytest.mark.parametrize(("acked", "left"), [(0, 3), (99, 3), (100, 2), (200, 1), (299, 1), (300, 0)])
@pytest.mark.parametrize("at_once", [True, False])
def test_acks_trim_it(acked: int, left: int, at_once: bool) -> None:
    cable = Cable().open()
    segments = [guest(place, payload=bytes((place,)) * 100) for place in (0, 100, 200)]
    sent = sends(cable, *segments) if at_once else [one for each in segments for one in sends(cable, each)]
    cable.to_guest(client(0, acked))
    assert (kept(cable).held == 0) is (left == 0)
    assert handed_out(cable) == sent[3 - left :]


def test_a_fin_is_kept_and_acknowledged() -> None:
    cable = Cable().open()
    sent = sends(cable, guest(0, payload=b"end"), guest(3, flags=FIN | ACK))
    cable.to_guest(client(0, 3))
    assert kept(cable).held
    other = Cable().open()
    sends(other, guest(0, payload=b"end"), guest(3, flags=FIN | ACK))
    other.to_guest(client(0, 4))
    assert handed_out(cable) == sent[1:]
    assert handed_out(other) == []


def test_a_reset_is_kept_and_never_acknowledged() -> None:
    cable = Cable().open()
    sent = sends(cable, guest(0, payload=b"end"), guest(3, flags=RST | ACK))
    cable.to_guest(client(0, 3))
    assert handed_out(cable) == sent[1:]


def test_an_answer_to_a_syn_is_kept_until_the_client_answers_it() -> None:
    cable = Cable()
    cable.to_guest(Segment(CLIENT_ISN, flags=SYN))
    sent = sends(cable, Segment(SECONDARY_ISN, CLIENT_ISN + 1, SYN | ACK, mss=1460))
    assert handed_out(cable) == sent
    cable = Cable().open()
    assert kept(cable).held == 0


def test_pure_acks_repetitions_and_what_the_client_has_already_are_not_kept() -> None:
    cable = Cable().open()
    cable.to_guest(client(0, 250))
    sends(cable, guest(0, 5), guest(0, payload=b"x" * 100), guest(100, payload=b"y" * 100))
    assert kept(cable).held == 0
    (sent,) = sends(cable, guest(200, payload=b"z" * 100))
    sends(cable, guest(200, payload=b"z" * 100))
    assert handed_out(cable) == [sent]


def test_what_is_not_tcp_is_not_kept() -> None:
    cable = Cable().open()
    packet = bytes(Ether(type=0x0800) / IP(src="10.0.0.2", dst="10.0.0.1") / UDP() / b"datagram")
    cable.rewriter.from_guest(Batch.from_packets([packet]), cable.now)
    assert kept(cable).held == 0


def test_nothing_is_kept_after_the_take_over() -> None:
    cable = Cable().open()
    cable.rewriter.fail_over(cable.now)
    sends(cable, guest(0, payload=b"x"))
    assert kept(cable).held == 0


def test_nothing_of_an_unprotected_connection_is_handed_out() -> None:
    cable = Cable().open()
    sends(cable, guest(0, payload=b"before"))
    cable.following.unprotect(None, cable.now)
    sends(cable, guest(6, payload=b"after"))
    assert handed_out(cable) == []


def test_of_one_met_in_mid_stream_all_is_handed_out_before_the_client_has_spoken() -> None:
    cable = Cable().open()
    cable.following.checkpoint({}, cable.now)
    out = [Segment(77, 5, payload=b"x" * 10), Segment(87, 5, payload=b"y" * 10)]
    assert sends(cable, *out) == out
    assert handed_out(cable) == out


def test_a_checkpoint_ends_what_was_kept() -> None:
    cable = Cable().open()
    sends(cable, guest(0, payload=b"of another state"))
    cable.following.checkpoint({b"k" * 12: Offsets(1, 1)}, cable.now)
    assert handed_out(cable) == []


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_connection_that_begins_anew_keeps_nothing_of_the_old(same_batch: bool) -> None:
    cable = Cable().open()
    segments = guest(0, payload=b"old"), Segment(5, CLIENT_ISN + 100, SYN | ACK)
    if same_batch:
        sent = sends(cable, *segments)[1:]
    else:
        sends(cable, segments[0])
        sent = sends(cable, segments[1])
    assert handed_out(cable) == sent


def test_what_is_forgotten_keeps_nothing() -> None:
    cable = Cable().open()
    sends(cable, guest(0, payload=b"x"), guest(1, flags=RST))
    cable.following.expire(cable.now + 100.0)
    assert len(cable.following) == kept(cable).held == 0


def test_its_timestamps_are_newer_than_any_of_the_primarys() -> None:
    """That may have sent something later; whether the client has seen it, it may not have said yet."""
    cable = Cable().open(stamped=True)
    (sent,) = sends(cable, guest(0, payload=b"x", timestamps=(SECONDARY_TS + 50, CLIENT_TS)))
    assert sent.timestamps == (PRIMARY_TS + 50, CLIENT_TS)
    cable.to_guest(client(0, 0, timestamps=(CLIENT_TS + 60, PRIMARY_TS + 900)))
    assert handed_out(cable) == [sent.but(timestamps=(PRIMARY_TS + 900 + LEAP, CLIENT_TS))]
    (later,) = sends(cable, guest(1, payload=b"y", timestamps=(SECONDARY_TS + 51, CLIENT_TS)))
    assert later.timestamps == (PRIMARY_TS + 900 + LEAP + 1, CLIENT_TS)


@pytest.mark.parametrize(
    ("echoed", "told"),
    [
        (PRIMARY_TS + 20, SECONDARY_TS + 20),  # of a packet before the take-over
        (PRIMARY_TS + 50, SECONDARY_TS + 50),
        (PRIMARY_TS + 900, SECONDARY_TS + 50),  # of one of the primary's last
        (PRIMARY_TS + 50 + LEAP, SECONDARY_TS + 50),  # of kept output
        (PRIMARY_TS + 70 + LEAP, SECONDARY_TS + 70),  # of what came after
    ],
)
def test_what_the_client_echoes_after_a_take_over_is_what_the_guest_has_sent(echoed: int, told: int) -> None:
    cable = Cable().open(stamped=True)
    sends(cable, guest(0, payload=b"x", timestamps=(SECONDARY_TS + 50, CLIENT_TS)))
    handed_out(cable)
    sends(cable, guest(1, payload=b"y", timestamps=(SECONDARY_TS + 80, CLIENT_TS)))
    assert cable.to_guest(client(0, 1, timestamps=(CLIENT_TS + 60, echoed))).timestamps == (CLIENT_TS + 60, told)


def test_a_timestamp_clock_that_has_gone_half_round_since_a_take_over() -> None:
    cable = Cable().open(stamped=True)
    handed_out(cable)
    for place, ticks in enumerate((5, 1 << 30, (1 << 31) - 5, (1 << 31) + 5)):
        tsval = (SECONDARY_TS + ticks) % MODULUS
        (sent,) = sends(cable, guest(place, payload=b"x", timestamps=(tsval, CLIENT_TS)))
        assert sent.timestamps is not None
        back = cable.to_guest(client(0, place + 1, timestamps=(CLIENT_TS, sent.timestamps[0])))
        assert back.timestamps == (CLIENT_TS, tsval)


def test_under_vnet_headers_also_partial_checksums() -> None:
    cable = Cable().open(stamped=True)
    vnet = struct.pack("=BBHHHH", 1, 1, 66, 1448, 34, 16)
    packet = bytearray(guest(0, payload=b"x" * 20_000, timestamps=(SECONDARY_TS, CLIENT_TS)).packet(GUEST, CLIENT))
    packet[50:52] = b"\x12\x34"
    batch = cable.rewriter.from_guest(batch_of_frames([Frame(bytes(packet), vnet)], True), cable.now)
    cable.to_guest(client(0, 5000, timestamps=(CLIENT_TS, PRIMARY_TS + 9)))
    cable.rewriter.fail_over(cable.now)
    (out,) = cable.rewriter.kept_output()
    assert out.vnet_hdr
    (frame,), (sent,) = frames_of(out), frames_of(batch)
    assert frame.header == vnet
    assert frame.packet[50:52] == b"\x12\x34"
    assert frame.packet[:58] == sent.packet[:58]
    assert frame.packet[58:62] == struct.pack(">I", PRIMARY_TS + 9 + LEAP)
    assert frame.packet[62:] == sent.packet[62:]


# how it is kept


def others(cable: Cable, count: int) -> list[Address]:
    """Further connections of the cable's guest."""
    addresses = [Address(CLIENT.mac, CLIENT.ip, 1000 + number) for number in range(count)]
    for address in addresses:
        cable.client = address
        cable.open()
    return addresses


def test_most_of_a_batch_is_kept_by_reference_and_little_as_a_copy() -> None:
    cable = Cable(most=10)
    one, other = others(cable, 2)
    packets = [guest(place, payload=b"x" * 100).packet(GUEST, one) for place in range(0, 1000, 100)]
    packets.append(guest(0, payload=b"y" * 100).packet(GUEST, other))
    batch = Batch.from_packets(packets)
    cable.rewriter.from_guest(batch, cable.now)
    frame = len(packets[0]) + 4
    assert kept(cable).held == len(batch.data) + frame + 2 * (SPAN_COST + CONNECTION_COST)
    cable.client = one
    cable.to_guest(client(0, 1000))
    assert kept(cable).held == frame + SPAN_COST + CONNECTION_COST


def test_order_is_kept_per_connection_across_batches_that_mix_them() -> None:
    cable = Cable(most=10)
    addresses = others(cable, 3)
    sent: dict[int, list[bytes]] = {address.port: [] for address in addresses}
    for place in range(0, 500, 100):
        packets = [guest(place, payload=b"x" * 100).packet(GUEST, address) for address in addresses]
        batch = cable.rewriter.from_guest(Batch.from_packets(packets), cable.now)
        for address, packet in zip(addresses, batch.packets()):
            sent[address.port].append(packet)
    cable.rewriter.fail_over(cable.now)
    (out,) = cable.rewriter.kept_output()
    found: dict[int, list[bytes]] = {address.port: [] for address in addresses}
    for packet in out.packets():
        found[int.from_bytes(packet[36:38], "big")].append(packet)
    assert found == sent


def test_it_is_handed_out_in_batches_of_a_bounded_size() -> None:
    cable = Cable().open()
    for place in range(0, 300_000, 1000):
        sends(cable, guest(place, payload=b"x" * 1000))
    cable.rewriter.fail_over(cable.now)
    batches = list(cable.rewriter.kept_output())
    assert sum(map(len, batches)) == 300
    assert max(len(batch.data) for batch in batches) <= 1 << 16
    assert len(batches) == 5


# any moment of any connection


@given(services, st.integers(1, 120))
def test_at_a_take_over_all_that_the_client_lacks_is_handed_out_in_order(
    service: dict[str, Any], milliseconds: int
) -> None:
    met = replicas_of(service)
    replicas = TakenOver(met.network, met.client, met.primary, met.secondary)
    network, one, other = replicas.network, replicas.client, replicas.secondary
    network.run(lambda: network.now > 100.0 + milliseconds / 1000, replicas.turn)
    followed = [known for known in replicas.rewriter.following.all() if known.learnt]
    acked = [signed(known.client_ack - other.isn) for known in followed]
    sent = [signed(known.shown - other.isn) for known in followed]
    replicas.fail_over()
    if followed:
        at = acked[0]
        for segment in replicas.output:
            place = signed(segment.seq - replicas.primary.isn)
            assert place <= at < place + segment.length, "no hole, nothing twice, nothing that the client has"
            at = place + segment.length
        assert at == max(acked[0], sent[0])
    over = network.run(lambda: is_over(one, other), replicas.turn)
    assert over, (one.state, other.state)
    assert other.wrongs == []
    assert other.received == one.stream
    assert one.received == other.stream


@given(services, st.integers(1, 120))
def test_without_loss_the_client_has_it_all_before_any_timer_has_run(
    service: dict[str, Any], milliseconds: int
) -> None:
    met = replicas_of(service | {"loss": 0.0, "pause": False, "buffer": 1 << 18})
    replicas = TakenOver(met.network, met.client, met.primary, met.secondary)
    network, one, other = replicas.network, replicas.client, replicas.secondary
    network.run(lambda: network.now > 100.0 + milliseconds / 1000, replicas.turn)
    followed = [known for known in replicas.rewriter.following.all() if known.learnt]
    sent = [signed(known.shown - other.isn) for known in followed]
    replicas.fail_over()
    moment = network.now
    network.run(lambda: network.now > moment + 0.02, replicas.turn)
    if followed:
        assert one.rcv_nxt >= sent[0]
