# cython: annotation_typing=False
"""One TCP segment made two, as a kernel or a NIC would have cut it (SEMANTICS: whatever the cuts)."""

from __future__ import annotations

import struct

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.acknowledgments import pseudo_header
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE
from colo_twisted.packets.checksum import ones_complement_sum, put_word
from colo_twisted.packets.comparing.held import Held
from colo_twisted.packets.ip import V4_CHECKSUM_AT, V4_TOTAL_LENGTH_AT, V6_HEADER, V6_PAYLOAD_LENGTH_AT
from colo_twisted.packets.tcp import CHECKSUM_AT, CWR, FIN, FLAGS_AT, PSH, SEQ_AT
from colo_twisted.packets.vnet import GSO_NONE, TAP_HEADER_SIZE

_GSO_TYPE_AT = 1  # in the virtio-net header
_GSO_SIZE_AT = 4
_gso_size = struct.Struct("=H")


def first_part(held: Held, count: int) -> Held:
    """The first ``count`` bytes of a segment's payload (not all of it) as a segment of its own."""
    return _part(held, 0, count, held.flags & ~(FIN | PSH))


def last_part(held: Held, count: int) -> Held:
    """What follows the first ``count`` bytes of a segment's payload."""
    return _part(held, count, held.length - count, held.flags & ~CWR)


def _part(held: Held, skipped: int, length: int, flags: int) -> Held:
    start = held.start
    payload = held.payload + skipped
    frame = bytearray(held.data[start : held.payload])
    frame += held.data[payload : payload + length]
    _put_lengths(frame, held, length)
    transport = held.transport - start
    fields.put_u32(frame, transport + SEQ_AT, sequence.add(held.seq, skipped))
    frame[transport + FLAGS_AT] = flags
    _put_checksum(frame, held, transport)
    part = Held(bytes(frame), 0, len(frame), held.since)
    part.packet = held.packet - start
    part.network = held.network - start
    part.transport = transport
    part.payload = held.payload - start
    part.length = length
    part.cost = held.cost - (held.length - length)
    part.seq = sequence.add(held.seq, skipped)
    part.ack = held.ack
    part.window = held.window
    part.flags = flags
    part.partial = held.partial
    part.vnet_hdr = held.vnet_hdr
    part.order = held.order
    return part


def _put_lengths(frame: bytearray, held: Held, length: int) -> None:
    """Into the frame's own header, the virtio-net header and the IP header."""
    size = len(frame)
    behind = LENGTH_SIZE + (VNET_LENGTH_SIZE if held.vnet_hdr else 0)
    fields.put_u32(frame, 0, size - behind)
    if held.packet - held.start - behind >= TAP_HEADER_SIZE:
        (segment,) = _gso_size.unpack_from(frame, behind + _GSO_SIZE_AT)
        if length <= segment:  # nothing is left to be cut
            frame[behind + _GSO_TYPE_AT] = GSO_NONE
            _gso_size.pack_into(frame, behind + _GSO_SIZE_AT, 0)
    network = held.network - held.start
    if frame[network] >> 4 == 4:
        put_word(frame, network + V4_TOTAL_LENGTH_AT, size - network, network + V4_CHECKSUM_AT)
    else:
        fields.put_u16(frame, network + V6_PAYLOAD_LENGTH_AT, size - network - V6_HEADER)


def _put_checksum(frame: bytearray, held: Held, transport: int) -> None:
    """A partial one covers the pseudo-header alone."""
    covered = pseudo_header(frame, held.network - held.start, len(frame) - transport)
    fields.put_u16(frame, transport + CHECKSUM_AT, 0)
    if held.partial:
        checksum = ones_complement_sum(covered)
    else:
        checksum = ~ones_complement_sum(covered + bytes(frame[transport:])) & 0xFFFF
    fields.put_u16(frame, transport + CHECKSUM_AT, checksum)
