"""``make demo``: what it says when all goes well, and that nothing of it stays when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from demo.__main__ import main
from tests.support.namespaces import need, run
from tests.support.processes import Process, wait_until

ROOT = Path(__file__).parents[2]


def start(folder: Path) -> Process:
    """The demo, from the project's folder, with its temporary files in ours."""
    need("ip", "ss", "ping", "curl")
    words = ["env", "-C", str(ROOT), f"TMPDIR={folder}", sys.executable, "-m", "demo"]
    return Process(words, folder / "demo.log")


def left_by(process: Process, folder: Path) -> list[str]:
    """What a demo has made and not taken away: namespaces (with all that is in them), processes, files."""
    namespaces = [line for line in run("ip", "netns").splitlines() if line.startswith(f"colo-demo-{process.pid}-")]
    processes = [words for words in map(words_of, Path("/proc").glob("[0-9]*")) if str(folder) in words]
    return namespaces + processes + [str(path) for path in folder.glob("colo-demo-*")]


def words_of(process: Path) -> str:
    """The words that a process was started with; none, if it has just ended."""
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def interfaces() -> set[str]:
    """Those of this host, among which the demo must put none."""
    return set(os.listdir("/sys/class/net"))


def test_it_shows_a_whole_pair_and_one_divergence(tmp_path: Path) -> None:
    before = interfaces()
    with start(tmp_path) as process:
        wait_until(lambda: process.popen.poll() is not None, "the demo's end", 60)
        said = process.output
        assert process.popen.returncode == 0, said
        assert re.search(r"ping +20 of 20 answered", said)
        for step in ("download", "upload"):
            assert re.search(rf"{step} +50 MB in .* SHA-256 right", said)
        at_both = re.findall(r"(?:guest|replica) +(?:sent|received) +([\d,]+) bytes, SHA-256 (\w{16})", said)
        assert len(at_both) == 4
        assert {size for size, _ in at_both} == {"50,000,000"}
        assert len({sha256 for _, sha256 in at_both}) == 1
        compared, held, released = (number_after(name, said) for name in ("compared", "held", "released"))
        assert compared >= held > 0
        assert released >= compared
        assert re.search(r"hold time +[\d.]+ ms in the median, [\d.]+ ms at the 99th percentile", said)
        assert number_after("divergences", said) == 0
        assert re.search(r"divergence \(payload\) of TCP 10.0.0.2:80 to 10.0.0.1:\d+", said)
        assert re.search(r"checkpoint \d+ is done, in ", said)
        assert said.count("'hello from the guest' came after") == 2
        assert "WRONG" not in said
        assert left_by(process, tmp_path) == []
    assert interfaces() == before


def number_after(name: str, said: str) -> int:
    """The number in the line of that name."""
    (number,) = re.findall(rf"^  {name} +([\d,]+)", said, re.MULTILINE)
    return int(number.replace(",", ""))


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("hosts", signal.SIGINT),
        ("primary", signal.SIGTERM),
        ("guests", signal.SIGINT),  # while it pings
        ("ping", signal.SIGINT),  # while it downloads
        ("download", signal.SIGTERM),  # while it uploads
    ],
)
def test_stopped_at_any_step_it_leaves_nothing(tmp_path: Path, step: str, number: signal.Signals) -> None:
    before = interfaces()
    with start(tmp_path) as process:
        process.wait_for_output(rf"\n  {step} ")
        process.signal(number)
        wait_until(lambda: process.popen.poll() is not None, "the demo's end")
        assert process.popen.returncode == 128 + number, process.output
        assert "stopped" in process.output
        assert left_by(process, tmp_path) == []
    assert interfaces() == before


def test_a_step_that_fails_shows_why_and_leaves_nothing(tmp_path: Path) -> None:
    """Somebody kills the primary's process."""
    with start(tmp_path) as process:
        process.wait_for_output(r"\n  primary ")
        pidfile = next(tmp_path.glob("colo-demo-*/primary.pid"))
        os.kill(int(pidfile.read_text()), signal.SIGKILL)
        wait_until(lambda: process.popen.poll() is not None, "the demo's end", 60)
        assert process.popen.returncode == 1, process.output
        assert "FAILED: " in process.output
        assert "--- the end of what twistd in primary said" in process.output
        assert "colo: running" in process.output
        assert left_by(process, tmp_path) == []


def test_without_root_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"demo: root is needed.*\n", said.err)
