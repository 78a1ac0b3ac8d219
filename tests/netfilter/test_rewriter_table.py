"""A survivor that is restarted in order keeps the connections that it took over; after a crash it doesn't think so."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.netfilter.test_rewriter import CABLE, a_house, from_guest, last, opened
from tests.support.house import House
from tests.support.segments import Segment


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "table"


def survivor(table: Path) -> House:
    house = opened(a_house(f",table={table}"))
    house.object("rew0").fail_over()
    return house


def test_what_was_taken_over_goes_on_after_a_restart(table: Path) -> None:
    survivor(table).machine.stopService()
    assert table.exists()
    again = a_house(f",table={table}")
    assert not table.exists()
    from_guest(again, Segment(5001, 101, payload=b"answer"))
    assert last(again, "hn0").seq == 3001
    again.machine.stopService()
    assert table.exists()


def test_a_secondary_leaves_nothing(table: Path) -> None:
    opened(a_house(f",table={table}")).machine.stopService()
    assert not table.exists()


def test_a_file_that_is_no_table_is_named_and_left(table: Path) -> None:
    table.write_bytes(b"nonsense")
    with capturedLogs() as logs:
        house = a_house(f",table={table}")
    (line,) = [text for event in logs if "taken up" in (text := formatEvent(event) or "")]
    assert line.startswith(f"FilterRewriter rew0: the connections in {table} are not taken up: ")
    assert table.read_bytes() == b"nonsense"
    assert len(house.object("rew0").rewriter.following) == 0


def test_a_table_that_can_not_be_kept_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    house = survivor(folder / "table")
    folder.rmdir()
    with capturedLogs() as logs:
        house.machine.stopService()
    assert sum("are not kept in" in (formatEvent(event) or "") for event in logs) == 1


@pytest.mark.parametrize(("role", "is_taken_up"), [("secondary", False), ("primary", True)])
def test_it_is_not_for_a_side_that_is_made_a_replica_again(table: Path, role: str, is_taken_up: bool) -> None:
    survivor(table).machine.stopService()
    with capturedLogs() as logs:
        house = House(
            f"{CABLE} -chardev fake,id=p -object colo-peer,id=cp0,chardev=p,role={role}"
            f" -object filter-rewriter,id=rew0,netdev=hn0,table={table}"
        ).start()
    said = [text for event in logs if "not taken up" in (text := formatEvent(event) or "")]
    assert table.exists() is not is_taken_up
    assert (len(house.object("rew0").rewriter.following) > 0) is is_taken_up
    assert bool(said) is not is_taken_up
