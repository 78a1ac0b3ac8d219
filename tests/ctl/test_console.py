from __future__ import annotations

import errno
import json
import signal
from typing import Any

import click
import pytest

from colo_twisted.ctl import console
from colo_twisted.ctl.address import TCPAddress, UnixAddress
from colo_twisted.ctl.client import CONNECTING
from colo_twisted.ctl.console import Clock, Console, Failure, quiet_ends
from colo_twisted.ctl.errors import Lost, Refused
from colo_twisted.ctl.signals import Ended
from tests.ctl.canned import CannedServer

HERE = UnixAddress("/here")


def test_a_client_is_connected_where_the_console_says() -> None:
    asked: list[Any] = []
    Console(address=HERE, connect=lambda *given: asked.append(given)).client()
    assert asked == [(HERE, CONNECTING)]


def test_the_clock_is_the_machines() -> None:
    clock = Clock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now() > 1.7e9


def test_documents_are_for_people_too_or_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": [1, {"b": None}]}
    Console().document(value)
    Console().document_line(value)
    out = capsys.readouterr().out
    assert json.loads(out.rsplit("\n", 2)[0]) == value
    assert out.splitlines()[-1] == '{"a": [1, {"b": null}]}'


# colours


@pytest.fixture
def a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "is_terminal", lambda _: True)
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.usefixtures("a_terminal")
def test_a_terminal_has_colours() -> None:
    paint = Console().paint
    assert paint("up", "green") == click.style("up", fg="green")
    assert paint("up", "bold") == click.style("up", bold=True)
    assert paint("up", "plain") == "up"


@pytest.mark.usefixtures("a_terminal")
def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert Console().paint("up", "green") == "up"
    monkeypatch.setenv("NO_COLOR", "")  # no-color.org: 'when present and not an empty string'
    assert Console().paint("up", "green") != "up"


def test_elsewhere_there_are_none() -> None:
    assert "\x1b" not in CannedServer().run("status").stdout


# ends


def test_trouble_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Failure) as failed, quiet_ends(lambda: HERE):
        raise Lost("it has gone")
    failed.value.show()
    assert failed.value.exit_code == 1
    assert capsys.readouterr().err == "colo-ctl: it has gone\n"


def test_a_command_that_the_server_lacks_names_the_server() -> None:
    with pytest.raises(Failure) as failed, quiet_ends(lambda: HERE):
        raise Refused("query-x", "CommandNotFound", "The command query-x has not been found")
    assert "query-x has not been found (unix:/here is of a QEMU, or" in failed.value.message
    assert failed.value.exit_code == 1


@pytest.mark.parametrize(
    ("ended", "status"),
    [
        (KeyboardInterrupt(), 130),
        (Ended(signal.SIGHUP), 129),
        (BrokenPipeError(), 141),
        (OSError(errno.EIO, "a terminal has gone"), 141),
    ],
)
def test_ctrl_c_and_a_reader_that_has_gone_are_quiet(
    ended: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled(), pytest.MonkeyPatch.context() as patched:
        patched.setattr(console.os, "dup2", lambda *_: None)  # or pytest itself would go on without stdout
        with pytest.raises(click.exceptions.Exit) as raised, quiet_ends(lambda: HERE):
            raise ended
    assert raised.value.exit_code == status
    assert capsys.readouterr().err == ""


def test_what_else_the_system_refuses_is_no_quiet_end() -> None:
    with pytest.raises(OSError, match="No space left"), quiet_ends(lambda: HERE):
        raise OSError(errno.ENOSPC, "No space left")


# the shared options


@pytest.mark.parametrize(
    "words", [["-s", "tcp:h:1", "status"], ["status", "-s", "tcp:h:1"], ["-s", "/x", "status", "--socket", "tcp:h:1"]]
)
def test_the_socket_may_be_named_before_or_behind_the_subcommand(words: list[str]) -> None:
    server = CannedServer()
    assert server.run(*words).exit_code == 0
    assert server.addresses == [TCPAddress("h", 1)]


def test_the_socket_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLO_QMP", "/run/b")
    server = CannedServer()
    server.run("status")
    server.run("-s", "/run/c", "status")
    assert server.addresses == [UnixAddress("/run/b"), UnixAddress("/run/c")]


def test_else_it_is_the_one_of_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLO_QMP", raising=False)
    server = CannedServer()
    server.run("status")
    assert server.addresses == [UnixAddress("/run/colo/qmp.sock")]


def test_what_is_no_address_is_wrong_usage() -> None:
    shown = CannedServer().run("-s", "tcp:nowhere", "status")
    assert shown.exit_code == 2
    assert "Invalid value for '-s' / '--socket': 'tcp:nowhere' is not of the form tcp:HOST:PORT" in shown.stderr
