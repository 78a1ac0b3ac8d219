# cython: annotation_typing=False
"""TCP acknowledgments that a comparer lowers, and those that it makes (SEMANTICS: commit of acknowledgments)."""

from __future__ import annotations

import struct

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.checksum import ones_complement_sum, put_long, put_word, updated
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.ip import (
    PROTOCOL_TCP,
    V4_CHECKSUM_AT,
    V4_DESTINATION_AT,
    V4_FRAGMENT_AT,
    V4_HEADER,
    V4_SOURCE_AT,
    V4_TOTAL_LENGTH_AT,
    V6_DESTINATION_AT,
    V6_HEADER,
    V6_NEXT_HEADER_AT,
    V6_PAYLOAD_LENGTH_AT,
    V6_SOURCE_AT,
)
from colo_twisted.packets.tcp import ACK, ACK_AT, CHECKSUM_AT, HEADER, OPTION_NOP, OPTION_SACK, WINDOW_AT
from colo_twisted.packets.tcp_options import TIMESTAMPS_ALONE, sack_at

_DONT_FRAGMENT = 0x4000
_V4_ECN = 0x03  # in the second byte of the header; a pure ACK is not ECN-capable (RFC 3168 section 6.1.4)
_V6_ECN = 0x30
_SACK_BLOCK = 8


def lowered(frame: bytes, transport: int, payload: int, ack: int, window: int, partial: bool) -> bytes:
    """
    The frame with another ACK and window field in the TCP header at ``frame[transport:payload]``.

    SACK blocks that begin below the original ack become NOPs: they would tell what the new one doesn't. The checksum
    is updated (RFC 1624), or left alone where it is partial: that doesn't cover these fields yet.
    """
    changed = bytearray(frame)
    original = fields.u32(frame, transport + ACK_AT)
    checksum_at = transport + CHECKSUM_AT
    checksum = fields.u16(frame, checksum_at)
    put_long(changed, transport + ACK_AT, ack, checksum_at)
    put_word(changed, transport + WINDOW_AT, window, checksum_at)
    if ack != original:
        at = sack_at(frame, transport, payload)
        if at:
            staying = [block for block in blocks(frame, at) if not sequence.before(fields.u32(block, 0), original)]
            keep_blocks(changed, at, transport, staying)
    if partial:
        fields.put_u16(changed, checksum_at, checksum)
    return bytes(changed)


def restamped(frame: bytes, transport: int, at: int, tsval: int, partial: bool) -> bytes:
    """
    The frame with another TSval, which stands at ``frame[at]``, in the TCP header at ``transport``.

    The checksum is updated (RFC 1624), or left alone where it is partial.
    """
    changed = bytearray(frame)
    checksum_at = transport + CHECKSUM_AT
    put_long(changed, at, tsval, checksum_at, ((at - transport) & 1) != 0)
    if partial:
        fields.put_u16(changed, checksum_at, fields.u16(frame, checksum_at))
    return bytes(changed)


def blocks(data: Bytes, at: int) -> list[bytes]:
    """The blocks of the SACK option (RFC 2018) at ``at``: two edges of 4 bytes each."""
    return [bytes(data[block : block + _SACK_BLOCK]) for block in range(at + 2, at + data[at + 1], _SACK_BLOCK)]


def keep_blocks(frame: bytearray, at: int, transport: int, staying: list[bytes]) -> None:
    """Leave these of a SACK option's blocks, and make NOPs of the others, of all of it if none stays."""
    length = frame[at + 1]
    if 2 + _SACK_BLOCK * len(staying) == length:
        return
    option = bytes((OPTION_SACK, 2 + _SACK_BLOCK * len(staying))) + b"".join(staying) if staying else b""
    # NOPs first: what follows the option then stands as before
    _replace(frame, at, option.rjust(length, bytes((OPTION_NOP,))), transport)


def _replace(frame: bytearray, at: int, new: bytes, transport: int) -> None:
    """Put bytes in a TCP header's options in place of as many others, and update its checksum (RFC 1624)."""
    first = at - (at - transport) % 2  # whole words, as the checksum sees them
    end = at + len(new) + (at + len(new) - transport) % 2
    old = bytes(frame[first:end])
    frame[at : at + len(new)] = new
    checksum = fields.u16(frame, transport + CHECKSUM_AT)
    for offset in range(0, end - first, 2):
        checksum = updated(checksum, fields.u16(old, offset), fields.u16(frame, first + offset))
    fields.put_u16(frame, transport + CHECKSUM_AT, checksum)


def pseudo_header(data: Bytes, network: int, length: int) -> bytes:
    """What TCP's checksum covers before a segment of so many bytes (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    if data[network] >> 4 == 4:
        addresses = data[network + V4_SOURCE_AT : network + V4_DESTINATION_AT + 4]
    else:
        addresses = data[network + V6_SOURCE_AT : network + V6_DESTINATION_AT + 16]
    return bytes(addresses) + struct.pack(">HH", PROTOCOL_TCP, length)


def pure_ack(
    model: bytes,
    network: int,
    transport: int,
    seq: int,
    ack: int,
    window: int,
    timestamps: tuple[int, int] | None,
) -> bytes:
    """
    A packet (Ethernet on) that acknowledges and says nothing else.

    Addresses, ports, tags, TTL and traffic class are those of ``model``: its IP header is at ``network``, its TCP
    header at ``transport``; ``timestamps`` are TSval and TSecr.
    """
    options = struct.pack(">III", TIMESTAMPS_ALONE, *timestamps) if timestamps is not None else b""
    data_offset = (HEADER + len(options)) // 4 << 4
    ports = model[transport : transport + 4]
    tcp = bytearray(ports + struct.pack(">IIBBHHH", seq, ack, data_offset, ACK, window, 0, 0) + options)
    if model[network] >> 4 == 4:
        ip = bytearray(model[network : network + V4_HEADER])
        ip[0] = 0x45
        ip[1] &= ~_V4_ECN & 0xFF
        fields.put_u16(ip, V4_TOTAL_LENGTH_AT, V4_HEADER + len(tcp))
        fields.put_u16(ip, V4_FRAGMENT_AT, _DONT_FRAGMENT)
        fields.put_u16(ip, V4_CHECKSUM_AT, 0)
        fields.put_u16(ip, V4_CHECKSUM_AT, ~ones_complement_sum(bytes(ip)) & 0xFFFF)
    else:
        ip = bytearray(model[network : network + V6_HEADER])
        ip[1] &= ~_V6_ECN & 0xFF
        fields.put_u16(ip, V6_PAYLOAD_LENGTH_AT, len(tcp))
        ip[V6_NEXT_HEADER_AT] = PROTOCOL_TCP
    fields.put_u16(tcp, CHECKSUM_AT, ~ones_complement_sum(pseudo_header(ip, 0, len(tcp)) + tcp) & 0xFFFF)
    return model[:network] + ip + tcp
