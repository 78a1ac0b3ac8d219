"""A survivor that is restarted in order keeps the connections that it took over; after a crash it doesn't think so."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.netfilter.test_rewriter import CABLE, a_house, from_guest, last, opened
from tests.support.asking import run
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


def taken_up(house: House) -> int:
    rewriter = house.object("rew0").rewriter
    assert rewriter.following.alone is (len(rewriter.following) > 0)
    return len(rewriter.following)


def said_of(logs: Sequence[Any], words: str) -> list[str]:
    return [text for event in logs if words in (text := formatEvent(event) or "")]


def test_one_that_is_deleted_leaves_nothing_that_a_much_later_start_would_take_up(table: Path) -> None:
    house = survivor(table)
    assert "error" not in run(house.machine, "object-del", {"id": "rew0"})
    assert not table.exists()
    house.machine.stopService()
    assert not table.exists()


def test_one_that_can_not_be_removed_is_not_taken_up(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be taken up again by whoever comes after a crash."""
    survivor(table).machine.stopService()

    def refuse(_: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "unlink", refuse)
    with capturedLogs() as logs:
        house = a_house(f",table={table}")
    (line,) = said_of(logs, "taken up")
    assert line.endswith("are not taken up: Read-only file system")
    assert taken_up(house) == 0
    assert table.exists()


def test_the_start_does_not_wait_for_a_pipe(table: Path) -> None:
    os.mkfifo(table)
    with capturedLogs() as logs:
        house = a_house(f",table={table}")
    assert len(said_of(logs, "are not taken up: it is no regular file")) == 1
    assert taken_up(house) == 0


def test_a_file_of_any_size_costs_no_memory(table: Path) -> None:
    with table.open("wb") as file:
        file.truncate(1 << 36)
    with capturedLogs() as logs:
        house = a_house(f",table={table}")
    assert len(said_of(logs, "are not taken up: it is larger than")) == 1
    assert taken_up(house) == 0
    assert table.exists()


def test_the_table_is_its_owners_alone(table: Path) -> None:
    survivor(table).machine.stopService()
    assert table.stat().st_mode & 0o777 == 0o600
