# cython: annotation_typing=False
"""
A TCP header's numbers changed in place, the checksum with them.

Each function takes where the checksum stands, or NO_CHECKSUM: a partial one (virtio 1.2, 5.1.6.2, NEEDS_CSUM)
sums the pseudo header only, and stays.
"""

from __future__ import annotations

from colo_twisted.packets import fields, sequence
from colo_twisted.packets.acknowledgments import blocks, keep_blocks
from colo_twisted.packets.checksum import put_long, put_word, updated
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.icmp import V6_FIRST_INFORMATIONAL
from colo_twisted.packets.ip import (
    OFFSET_MASK,
    PROTOCOL_DESTINATION_OPTIONS,
    PROTOCOL_FRAGMENT,
    PROTOCOL_HOP_BY_HOP,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_ROUTING,
    PROTOCOL_TCP,
    V4_FRAGMENT_AT,
    V4_HEADER,
    V4_PROTOCOL_AT,
    V4_SOURCE_AT,
    V6_HEADER,
    V6_NEXT_HEADER_AT,
    V6_SOURCE_AT,
)
from colo_twisted.packets.kinds import TCP
from colo_twisted.packets.tcp import CHECKSUM_AT, SEQ_AT

NO_CHECKSUM = -1
PORTS_AND_SEQ = 8  # the least of a transport header that an ICMP error quotes (RFC 792)
_V4_ERRORS = frozenset((3, 4, 11, 12))  # ICMP's types that do


def set_long(data: bytearray, at: int, value: int, checksum_at: int, odd: bool) -> None:
    """Set a 32-bit field; ``odd``: it begins at an odd place of its header."""
    if checksum_at == NO_CHECKSUM:
        fields.put_u32(data, at, value)
    else:
        put_long(data, at, value, checksum_at, odd)


def set_word(data: bytearray, at: int, value: int, checksum_at: int) -> None:
    """Set a 16-bit field at an even place of its header."""
    if checksum_at == NO_CHECKSUM:
        fields.put_u16(data, at, value)
    else:
        put_word(data, at, value, checksum_at)


def shift_blocks(data: bytearray, option: int, transport: int, offset: int, checksum_at: int) -> None:
    """Add ``offset`` to the edges in a SACK option (RFC 2018)."""
    odd = ((option - transport) & 1) != 0
    for edge in range(option + 2, option + data[option + 1], 4):
        set_long(data, edge, sequence.add(fields.u32(data, edge), offset), checksum_at, odd)


def has_block_beyond(data: Bytes, option: int, most: int) -> bool:
    """Whether a block of a SACK option ends beyond ``most``."""
    for block in range(option + 2, option + data[option + 1], 8):
        end = fields.u32(data, block + 4)
        if sequence.distance(end, most) > 0:
            return True
    return False


def drop_blocks_beyond(data: bytearray, option: int, transport: int, most: int, checksum_at: int) -> None:
    """Make NOPs of the blocks of a SACK option that end beyond ``most``, and of all of it if none is left."""
    partial = fields.u16(data, transport + CHECKSUM_AT)
    within = [block for block in blocks(data, option) if sequence.before(fields.u32(block, 4), sequence.add(most, 1))]
    keep_blocks(data, option, transport, within)
    if checksum_at == NO_CHECKSUM:
        fields.put_u16(data, transport + CHECKSUM_AT, partial)


def is_error(data: Bytes, headers: Headers) -> bool:
    """Whether a packet of kind CONTROL is an ICMP or ICMPv6 error, which quotes another."""
    message = data[headers.transport]
    if headers.protocol == PROTOCOL_ICMP:
        return message in _V4_ERRORS
    return headers.protocol == PROTOCOL_ICMPV6 and message < V6_FIRST_INFORMATIONAL


def quoted_tcp(data: Bytes, at: int, end: int, version: int) -> int:
    """
    Where the TCP header stands that an ICMP error quotes, behind the IP header at ``at``; its ports and seq are there.

    0 if it quotes something else, a later fragment, or too little. What is quoted may be cut anywhere.
    """
    if version == 4:
        if end - at < V4_HEADER or data[at] >> 4 != 4 or data[at + V4_PROTOCOL_AT] != PROTOCOL_TCP:
            return 0
        transport = at + ((data[at] & 0x0F) << 2)
        if transport - at < V4_HEADER or fields.u16(data, at + V4_FRAGMENT_AT) & OFFSET_MASK:
            return 0
    else:
        transport = _behind_v6(data, at, end)
    return transport if transport and end - transport >= PORTS_AND_SEQ else 0


def _behind_v6(data: Bytes, at: int, end: int) -> int:
    """Where TCP stands behind a quoted IPv6 header and its extension headers; 0 if it doesn't."""
    if end - at < V6_HEADER or data[at] >> 4 != 6:
        return 0
    protocol = data[at + V6_NEXT_HEADER_AT]
    at += V6_HEADER
    while protocol != PROTOCOL_TCP:
        if end - at < 8:
            return 0
        if protocol == PROTOCOL_FRAGMENT:
            if fields.u16(data, at + 2) & 0xFFF8:
                return 0
            size = 8
        elif protocol in (PROTOCOL_HOP_BY_HOP, PROTOCOL_ROUTING, PROTOCOL_DESTINATION_OPTIONS):
            size = (data[at + 1] + 1) * 8
        else:
            return 0
        protocol = data[at]
        at += size
    return at


def quoted_key(data: bytes, headers: Headers, tcp: int) -> bytes:
    """The key of the connection whose packet is quoted behind an ICMP error's ``headers``, as its sender's own."""
    addresses = headers.payload + (V4_SOURCE_AT if headers.version == 4 else V6_SOURCE_AT)
    key = data[addresses : addresses + (8 if headers.version == 4 else 32)] + data[tcp : tcp + 4]
    vlans = headers.vlans(data)
    return bytes((TCP, headers.version)) + vlans + key if vlans else key


def shift_quoted_seq(data: bytearray, tcp: int, end: int, offset: int, checksum_at: int) -> None:
    """Add ``offset`` to the seq of a quoted TCP header, to its own checksum if that is quoted, and to the outer one."""
    own = tcp + CHECKSUM_AT
    whole = own + 2 <= end
    before = (fields.u16(data, tcp + SEQ_AT), fields.u16(data, tcp + SEQ_AT + 2), fields.u16(data, own) if whole else 0)
    seq = sequence.add(fields.u32(data, tcp + SEQ_AT), offset)
    set_long(data, tcp + SEQ_AT, seq, own if whole else NO_CHECKSUM, False)
    if checksum_at == NO_CHECKSUM:
        return
    after = (seq >> 16, seq & 0xFFFF, fields.u16(data, own) if whole else 0)
    checksum = fields.u16(data, checksum_at)
    for old, new in zip(before, after):
        checksum = updated(checksum, old, new)
    fields.put_u16(data, checksum_at, checksum)
