"""Numbers, times and tables as plain text; colours where they are wanted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence

Paint = Callable[[str, str], str]
"""(text, colour) -> text. Colours: 'green', 'yellow', 'red', 'bold', and 'plain', which is none."""

_COLOURING = re.compile(r"\x1b\[[0-9;]*m")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_BYTES = ("B", "KB", "MB", "GB", "TB")
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def plain(text: str, colour: str) -> str:
    """A Paint that paints nothing."""
    return text


def said(value: object) -> str:
    """A text of the server's, or of somebody that it quotes, in one line that does nothing to a terminal."""
    return _UNPRINTABLE.sub("?", str(value))


def shortened(text: str, width: int) -> str:
    """A text of at most ``width`` columns: its middle is left out."""
    kept = width - 3
    return text if len(text) <= width else f"{text[: kept // 2]}...{text[-(kept - kept // 2) :]}"


def sized(count: float) -> str:
    """Bytes in powers of 1000, three figures: '1.23 MB', '12 B'."""
    unit = 0
    while count >= 999.5 and unit < len(_BYTES) - 1:
        count /= 1000
        unit += 1
    return f"{_three_figures(count) if unit else round(count)} {_BYTES[unit]}"


def _three_figures(number: float) -> str:
    return f"{number:.2f}" if number < 9.995 else f"{number:.1f}" if number < 99.95 else f"{number:.0f}"


def counted(number: float) -> str:
    """A count with commas: '1,234'; below ten, and not whole, with one decimal."""
    return f"{number:.1f}" if 0 < number < 9.95 and number != int(number) else f"{round(number):,}"


def many(number: int, what: str, more: str | None = None) -> str:
    """'1 packet', '2 packets', '2 queries'."""
    return f"{number:,} {what if number == 1 else more or what + 's'}"


def lasting(seconds: float) -> str:
    """A time in its two largest units: '2 h 13 min', '45 s', '0 s'."""
    rest = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {unit}")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if not part.startswith("0 ")) or "0 s"


def clock_time(when: float, now: float) -> str:
    """The local time of a moment (seconds since the epoch); with its date unless that is within half a day of now."""
    form = "%H:%M:%S" if abs(now - when) < 43_200 else "%Y-%m-%d %H:%M:%S"
    return time.strftime(form, time.localtime(when))


def columns(rows: Iterable[Sequence[str]], right: Iterable[int] = (), indent: int = 0) -> list[str]:
    """Rows as lines with aligned columns, two blanks apart; those in ``right`` are set against the right."""
    table = [list(row) for row in rows]
    widths = [max(map(_width, column)) for column in zip(*table)]
    to_right = set(right)
    return [
        (" " * indent + "  ".join(_padded(text, widths[at], at in to_right) for at, text in enumerate(row))).rstrip()
        for row in table
    ]


def _width(text: str) -> int:
    return len(_COLOURING.sub("", text))


def _padded(text: str, width: int, right: bool) -> str:
    blanks = " " * (width - _width(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """The text's first ``width`` columns; colours cost none, and end with it."""
    if _width(text) <= width:
        return text
    kept, left = "", width
    for piece in re.split(f"({_COLOURING.pattern})", text):
        if _COLOURING.fullmatch(piece):
            kept += piece
        else:
            kept += piece[:left]
            left -= len(piece[:left])
    return kept


def wrapped(words: Iterable[str], width: int, first: str = "", then: str = "") -> list[str]:
    """Words that stay whole, with a blank between, in lines of at most ``width`` where they fit."""
    lines: list[str] = []
    line, empty = first, True
    for word in words:
        if not empty and _width(line) + 1 + _width(word) > width:
            lines.append(line)
            line, empty = then, True
        line += word if empty else f" {word}"
        empty = False
    return [*lines, line] if not empty or first else lines
