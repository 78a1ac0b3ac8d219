from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import colo_twisted
from colo_twisted.ctl.main import cli
from tests.ctl.canned import CannedServer
from tests.ctl.fake_server import PATIENCE, FakeServer, returned
from tests.ctl.objects import a_server
from tests.support.processes import wait_until

COLO_CTL = [sys.executable, "-c", "from colo_twisted.ctl.main import run; run()"]
JSON_OF_ALL = [
    ["status", "--no-rates"],
    ["top", "--count", "1"],
    ["connections"],
    ["divergences"],
    ["set"],
    ["set", "m0", "status=on"],
    ["add", "chardev", "null,id=n"],
    ["del", "chardev", "n"],
    ["checkpoint"],
    ["failover", "--force"],
    ["wait", "ready"],
    ["events", "--count", "1"],
    ["qmp", "query-name"],
]


def colo_ctl(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COLO_CTL, *words], capture_output=True, text=True, timeout=60, **more)


@pytest.mark.parametrize("name", list(cli.commands))
def test_each_subcommand_has_help_with_examples_as_they_stand(name: str) -> None:
    shown = CannedServer().run(name, "--help")
    assert shown.exit_code == 0
    (_, examples) = shown.stdout.split("Examples:\n")
    assert f"    colo-ctl {name}" in examples
    assert {"--json", "--socket", "-h,"} <= set(shown.stdout.replace("-s,", "").split())


@pytest.mark.parametrize("words", [["--help"], ["-h"]])
def test_the_help_of_all_lists_subcommands_in_the_order_of_use(words: list[str]) -> None:
    shown = CannedServer().run(*words).stdout
    listed = [line.split()[0] for line in shown.split("Commands:\n")[1].split("\n\n")[0].splitlines()]
    assert listed == list(cli.commands)
    assert listed[0] == "status"
    assert "Examples:\n    colo-ctl status  " in shown


def test_every_summary_fits_its_line() -> None:
    listed = CannedServer().run("--help").stdout.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    assert len(listed) == len(cli.commands)
    assert not [line for line in listed if line.endswith("...")]


@pytest.mark.parametrize("words", JSON_OF_ALL, ids=lambda words: " ".join(words))
def test_json_is_one_document_whatever_the_subcommand(words: list[str]) -> None:
    server = a_server()
    server.answers |= {"query-colo-connections": {"connections": [], "total": 0}, "colo-checkpoint": {"number": 1}}
    server.answers |= {"x-colo-lost-heartbeat": {}}
    server.events = [{"event": "STOP"}]
    for placed in (["--json", *words], [*words, "--json"]):
        shown = server.run(*placed)
        server.events = [{"event": "STOP"}]
        assert shown.exit_code == 0, shown.stderr
        json.loads(shown.stdout)


def test_the_version() -> None:
    assert CannedServer().run("--version").stdout == f"colo-ctl {colo_twisted.__version__}\n"


def test_an_unknown_subcommand_is_wrong_usage() -> None:
    assert CannedServer().run("nonsense").exit_code == 2


# as a process


def test_it_starts_fast_for_it_loads_no_twisted() -> None:
    modules = "from colo_twisted.ctl import main; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", modules], capture_output=True, text=True, timeout=60, check=True)
    assert not [name for name in loaded.stdout.split() if name.split(".")[0] in ("twisted", "zope")]


def test_nobody_there(tmp_path: Path) -> None:
    shown = colo_ctl("-s", str(tmp_path / "no.sock"), "status")
    assert (shown.returncode, shown.stdout) == (1, "")
    assert len(shown.stderr.splitlines()) == 1
    assert shown.stderr.startswith(f"colo-ctl: no colo_twisted listens at unix:{tmp_path}/no.sock")


def test_a_reader_that_goes_away_is_quiet(tmp_path: Path) -> None:
    def many(request: dict[str, Any]) -> bytes:
        return returned(request, ["x" * 100] * 10_000)

    with FakeServer(tmp_path, many) as server:
        words = [*COLO_CTL, "-s", str(server.path), "qmp", "query-name"]
        around = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=around) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(1)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(PATIENCE) == 141


INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever a shell has made of it for these tests
from colo_twisted.ctl.main import run
run()
"""


def test_ctrl_c_is_quiet(tmp_path: Path) -> None:
    with FakeServer(tmp_path) as server:
        words = [sys.executable, "-c", INTERRUPTIBLE, "-s", str(server.path), "events"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            wait_until(lambda: server.requests, "the negotiation")
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 130
