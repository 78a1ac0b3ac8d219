"""
What tables find keys by: numbers that nobody outside can foretell, else one could fill a table with a single chain.

Compiled modules have this as C (hashing.pxd), keyed by ``SEED``; Python's own hash of bytes is keyed too.
"""

from __future__ import annotations

import os

from colo_twisted.packets.fields import Bytes

SEED = os.urandom(256)


def hashed(data: Bytes, start: int, end: int, seed: bytes) -> int:
    """A number of 32 bits for ``data[start:end]``; ``seed`` is SEED."""
    return hash(bytes(data[start:end])) & 0xFFFFFFFF
