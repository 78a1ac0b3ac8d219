"""What README and docs/ say of the code is so."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from colo_twisted.failover.table import TABLE, Row, State

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", "docs/operating.md", "docs/fencing.md", "docs/qemu.md")
SOURCES = sorted((ROOT / "colo_twisted").rglob("*.py"))

HEAD = """\
| side | in state | what happens | it becomes |
| --- | --- | --- | --- |
"""


def transition_table() -> str:
    """The arbiter's TABLE as README has it: rows that differ by their state only are one."""
    grouped = itertools.groupby(TABLE, key=lambda row: (row.role, row.event, row.goes, row.solo))
    return HEAD + "".join(_line(list(rows)) for _, rows in grouped)


def _line(rows: list[Row]) -> str:
    first = rows[0]
    states = ", ".join(f"`{row.state.value}`" for row in rows)
    rises = ", `+1`" if first.solo else ""
    return f"| {first.role} | {states} | {first.event.value} | `{first.goes.value}`{rises} |\n"


def anchors(page: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    texts = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-") for text in texts}


def cells(page: str, heading: str) -> list[str]:
    """The first cell of each row of the tables below a heading of a page."""
    _, _, below = page.partition(f"\n## {heading}\n")
    rows = [line for line in below.partition("\n## ")[0].splitlines() if line.startswith("| ")]
    return [row.split(" | ")[0].removeprefix("| ") for row in rows if not row.startswith("| ---")]


def test_the_transition_table_is_the_codes() -> None:
    table = transition_table()
    assert table in (ROOT / "README.md").read_text()
    rows = table.splitlines()[2:]
    assert len(rows) == len(set(rows))  # rows that belong together stand together in the code
    assert sum(row.split(" | ")[1].count("`") // 2 for row in rows) == len(TABLE)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    assert links
    for link in links:
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (folder / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_every_state_is_explained_to_operators() -> None:
    explained = cells((ROOT / "docs/operating.md").read_text(), "States")
    assert {f"`{state.value}`" for state in State} <= set(explained)


@pytest.mark.parametrize(
    ("page", "heading", "least"), [("docs/operating.md", "Counters", 20), ("docs/qemu.md", "How to look at it", 10)]
)
def test_the_counters_that_operators_read_of_are_there(page: str, heading: str, least: int) -> None:
    code = "\n".join(source.read_text() for source in SOURCES)
    first = cells((ROOT / page).read_text(), heading)
    names = re.findall(r"`(\w+)`", "\n".join(first))
    assert len(names) >= least
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []
