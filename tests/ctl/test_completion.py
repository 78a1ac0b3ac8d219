from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete, get_completion_class

from colo_twisted.ctl.completion import VARIABLE
from colo_twisted.ctl.console import Console
from colo_twisted.ctl.errors import CannotReach
from colo_twisted.ctl.main import cli
from tests.ctl.canned import CannedClient, CannedServer
from tests.ctl.fake_server import Answer, FakeServer, returned
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
        (["set", ""], ["m0", "comp0"]),
        (["set", "c"], ["comp0"]),
        (["set", "comp0", "c"], ["compare_timeout=3000"]),
        (["set", "comp0", "a"], ["ack_commit=on", "ack_commit=off"]),
        (["set", "comp0", "on_divergence=r"], ["on_divergence=release"]),
        (["set", "m0", "st"], ["status=on", "status=off"]),
        (["set", "nope", ""], []),
        (["checkpoint", "comp"], ["comp0"]),
        (["checkpoint", ""], ["comp0"]),
        (["connections", ""], ["comp0", "rew0"]),
        (["connections", "--state", "un"], ["unprotected"]),
        (["divergences", ""], ["comp0"]),
        (["events", "COLO_"], ["COLO_DIVERGENCE", "COLO_FAILOVER"]),
        (["qmp", "query-stats", ""], ["kind=netdev", "kind=object", "packets=true", "packets=false", "id="]),
        (["qmp", "query-stats", "kind=o"], ["kind=object"]),
        (["-s", "tcp:127.0.0.1:4"], []),
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


def test_sockets_are_files() -> None:
    console = Console(connect=a_server().connect)
    for before in ([], ["status"]):
        offered = ShellComplete(cli, {"obj": console}, "colo-ctl", VARIABLE).get_completions([*before, "-s"], "tw")
        assert [(item.type, item.value) for item in offered] == [("file", "tw")]


@pytest.mark.parametrize(
    ("line", "before", "incomplete"),
    [
        ("colo-ctl ", [], ""),
        ("colo-ctl st", [], "st"),
        ("colo-ctl -s tcp:127.0.0.1:4444 set ", ["-s", "tcp:127.0.0.1:4444", "set"], ""),
        ("colo-ctl set comp0 on_divergence=ch", ["set", "comp0"], "on_divergence=ch"),
        ("colo-ctl -s '/a b' status --", ["-s", "/a b", "status"], "--"),
        ("colo-ctl -s '/a b", ["-s"], "/a b"),
        ("", [], ""),
    ],
)
def test_bash_gives_the_line_up_to_the_cursor(
    line: str, before: list[str], incomplete: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_WORDS", line)
    made = get_completion_class("bash")
    assert made is not None
    assert made(cli, {}, "colo-ctl", VARIABLE).get_completion_args() == (before, incomplete)


def by_bash(folder: Path, line: str, breaks: str) -> list[str]:
    """What bash is given to put behind its last cut, for a line whose end is where the cursor is."""
    program = folder / "colo-ctl"
    program.write_text(f"#!{sys.executable}\nfrom colo_twisted.ctl.main import run\nrun()\n")
    program.chmod(0o755)
    script = 'eval "$(colo-ctl completion bash)"; compopt() { COMPREPLY+=("compopt $2"); }\n'
    script += (
        f"COMP_LINE={shlex.quote(line + ' more')}; COMP_POINT={len(line)}; COMP_WORDBREAKS={shlex.quote(breaks)}\n"
    )
    script += "_colo_ctl_completion colo-ctl; printf '%s\\n' \"${COMPREPLY[@]}\""
    around: dict[str, Any] = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    around |= {"PYTHONPATH": str(Path(__file__).parents[2]), "COLO_QMP": str(folder / "qmp.sock")}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, env=around)
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "breaks", "offered"),
    [
        ("colo-ctl wait s", " =:", ["synced"]),
        ("colo-ctl set comp0 on_divergence=", " =:", ["checkpoint", "release", "isolate"]),
        ("colo-ctl set comp0 on_divergence=ch", " =:", ["checkpoint"]),
        ("colo-ctl set comp0 on_divergence=ch", " ", ["on_divergence=checkpoint"]),
        ("colo-ctl -s unix:{folder}/qmp.sock set co", " =:", ["comp0"]),
        ("colo-ctl -s unix:{folder}/qmp.sock set comp0 on_divergence=ch", " =:", ["checkpoint"]),
        ("colo-ctl qmp query-stats i", " =:", ["id=", "compopt nospace"]),
        ("colo-ctl connections --state=unp", " =:", ["unprotected"]),
        ("colo-ctl -s tw", " =:", ["compopt default"]),
    ],
)
def test_bash_completes_by_its_script(line: str, breaks: str, offered: list[str], tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    known = CannedClient(a_server())
    answers: Answer = lambda request: returned(request, known.converse(request))  # noqa: E731
    with FakeServer(tmp_path, answers):
        assert by_bash(tmp_path, line.format(folder=tmp_path), breaks) == offered
