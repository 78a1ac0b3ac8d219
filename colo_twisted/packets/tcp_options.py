# cython: annotation_typing=False
"""TCP's options: what a SYN offers, timestamps, selective acknowledgments (RFC 9293 3.1, RFC 7323, RFC 2018)."""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.tcp import (
    HEADER,
    LARGEST_SCALE,
    OPTION_END,
    OPTION_MSS,
    OPTION_NOP,
    OPTION_SACK,
    OPTION_SACK_PERMITTED,
    OPTION_TIMESTAMPS,
    OPTION_WINDOW_SCALE,
)

TIMESTAMPS_ALONE = 0x0101080A  # two NOPs, then kind 8, length 10: what every stack sends
NO_SCALE = 0xFF

# what syn_options packs into one number
_SACK_BIT = 8
_TIMESTAMPS_BIT = 9
_MSS_SHIFT = 16


def find_option(data: Bytes, transport: int, payload: int, wanted: int) -> int:
    """
    Where an option's kind byte stands in the TCP header ``data[transport:payload]``; 0 if it has none.

    The option found lies wholly in the header; one that doesn't ends the search.
    """
    at = transport + HEADER
    while at < payload:
        kind = data[at]
        if kind == OPTION_END:
            return 0
        if kind == OPTION_NOP:
            at += 1
            continue
        if at + 1 >= payload or data[at + 1] < 2 or at + data[at + 1] > payload:
            return 0
        if kind == wanted:
            return at
        at += data[at + 1]
    return 0


def timestamps_at(data: Bytes, transport: int, payload: int) -> int:
    """Where TSval stands (TSecr 4 bytes behind it); 0 without the option."""
    at = transport + HEADER
    if payload - at >= 12 and fields.u32(data, at) == TIMESTAMPS_ALONE:
        return at + 4
    if payload == at:
        return 0
    at = find_option(data, transport, payload, OPTION_TIMESTAMPS)
    return at + 2 if at and data[at + 1] == 10 else 0


def sack_at(data: Bytes, transport: int, payload: int) -> int:
    """Where the selective acknowledgment's kind byte stands; its blocks are whole; 0 without one."""
    at = transport + HEADER
    if payload == at or (payload - at == 12 and fields.u32(data, at) == TIMESTAMPS_ALONE):
        return 0
    at = find_option(data, transport, payload, OPTION_SACK)
    return at if at and (data[at + 1] - 2) % 8 == 0 else 0


def syn_options(data: Bytes, transport: int, payload: int) -> int:
    """
    What a SYN offers, in one number that is equal where the offers are.

    MSS above the lowest 16 bits; then whether timestamps, whether SACK; lowest the window scale, NO_SCALE without one.
    """
    offer = NO_SCALE
    at = find_option(data, transport, payload, OPTION_WINDOW_SCALE)
    if at and data[at + 1] == 3:
        offer = min(data[at + 2], LARGEST_SCALE)
    if find_option(data, transport, payload, OPTION_SACK_PERMITTED):
        offer |= 1 << _SACK_BIT
    if timestamps_at(data, transport, payload):
        offer |= 1 << _TIMESTAMPS_BIT
    at = find_option(data, transport, payload, OPTION_MSS)
    if at and data[at + 1] == 4:
        offer |= fields.u16(data, at + 2) << _MSS_SHIFT
    return offer


def scale_of(offer: int) -> int:
    """The window scale in what syn_options gave; 0 without one."""
    scale = offer & 0xFF
    return 0 if scale == NO_SCALE else scale
