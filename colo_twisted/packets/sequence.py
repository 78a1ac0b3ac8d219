"""
Arithmetic modulo 2^32: sequence numbers and timestamps (RFC 9293 section 3.4, RFC 7323 section 5.2).

Compiled modules have the functions as C (sequence.pxd): whoever wants that writes ``sequence.add(...)``.
"""

from __future__ import annotations

from typing import NamedTuple

_MASK = 0xFFFFFFFF
_HALF = 0x7FFFFFFF


class Offsets(NamedTuple):
    """What a rewriter takes from a guest's outgoing numbers: of the sequence, and of the timestamp clock."""

    sequence: int
    timestamp: int


def add(number: int, count: int) -> int:
    """``number + count`` modulo 2^32; count may be negative."""
    return (number + count) & _MASK


def distance(later: int, earlier: int) -> int:
    """How far ``later`` lies ahead of ``earlier``: from -2^31 to 2^31 - 1."""
    ahead = (later - earlier) & _MASK
    return ahead - _MASK - 1 if ahead > _HALF else ahead


def before(one: int, other: int) -> bool:
    """Whether ``one`` lies before ``other``."""
    return ((one - other) & _MASK) > _HALF


def later_of(one: int, other: int) -> int:
    """The one that lies ahead."""
    return other if ((one - other) & _MASK) > _HALF else one
