from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from colo_twisted.ctl.completion import VARIABLE
from colo_twisted.ctl.console import Console
from colo_twisted.ctl.errors import CannotReach
from colo_twisted.ctl.main import cli
from tests.ctl.canned import CannedServer
from tests.ctl.objects import a_server


def completed(server: CannedServer, *words: str) -> list[str]:
    """What a shell is offered for the last word."""
    console = Console(connect=server.connect, clock=server.clock)
    *before, incomplete = words
    offered = ShellComplete(cli, {"obj": console}, "colo-ctl", VARIABLE).get_completions(before, incomplete)
    return [item.value for item in offered]


def test_subcommands() -> None:
    assert completed(a_server(), "co") == ["connections", "completion"]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["set", ""], ["m0", "comp0", "iothread1"]),
        (["set", "c"], ["comp0"]),
        (["set", "comp0", ""], ["compare_timeout=3000", "ack_commit=on", "ack_commit=off"]),
        (["set", "m0", "st"], ["status=on", "status=off"]),
        (["set", "nope", ""], []),
        (["checkpoint", "comp"], ["comp0"]),
        (["connections", "m"], ["m0"]),
        (["divergences", "m"], ["m0"]),
        (["del", ""], ["object", "chardev", "netdev", "device"]),
        (["del", "object", "m"], ["m0"]),
        (["del", "object", "m0", "c"], ["comp0"]),
        (["del", "chardev", "compare0"], ["compare0", "compare0-0"]),
        (["del", "netdev", ""], ["hn0"]),
        (["del", "device", ""], ["e0"]),
        (["add", "object", "filter-"], ["filter-mirror", "filter-buffer"]),
        (["add", "chardev", "p"], ["pair"]),
        (["wait", ""], ["ready", "synced"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["qmp", "query-n"], ["query-name"]),
    ],
)
def test_words_of_the_server(words: list[str], offered: list[str]) -> None:
    server = a_server()
    server.answers["query-commands"] = [{"name": name} for name in ("query-status", "query-name", "quit")]
    assert completed(server, *words) == offered


@pytest.mark.parametrize(
    "words",
    [["set", ""], ["set", "m0", ""], ["del", "chardev", ""], ["del", "netdev", ""], ["add", "object", ""], ["qmp", ""]],
)
def test_without_a_server_there_is_nothing_to_offer(words: list[str]) -> None:
    server = a_server()
    server.trouble = CannotReach("nobody")
    assert completed(server, *words) == []


def test_the_server_of_the_line_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLO_QMP", "/run/b")
    server = a_server()
    completed(server, "set", "")
    completed(server, "-s", "/run/c", "set", "")
    completed(server, "-s", "/run/c", "set", "-s", "/run/d", "")
    assert list(map(str, server.addresses)) == ["unix:/run/b", "unix:/run/c", "unix:/run/d"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(shell: str) -> None:
    shown = CannedServer().run("completion", shell)
    assert shown.exit_code == 0
    assert f"{VARIABLE}={shell}_complete" in shown.stdout.replace("env ", "")


def test_bash_completes_by_its_script(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    program = tmp_path / "colo-ctl"
    program.write_text(f"#!{sys.executable}\nfrom colo_twisted.ctl.main import run\nrun()\n")
    program.chmod(0o755)
    script = 'eval "$(colo-ctl completion bash)"; COMP_WORDS=(colo-ctl wait s); COMP_CWORD=2; '
    script += '_colo_ctl_completion colo-ctl; echo "${COMPREPLY[@]}"'
    around: dict[str, Any] = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    around["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=around)
    assert (done.stdout, done.stderr) == ("synced\n", "")
