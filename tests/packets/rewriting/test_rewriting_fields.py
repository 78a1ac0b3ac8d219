"""The fields that the rewriter changes: SACK, quotes, timestamps; under checksums, vnet headers and fragments."""

from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether

from colo_twisted.packets.batch import Batch
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
    places,
)
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, MODULUS, SYN, Segment
from tests.support.strategies import Frame, batch_of_frames, frames_of

# SACK, quoted sequence numbers, partial checksums, fragments


def test_sack_edges_get_the_offset() -> None:
    cable = Cable().open(sack=True)
    cable.from_guest(guest(0, payload=b"x" * 1000))
    edges = tuple((PRIMARY_ISN + 1 + place) % MODULUS for place in (100, 200, 300, 1000))
    translated = cable.to_guest(client(0, 0, sack=(edges[:2], edges[2:])))
    assert [edge - SECONDARY_ISN - 1 for block in translated.sack for edge in block] == [100, 200, 300, 1000]


def test_sack_blocks_beyond_what_was_sent_become_nops() -> None:
    cable = Cable().open(sack=True)
    cable.from_guest(guest(0, payload=b"x" * 300))
    known, beyond = ((PRIMARY_ISN + 101) % MODULUS, (PRIMARY_ISN + 201) % MODULUS), (400, 500)
    assert len(cable.to_guest(client(0, 0, sack=(known, beyond))).sack) == 1
    assert cable.to_guest(client(0, 0, sack=(beyond,))).sack == ()


@pytest.mark.parametrize("nops", [b"", b"\1", b"\1\1\1"])
def test_options_at_odd_places(nops: bytes) -> None:
    cable = Cable().open(sack=True, stamped=True)
    cable.from_guest(guest(0, payload=b"x" * 300, timestamps=(SECONDARY_TS + 7, CLIENT_TS)))
    blocks = struct.pack(">IIII", (PRIMARY_ISN + 101) % MODULUS, (PRIMARY_ISN + 201) % MODULUS, 400, 500)
    options = nops + struct.pack(">BBII", 8, 10, CLIENT_TS + 1, PRIMARY_TS + 7) + struct.pack(">BB", 5, 18) + blocks
    options = options.ljust(32, b"\0")
    segment = client(0, 300)
    layers = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(
        sport=40000, dport=80, seq=segment.seq, ack=segment.ack, flags="A"
    )
    packet = bytearray(bytes(Ether(type=0x0800) / layers) + bytes(32))
    packet[14 + 2 : 14 + 4] = struct.pack(">H", 72)
    packet[34 + 12] = 13 << 4
    packet[54:86] = options
    rebuilt = Ether(bytes(packet))
    del rebuilt[TCP].chksum
    packet = bytearray(bytes(rebuilt))
    packet[54:86] = options  # as they stood, whatever scapy thinks of them
    (translated,) = cable.rewriter.to_guest(Batch.from_packets([bytes(packet)]), 10.0).packets()
    assert right_checksum(translated)
    shown = checked(translated)
    assert shown.timestamps == (CLIENT_TS + 1, SECONDARY_TS + 7)
    assert shown.sack == ((SECONDARY_ISN + 101, SECONDARY_ISN + 201),)


def right_checksum(packet: bytes) -> bool:
    """By scapy's account."""
    dissected = Ether(packet)
    shown = dissected[TCP].chksum
    del dissected[TCP].chksum
    return bool(Ether(bytes(dissected))[TCP].chksum == shown)


