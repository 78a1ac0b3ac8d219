"""A divergence: what the two guests did not do alike, with the evidence."""

from __future__ import annotations

from typing import NamedTuple


class Divergence(NamedTuple):
    """
    One flow's, told once.

    ``kind`` is one of verdicts' names, ``key`` the flow's (keys.key_text has it in words). ``seq`` is where the
    primary's packet begins in TCP's sequence space (0 for others), ``offset`` how many bytes of its payload are equal.
    ``packet`` and ``other`` are the primary's and the secondary's (Ethernet on), None where there is none;
    ``when`` is monotonic, in seconds. ``number`` is given by who keeps it: how many there have been, with this one.
    """

    kind: str
    key: bytes
    seq: int
    offset: int
    packet: bytes | None
    other: bytes | None
    when: float
    number: int = 0
