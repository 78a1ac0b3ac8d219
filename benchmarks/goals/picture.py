"""
The table as a picture: SVG, legible on light and dark pages.

All goals stand on one line. A bar's length is by how much it surpasses the goal or misses it, on a scale of powers of
ten; where less is better, a longer bar is less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from benchmarks.goals.rows import MET, Row, from_json
from benchmarks.machine import Machine
from benchmarks.results import Spread, digits

LEAST, MOST = 0.01, 100.0  # times the goal: where the scale begins and ends; a longer bar ends there, too
NAMES, SCALE, FIGURES = 350, 460, 200  # pixels: the columns
BAR, GAP, TOP, BELOW = 7, 13, 64, 40
WIDTH = NAMES + SCALE + FIGURES
LIGHT = {
    "page": "#ffffff", "text": "#1f2328", "faint": "#59636e", "grid": "#d1d9e0",
    "ours": "#1a7f37", "missed": "#bc4c00", "qemu": "#57606a", "limit": "#b6c2d1",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "text": "#f0f6fc", "faint": "#9198a1", "grid": "#3d444d",
    "ours": "#3fb950", "missed": "#f0883e", "qemu": "#9198a1", "limit": "#4a5568",
}  # fmt: skip
SHAPES = "text { font: 12px system-ui, sans-serif; } .end { text-anchor: end; } .middle { text-anchor: middle; }"


def style() -> str:
    """The reader's choice of a light or dark page is the browser's to know."""
    return f"{SHAPES}\n{_colours(LIGHT)}\n@media (prefers-color-scheme: dark) {{\n{_colours(DARK)}\n}}"


def _colours(named: dict[str, str]) -> str:
    filled = [f".{name} {{ fill: {named[name]}; }}" for name in ("page", "ours", "missed", "qemu", "limit")]
    lines = f".grid {{ stroke: {named['grid']}; }} .goal {{ stroke: {named['text']}; stroke-dasharray: 4 3; }}"
    return "\n".join((f"text {{ fill: {named['text']}; }} text.faint {{ fill: {named['faint']}; }}", *filled, lines))


def drawn(measured: dict[str, Any]) -> str:
    """What the goals' part measured, as it gives it for JSON."""
    return draw(from_json(measured["rows"]), Machine(**measured["machine"]).words)


def draw(rows: Iterable[Row], words: str) -> str:
    """``words``, in small letters below: where this was measured. A row without goal or figure has no bar."""
    drawn = [row for row in rows if row.ratio is not None and row.target is not None]
    heights = [_height(row) for row in drawn]
    bottom = TOP + sum(heights)
    parts = [*_scale(bottom), *_legend()]
    y = TOP
    for row, height in zip(drawn, heights):
        parts += _row(row, y)
        y += height
    parts += _below(words, bottom + BELOW - 8)
    height = bottom + BELOW + 12
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    )
    label = "<title>Ours, QEMU's and the limit, beside the goals</title>"
    page = f'<rect class="page" width="{WIDTH}" height="{height}"/>'
    return "\n".join((f'{opening} role="img">', label, f"<style>{style()}</style>", page, *parts, "</svg>", ""))


def place(times_the_goal: float) -> float:
    """Where a value stands on the scale, in pixels from the left edge of the picture."""
    within = min(max(times_the_goal, LEAST), MOST)
    return NAMES + SCALE * (math.log10(within) - math.log10(LEAST)) / (math.log10(MOST) - math.log10(LEAST))


def bars(row: Row) -> list[tuple[str, float, Spread]]:
    """Of each that was measured: its class, how many times the goal it is, and its figure."""
    judged = row.plain if row.of_plain else row.ours
    if row.ratio is None or row.target is None or judged is None:
        return []
    ours = _times(row.ratio.median, row.target, row.at_most)
    mine = "ours" if row.met == MET else "missed"
    made = [(mine, ours, judged)]
    for name, spread in (("qemu", row.qemu), ("limit", row.limit)):
        if spread is not None:
            made.append((name, ours * _times(spread.median, judged.median, row.at_most), spread))
    return made


def _times(value: float, of: float, at_most: bool) -> float:
    least = 1e-12  # nothing is divided by 0
    return max(of, least) / max(value, least) if at_most else value / max(of, least)


def _height(row: Row) -> int:
    return max(len(bars(row)), 2) * BAR + GAP


def _row(row: Row, y: float) -> Iterator[str]:
    drawn = bars(row)
    height = len(drawn) * BAR
    middle = y + max(height, 2 * BAR) / 2
    yield _text(NAMES - 10, middle - 1, row.what, "end")
    yield _text(NAMES - 10, middle + 11, row.goal, "end faint")
    for index, (name, times, spread) in enumerate(drawn):
        right = place(times)
        top = y + index * BAR
        figure = f"{name}: {spread} {row.unit}"
        yield (
            f'<rect class="{name}" x="{NAMES}" y="{top:.1f}" width="{max(right - NAMES, 2):.1f}" height="{BAR - 1}">'
            f"<title>{escape(figure)}</title></rect>"
        )
    yield _text(NAMES + SCALE + 10, middle - 1, _figures(row))
    yield _text(NAMES + SCALE + 10, middle + 11, _beside(row), "faint")


def _figures(row: Row) -> str:
    """Ours, and the ratio if it is one."""
    judged = row.plain if row.of_plain else row.ours
    shown = "" if judged is None else f"{digits(judged.median)} {row.unit}"
    return f"{digits(row.ratio.median)} x: {shown}" if row.is_ratio and row.ratio is not None else shown


def _beside(row: Row) -> str:
    shown = []
    if row.qemu is not None:
        shown.append(f"QEMU {digits(row.qemu.median)}{' (on record)' if row.on_record else ''}")
    if row.limit is not None:
        shown.append(f"limit {digits(row.limit.median)}")
    return ", ".join(shown)


def _scale(bottom: float) -> Iterator[str]:
    for power in range(round(math.log10(LEAST)), round(math.log10(MOST)) + 1):
        x = place(10.0**power)
        kind = "goal" if power == 0 else "grid"
        yield f'<line class="{kind}" x1="{x:.1f}" y1="{TOP - 10}" x2="{x:.1f}" y2="{bottom}"/>'
        yield _text(x, TOP - 14, "the goal" if power == 0 else f"{10.0**power:g} x", "middle")


def _legend() -> Iterator[str]:
    x = 10.0
    for name, words in (("ours", "ours, met"), ("missed", "ours, not met"), ("qemu", "QEMU"), ("limit", "limit")):
        yield f'<rect class="{name}" x="{x}" y="10" width="10" height="10"/>'
        yield _text(x + 15, 19, words)
        x += 45 + 6.5 * len(words)


def _below(words: str, y: float) -> Iterator[str]:
    for index, line in enumerate(_wrapped(words.split(), 140)):
        yield _text(10, y + 14 * index, line, "faint")


def _wrapped(words: Sequence[str], most: int) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) >= most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