@pytest.mark.parametrize("tags", [(), (9,)])
@pytest.mark.parametrize("cut", [8, 17, 18, 20, 40])
@pytest.mark.parametrize("version", [4, 6])
def test_a_quoted_sequence_number_gets_the_offset(version: int, cut: int, tags: tuple[int, ...]) -> None:
    end, other = ENDS[version == 6]
    cable = Cable(end, other, tags).open()
    seen = Segment(PRIMARY_ISN, CLIENT_ISN + 1, payload=b"x" * 40).packet(other, end)[14:]
    quote = seen[: (20 if version == 4 else 40) + cut]
    router = (
        IP(src="10.9.9.9", dst="10.0.0.2") / ICMP(type=3, code=4, nexthopmtu=1400)
        if version == 4
        else IPv6(src="fd00::9", dst="fd00::2") / ICMPv6PacketTooBig(mtu=1400)
    )
    packet = bytes(Ether(type=0x0800 if version == 4 else 0x86DD) / router / quote)
    for tag in reversed(tags):
        packet = packet[:12] + struct.pack(">HH", 0x8100, tag) + packet[12:]
    (translated,) = cable.rewriter.to_guest(Batch.from_packets([packet]), 10.0).packets()
    at = len(packet) - len(quote) + (20 if version == 4 else 40)
    assert translated[at + 4 : at + 8] == struct.pack(">I", SECONDARY_ISN)
    dissected = Ether(translated)
    message = dissected[ICMP] if version == 4 else dissected[ICMPv6PacketTooBig]
    field = "chksum" if version == 4 else "cksum"
    shown = getattr(message, field)
    delattr(message, field)
    rebuilt = Ether(bytes(dissected))
    assert getattr(rebuilt[ICMP] if version == 4 else rebuilt[ICMPv6PacketTooBig], field) == shown
    if cut == 40 and version == 4:  # all that its checksum covers, but for the payload
        whole = bytearray(seen)
        whole[: len(quote)] = translated[len(packet) - len(quote) :]
        assert right_checksum(bytes(Ether(type=0x0800)) + bytes(whole))


@pytest.mark.parametrize("keep", [0, 10, 27])
def test_a_quote_that_is_too_short_is_left_alone(keep: int) -> None:
    cable = Cable().open()
    quote = Segment(PRIMARY_ISN).packet(GUEST, CLIENT)[14 : 14 + keep]
    batch = Batch.from_packets([bytes(Ether(type=0x0800) / IP() / ICMP(type=3) / quote)])
    assert cable.rewriter.to_guest(batch, 10.0) is batch


@pytest.mark.parametrize("header", [10, 12])
@pytest.mark.parametrize("gso", [0, 1])
def test_a_partial_checksum_stays_partial(header: int, gso: int) -> None:
    cable = Cable().open(sack=True, stamped=True)
    cable.from_guest(guest(0, payload=b"x" * 300, timestamps=(SECONDARY_TS + 7, CLIENT_TS)))
    vnet = struct.pack("=BBHHHH", 1, gso, 66, 1448, 34, 16).ljust(header, b"\0")
    fields = {"timestamps": (CLIENT_TS, PRIMARY_TS + 7), "sack": ((400, 500),), "payload": b"y" * 20_000}
    packet = bytearray(client(0, 5000, **fields).packet(CLIENT, GUEST))
    packet[50:52] = b"\x12\x34"
    batch = batch_of_frames([Frame(bytes(packet), vnet)], True)
    (frame,) = frames_of(cable.rewriter.to_guest(batch, 10.0))
    assert frame.header == vnet
    assert frame.packet[50:52] == b"\x12\x34"
    assert frame.packet[42:46] == struct.pack(">I", SECONDARY_ISN + 301)
    out = batch_of_frames([Frame(guest(300, payload=b"z" * 9000).packet(GUEST, CLIENT), vnet)], True)
    (frame,) = frames_of(cable.rewriter.from_guest(out, 10.0))
    assert struct.unpack(">I", frame.packet[38:42]) == ((PRIMARY_ISN + 301) % MODULUS,)
    owed = cable.rewriter.take_for_guest()
    assert owed is not None
    assert owed.vnet_hdr
    (frame,) = frames_of(owed)
    assert frame.header == b""
    assert places(checked(frame.packet))[1] == 5000


@pytest.mark.parametrize("header", [b"", bytes(10), struct.pack("=BBHHHH", 2, 0, 0, 0, 0, 0)])
def test_a_whole_checksum_under_a_vnet_header_is_updated(header: bytes) -> None:
    cable = Cable().open()
    batch = batch_of_frames([Frame(guest(0, payload=b"abc").packet(GUEST, CLIENT), header)], True)
    (frame,) = frames_of(cable.rewriter.from_guest(batch, 10.0))
    assert places(checked(frame.packet))[0] == 0


def test_of_a_fragmented_packet_the_part_with_the_header_is_rewritten() -> None:
    cable = Cable().open()
    cable.from_guest(guest(0, payload=b"x" * 100))
    for way, segment in (
        (cable.rewriter.to_guest, client(0, 100, payload=b"y" * 2000)),
        (cable.rewriter.from_guest, guest(100, payload=b"y" * 2000)),
    ):
        ends = (CLIENT, GUEST) if way == cable.rewriter.to_guest else (GUEST, CLIENT)
        whole = segment.packet(*ends)
        head = bytearray(whole[: 34 + 800])
        head[16:18], head[20:22] = struct.pack(">H", 820), b"\x20\0"
        tail = bytearray(whole[:34] + whole[34 + 800 :])
        tail[16:18], tail[20:22] = struct.pack(">H", len(tail) - 14), struct.pack(">H", 100)
        first, second = way(Batch.from_packets([bytes(head), bytes(tail)]), 10.0).packets()
        assert second == tail
        joined = checked(whole[:34] + first[34:] + second[34:])
        assert joined == segment.but(
            seq=segment.seq if ends[0] is CLIENT else (PRIMARY_ISN + 101) % MODULUS,
            ack=segment.ack if ends[0] is GUEST else SECONDARY_ISN + 101,
        )


