"""UDP (RFC 768): where fields stand, counted from the header's first byte."""

from __future__ import annotations

HEADER = 8
LENGTH_AT = 4
