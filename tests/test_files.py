"""Files that outlive a process: whole, their owner's alone, and where they were meant to be."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from colo_twisted.files import read_file, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
@pytest.mark.parametrize("there", [True, False])
def test_what_is_written_is_its_owners_alone(path: Path, mask: int, there: bool) -> None:
    if there:
        path.write_bytes(b"older and longer")
        path.chmod(0o644)
    before = os.umask(mask)
    try:
        replace_file(str(path), b"new")
    finally:
        os.umask(before)
    assert (path.read_bytes(), mode(path)) == (b"new", 0o600)
    assert list(path.parent.iterdir()) == [path]


LEFT: dict[str, Callable[[Path, Path], None]] = {
    "a file that all may read": lambda new, _: os.close(os.open(new, os.O_CREAT, 0o666)),
    "a symbolic link": lambda new, other: new.symlink_to(other),
    "a symbolic link to nothing": lambda new, other: new.symlink_to(other.with_name("nothing")),
    "a hard link": lambda new, other: new.hardlink_to(other),
    "a named pipe": lambda new, _: os.mkfifo(new),
}


@pytest.mark.parametrize("left", LEFT)
def test_what_somebody_left_in_the_way_is_neither_followed_nor_written_to(path: Path, left: str) -> None:
    other = path.with_name("other")
    other.write_bytes(b"precious")
    LEFT[left](path.with_name("file.new"), other)
    replace_file(str(path), b"new")
    assert (path.read_bytes(), mode(path), path.is_symlink()) == (b"new", 0o600, False)
    assert other.read_bytes() == b"precious"
    assert {each.name for each in path.parent.iterdir()} == {"file", "other"}


def test_the_old_one_is_there_until_the_new_one_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(str(path), b"new")
    assert path.read_bytes() == b"old"


def test_what_is_written_is_read(path: Path) -> None:
    replace_file(str(path), b"some bytes")
    assert read_file(str(path), 10) == b"some bytes"
    with pytest.raises(OSError, match="larger than 9 bytes"):
        read_file(str(path), 9)


def test_a_file_of_any_size_costs_no_memory_before_it_is_refused(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 36)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_file(str(path), 10)


def test_what_is_no_regular_file_is_neither_read_nor_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(OSError, match="no regular file"):
        read_file(str(path), 10)
    with pytest.raises(FileNotFoundError):
        read_file(f"{path}.other", 10)
