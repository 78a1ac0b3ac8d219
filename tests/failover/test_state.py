"""The state file: on the disk before anything happens, whole at any time, and honest about what can't be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from colo_twisted.failover.state import StateError, StateFile


def test_what_is_kept_is_there_after_a_restart_with_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text('{"epoch": 5, "checkpoint": 1}')
    state = StateFile(str(path))
    state.load()
    state.keep({"checkpoint": 2})
    again = StateFile(str(path))
    again.load()
    assert again.values == state.values == {"epoch": 5, "checkpoint": 2}
    assert os.listdir(tmp_path) == ["state"]


def test_without_a_file_it_is_in_memory() -> None:
    state = StateFile(None)
    state.load()
    state.keep({"a": 1})
    assert state.values == {"a": 1}


def test_no_file_yet_is_nothing_known(tmp_path: Path) -> None:
    state = StateFile(str(tmp_path / "state"))
    state.load()
    assert state.values == {}


def test_it_is_on_the_disk_before_it_takes_the_others_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    order: list[str] = []
    fsync, rename = os.fsync, os.rename

    def recording_fsync(descriptor: int) -> None:
        order.append(f"fsync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}'))}")
        fsync(descriptor)

    def recording_rename(old: str, new: str) -> None:
        order.append(f"rename {json.loads(Path(old).read_text())}")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", recording_rename)
    StateFile(str(path)).keep({"a": 1})
    assert order == ["fsync state.new", "rename {'a': 1}", f"fsync {tmp_path.name}"]


def test_what_can_not_be_kept_has_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "state"
    state = StateFile(str(path))
    with pytest.raises(StateError, match=f"^{path} can't be written: No such file or directory$"):
        state.keep({"a": 1})
    assert state.values == {}


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_what_is_no_state_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(StateError, match=rf"^{path} is no state file \(one JSON object\): move it away$"):
        StateFile(str(path)).load()


def test_what_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=f"^{tmp_path} can't be read: Is a directory$"):
        StateFile(str(tmp_path)).load()
