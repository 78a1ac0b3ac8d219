"""A part of a long list, as somebody who asks for it piece by piece gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Page:
    """
    Some rows of a list, and how long the whole is.

    A row is a mapping from QMP's names (``held-packets``) to what JSON knows.
    """

    rows: list[dict[str, Any]]
    total: int
