"""Up and down scripts: which is run, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from colo_twisted.netdev import scripts
from colo_twisted.options.errors import OptionError


def script(folder: Path, body: str) -> str:
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def test_the_given_one_is_chosen(tmp_path: Path) -> None:
    assert scripts.choose("/a/b", str(tmp_path)) == "/a/b"
    assert scripts.choose("", str(tmp_path)) is None


def test_the_default_is_chosen_where_it_exists(tmp_path: Path) -> None:
    assert scripts.choose(None, script(tmp_path, "")) is not None
    assert scripts.choose(None, str(tmp_path / "none")) is None


def test_success_says_nothing(tmp_path: Path) -> None:
    assert scripts.run(script(tmp_path, 'test "$1" = tap0'), "tap0").failure is None


def test_failure_is_told_with_its_last_line(tmp_path: Path) -> None:
    path = script(tmp_path, "echo first; echo last >&2; exit 7")
    assert scripts.run(path, "tap0").failure == f"{path} tap0 exited with 7: last"


def test_a_signal_is_told(tmp_path: Path) -> None:
    assert "was ended by signal 9" in str(scripts.run(script(tmp_path, "kill -9 $$"), "tap0").failure)


def test_one_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "TIMEOUT_SECONDS", 0.2)
    assert "did not end within 0.2 s" in str(scripts.run(script(tmp_path, "exec tail -f /dev/null"), "tap0").failure)


def test_one_that_is_no_program_is_told(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("no shebang, and not executable")
    assert "could not be run: Permission denied" in str(scripts.run(str(path), "tap0").failure)


def test_a_named_script_must_be_there_and_executable(tmp_path: Path) -> None:
    scripts.check("script", None)
    scripts.check("script", "")
    scripts.check("script", script(tmp_path, ""))
    with pytest.raises(OptionError, match="property 'script': there is no file /no/such"):
        scripts.check("script", "/no/such")
    plain = tmp_path / "plain"
    plain.write_text("")
    with pytest.raises(OptionError, match="is not executable"):
        scripts.check("downscript", str(plain))


def test_what_it_says_is_kept_though_it_succeeds(tmp_path: Path) -> None:
    outcome = scripts.run(script(tmp_path, "echo W: no bridge found >&2; echo twice"), "tap0")
    assert outcome == scripts.Outcome(None, "W: no bridge found / twice")
