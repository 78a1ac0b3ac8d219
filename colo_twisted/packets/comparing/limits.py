"""A comparer's bounds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """As colo-compare's properties give them; times in seconds, sizes in bytes, the queue's in packets."""

    compare_timeout: float = 3.0
    grain: float = 0.05
    max_queue_size: int = 16384
    max_connections: int = 1 << 20
    max_memory: int = 512 << 20
