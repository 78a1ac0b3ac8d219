"""
What the table of flows finds is a flow, unchecked, as ``packets.casts`` has it for its lists.

Compiled modules have this as C (casts.pxd).
"""

from __future__ import annotations

from typing import Any


def flow(known: Any) -> Any:
    """A Flow, or None."""
    return known
