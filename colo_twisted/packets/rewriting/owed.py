# cython: annotation_typing=False
"""Acknowledgments that the guest is owed, each made from one of its own packets with its two ends exchanged."""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.acknowledgments import pure_ack
from colo_twisted.packets.ip import V4_SOURCE_AT, V6_SOURCE_AT
from colo_twisted.packets.rewriting.followed import Followed
from colo_twisted.packets.rewriting.following import Following
from colo_twisted.packets.tcp import ACK_AT
from colo_twisted.packets.tcp_options import timestamps_at

MAC = 6  # bytes


def owed_acks(due: dict[bytes, tuple[bytes, int, int]], following: Following) -> list[bytes]:
    """
    Packets for those connections that have sent more of what the client acknowledged, or send once more what it has.

    ``due``: by connection, headers of a packet of the guest's, and where IP's and TCP's are.
    """
    packets: list[bytes] = []
    for key, (packet, network, transport) in due.items():
        known = following.get(key)
        if known is not None:
            packets.append(owed_ack(known, packet, network, transport))
            following.counters.acks_delivered += 1
            if not known.outrun(known.client_ack):
                known.owed = False
    return packets


def owed_ack(known: Followed, packet: bytes, network: int, transport: int) -> bytes:
    """
    A packet for the guest that acknowledges what the client has, as far as the guest has sent it.

    ``packet`` holds the headers of one of the guest's own, which says what it expects and has seen last: its IP
    header is at ``network``, its TCP header at ``transport``.
    """
    ahead = known.outrun(known.client_ack)
    ack = sequence.add(known.client_ack, -ahead)
    window = known.window_for(ack, known.client_ack, known.window)
    at = timestamps_at(packet, transport, len(packet))
    timestamps = None
    if at:  # an older TSval than the guest has accepted meanwhile would be dropped (RFC 7323 section 5, PAWS)
        tsval = fields.u32(packet, at + 4)
        timestamps = (
            sequence.later_of(tsval, known.client_stamp) if known.client_stamp else tsval,
            fields.u32(packet, at),
        )
    model = turned(packet, network, transport)
    return pure_ack(model, network, transport, fields.u32(packet, transport + ACK_AT), ack, window, timestamps)


def turned(packet: bytes, network: int, transport: int) -> bytes:
    """The headers of a packet with source and destination exchanged."""
    v4 = packet[network] >> 4 == 4
    size = 4 if v4 else 16
    model = bytearray(packet)
    for at, width in ((0, MAC), (network + (V4_SOURCE_AT if v4 else V6_SOURCE_AT), size), (transport, 2)):
        model[at : at + width] = packet[at + width : at + 2 * width]
        model[at + width : at + 2 * width] = packet[at : at + width]
    return bytes(model)
