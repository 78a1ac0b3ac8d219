"""``make demo``: what it says when all goes well, and that nothing of it stays when it is stopped."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.__main__ import main, offered
from demo.acts import MEGABYTE
from tests.support.namespaces import need, run
from tests.support.processes import Process, wait_until

ROOT = Path(__file__).parents[2]
MB = 100  # of the downloads: half of them must last longer than a busy machine takes to kill somebody
PATIENCE = 20  # seconds
SHA256 = offered(MB * MEGABYTE).sha256
TIMELINE = (
    "synced",
    "download begins",
    "killed with SIGKILL",
    "the secondary sees the last connection to the primary closed",
    "the secondary has taken over",
    "the client gets the first byte after that",
    "download ends",
)


def start(folder: Path) -> Process:
    """The demo with a small body, from the project's folder, with its temporary files in ours."""
    need("ip", "ss")
    words = ["env", "-C", str(ROOT), f"TMPDIR={folder}", f"COLO_DEMO_MB={MB}", sys.executable, "-m", "demo"]
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


@dataclass(frozen=True)
class Told:
    """What is said of one run."""

    text: str

    def at(self, what: str) -> float:
        """The second of a line of the timeline."""
        (second,) = re.findall(rf"^ +([\d.]+) s  {what}", self.text, re.MULTILINE)
        return float(second)

    def figures(self, name: str) -> list[float]:
        """All numbers in the line of that name."""
        (line,) = re.findall(rf"^  {name}  +(.*)", self.text, re.MULTILINE)
        return [float(number.replace(",", "")) for number in re.findall(r"[\d][\d,.]*", line)]


def told(said: str) -> list[Told]:
    return [Told(part) for part in re.split(r"^\d\. ", said, flags=re.MULTILINE)[1:]]


def test_both_downloads_outlive_the_primary(tmp_path: Path) -> None:
    before = interfaces()
    with start(tmp_path) as process:
        wait_until(lambda: process.popen.poll() is not None, "the demo's end", 90)
        said = process.output
        assert process.popen.returncode == 0, said
        assert re.search(r"\nAll as it must be, after \d+ s\.\n$", said)
        assert len(said.splitlines()) <= 60
        runs = told(said)
        assert len(runs) == 2
        for run in runs:
            check_timeline(run)
            check_figures(run)
        assert "the survivor's is 'hello from the replica'" in runs[0].text
        check_divergence(runs[1])
        assert left_by(process, tmp_path) == []
    assert interfaces() == before


def check_timeline(run: Told) -> None:
    moments = [run.at(what) for what in TIMELINE]
    assert moments == sorted(moments)
    assert re.search(rf"download ends: {MB},000,000 bytes, SHA-256 right \({SHA256[:16]}\.\.\.\)", run.text)


def check_figures(run: Told) -> None:
    packets, size, others, other_size = run.figures("compared")
    assert min(packets, others) > 0
    assert min(size, other_size) > MB * MEGABYTE / 4
    held, held_at_kill, held_bytes = run.figures("held")
    assert held > 0
    assert held_bytes >= held_at_kill
    median, most = run.figures("hold time")[:2]
    assert 0 < median <= most
    before, after, sent = run.figures("received")
    assert before + after == MB * MEGABYTE
    assert after > 0
    assert sent > 0
    pause, usual = run.figures("pause")
    assert 0 < pause < 1000 * PATIENCE
    assert usual > 0


def check_divergence(run: Told) -> None:
    """In the second run."""
    assert run.at("the client asks for a greeting") < run.at("download begins")
    assert re.search(r"divergence \(payload\) of TCP 10.0.0.2:80 to 10.0.0.1:\d+", run.text)
    assert re.search(r"checkpoint \d+ is done, in ", run.text)
    assert "it gets 'hello from the guest'" in run.text
    assert "the survivor's is 'hello from the guest', as the checkpoint brought it" in run.text


@pytest.mark.parametrize(
    ("seen", "number"),
    [
        ("Two twistd", signal.SIGINT),  # while it makes hosts
        ("s  synced", signal.SIGTERM),
        ("download begins", signal.SIGINT),
        ("killed with SIGKILL", signal.SIGHUP),
        (r"\n2\. ", signal.SIGTERM),
    ],
)
def test_stopped_at_any_step_it_leaves_nothing(tmp_path: Path, seen: str, number: signal.Signals) -> None:
    before = interfaces()
    with start(tmp_path) as process:
        process.wait_for_output(seen)
        process.signal(number)
        wait_until(lambda: process.popen.poll() is not None, "the demo's end")
        assert process.popen.returncode == 128 + number, process.output
        assert process.output.endswith("\nstopped; all is taken away\n")
        assert left_by(process, tmp_path) == []
    assert interfaces() == before


def test_what_is_wrong_is_said_in_one_line_and_only_logs_stay(tmp_path: Path) -> None:
    """Somebody kills the secondary's process, which was to take over."""
    before = interfaces()
    with start(tmp_path) as process:
        process.wait_for_output("download begins")
        pidfile = next(tmp_path.glob("colo-demo-*/*/secondary.pid"))
        os.kill(int(pidfile.read_text()), signal.SIGKILL)
        wait_until(lambda: process.popen.poll() is not None, "the demo's end", 60)
        assert process.popen.returncode == 1, process.output
        (folder,) = re.findall(r"\nFAILED: .*twistd in secondary.* \(logs: (.*)\)\n$", process.output)
        assert "colo: running" in (Path(folder) / "0" / "secondary-twistd.log").read_text()
        assert left_by(process, tmp_path) == [folder]
    assert interfaces() == before


def test_without_root_it_says_so_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"demo: root is needed.*\n", said.err)


@pytest.mark.parametrize("size", ["19", "much", ""])
def test_a_body_too_small_to_be_killed_in_is_refused_in_one_line(
    size: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLO_DEMO_MB", size)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(rf"demo: COLO_DEMO_MB .* got '{size}'\n", said.err)
