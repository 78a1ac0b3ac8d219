"""
What stands in a list is said to be what it is, unchecked: a test of each costs as much as the rest of a look-up.

Compiled modules have this as C (casts.pxd). Only for lists that nobody else fills.
"""

from __future__ import annotations

from typing import Any


def connection(known: Any) -> Any:
    """A Connection, or None."""
    return known