def test_ip_options_and_ethernet_padding() -> None:
    cable = Cable().open()
    packet = bytearray(guest(0).packet(GUEST, CLIENT))
    packet[14] = 0x46
    packet[16:18] = struct.pack(">H", 44)
    packet[34:34] = b"\1\1\1\0"
    batch = Batch.from_packets([bytes(packet) + bytes(8)])
    (translated,) = cable.rewriter.from_guest(batch, 10.0).packets()
    assert translated[-8:] == bytes(8)
    assert places(checked(translated))[0] == 0
    assert cable.known.shown == SECONDARY_ISN + 1, "padding is no payload"


@pytest.mark.parametrize("packet", [b"x" * 14, Segment(1).packet(CLIENT, GUEST)[:40], b"\0" * 12 + b"\x08\0E"])
def test_what_is_not_ours_passes_as_the_same_object(packet: bytes) -> None:
    cable = Cable().open()
    batch = Batch.from_packets([packet])
    assert cable.rewriter.to_guest(batch, 10.0) is batch
    assert cable.rewriter.from_guest(batch, 10.0) is batch
    assert cable.counters.malformed == (0 if len(packet) == 14 and packet[12:14] == b"xx" else 2)


# timestamps


def test_outgoing_tsval_and_incoming_tsecr_are_translated() -> None:
    cable = Cable().open(stamped=True)
    out = cable.from_guest(guest(0, payload=b"x", timestamps=(SECONDARY_TS + 50, CLIENT_TS)))
    assert out.timestamps == (PRIMARY_TS + 50, CLIENT_TS)
    back = cable.to_guest(client(0, 1, timestamps=(CLIENT_TS + 60, PRIMARY_TS + 50)))
    assert back.timestamps == (CLIENT_TS + 60, SECONDARY_TS + 50)


def test_the_guests_opening_gets_its_own_timestamp_back() -> None:
    cable = Cable()
    cable.from_guest(Segment(SECONDARY_ISN, flags=SYN, timestamps=(SECONDARY_TS, 0)))
    answer = Segment(CLIENT_ISN, (PRIMARY_ISN + 1) % MODULUS, SYN | ACK, timestamps=(CLIENT_TS, PRIMARY_TS))
    assert cable.to_guest(answer).timestamps == (CLIENT_TS, SECONDARY_TS)


def test_an_echo_above_the_newest_tsval_moves_the_offset_forward() -> None:
    cable = Cable().open(stamped=True)
    cable.from_guest(guest(0, payload=b"x", timestamps=(SECONDARY_TS + 50, CLIENT_TS)))
    seen = PRIMARY_TS + 900
    assert cable.to_guest(client(0, 1, timestamps=(CLIENT_TS + 60, seen))).timestamps == (
        CLIENT_TS + 60,
        SECONDARY_TS + 50,
    )
    out = cable.from_guest(guest(1, payload=b"y", timestamps=(SECONDARY_TS + 51, CLIENT_TS + 60)))
    assert out.timestamps == (seen + 1, CLIENT_TS + 60), "PAWS would drop a lower one"
    older = cable.to_guest(client(0, 2, timestamps=(CLIENT_TS + 70, seen - 10)))
    assert older.timestamps == (CLIENT_TS + 70, SECONDARY_TS + 40)


def test_a_segment_out_of_the_window_moves_no_timestamp() -> None:
    cable = Cable().open(stamped=True)
    cable.from_guest(guest(0, payload=b"x", timestamps=(SECONDARY_TS, CLIENT_TS)))
    cable.to_guest(client(1 << 31, 1, timestamps=(CLIENT_TS, PRIMARY_TS + 1_000_000)))
    out = cable.from_guest(guest(1, payload=b"y", timestamps=(SECONDARY_TS + 1, CLIENT_TS)))
    assert out.timestamps == (PRIMARY_TS + 1, CLIENT_TS)
