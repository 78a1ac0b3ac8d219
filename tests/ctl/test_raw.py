from __future__ import annotations

import json
from typing import Any

import pytest

from tests.ctl.canned import CannedServer


def echoing() -> CannedServer:
    def echo(given: dict[str, Any]) -> Any:
        return {"given": given}

    return CannedServer(query_version={"package": "x"}, object_add=echo, object_del=echo)


def test_a_command_without_arguments() -> None:
    shown = echoing().run("qmp", "query-version")
    assert json.loads(shown.stdout) == {"package": "x"}


def test_a_text_that_is_returned_is_printed_as_it_stands() -> None:
    server = CannedServer(human_monitor_command="hn0: tap\r\n \\ e0\x1b\r\n")
    assert server.run("qmp", "human-monitor-command").stdout == "hn0: tap\n \\ e0?\n"
    assert json.loads(server.run("qmp", "human-monitor-command", "--json").stdout) == "hn0: tap\r\n \\ e0\x1b\r\n"


def test_arguments_are_json_or_text() -> None:
    server = echoing()
    server.run("qmp", "object-add", "id=m0", "max=64", "on=true", 'list=["a"]', "path=/a=b", "empty=")
    given = {"id": "m0", "max": 64, "on": True, "list": ["a"], "path": "/a=b", "empty": ""}
    assert server.executed == [("object-add", given)]


def test_a_whole_request() -> None:
    server = echoing()
    shown = server.run("qmp", ' {"execute": "object-del", "arguments": {"id": "m0"}, "id": 7}')
    assert json.loads(shown.stdout) == {"given": {"id": "m0"}}


@pytest.mark.parametrize("words", [["qmp"], ["qmp", "-"]])
def test_requests_from_stdin(words: list[str]) -> None:
    server = echoing()
    requests = ['{"execute": "query-version"}\n\n', ' {"execute": "object-del",\n "arguments": {"id": "a"}}']
    shown = server.run(*words, input="".join([*requests, '{"execute":"query-name"} ']))
    assert shown.exit_code == 0
    assert [command for command, _ in server.executed] == ["query-version", "object-del", "query-name"]


def test_the_first_error_ends_it() -> None:
    server = echoing()
    shown = server.run("qmp", input='{"execute": "nonsense"} {"execute": "query-name"}')
    assert shown.exit_code == 1
    said = "colo-ctl: nonsense: The command nonsense has not been found (CommandNotFound)\n"
    assert (shown.stdout, shown.stderr) == ("", said)
    assert len(server.executed) == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["object-del", "m0"], "'m0' is not of the form NAME=JSON"),
        (["{nonsense"], "not JSON: "),
        (['{"arguments": {}}'], 'a request is a JSON object with "execute": COMMAND'),
        (['{"execute": 5}'], 'a request is a JSON object with "execute": COMMAND'),
        (['{"execute": "x"} [1]'], 'a request is a JSON object with "execute": COMMAND'),
        (['{"execute": "x"}', "id=1"], "nothing may follow a whole request; got 'id=1'"),
    ],
)
def test_wrong_usage_reaches_no_server(words: list[str], why: str) -> None:
    server = echoing()
    shown = server.run("qmp", *words)
    assert shown.exit_code == 2
    assert why in shown.stderr
    assert server.addresses == []


def test_at_a_terminal_a_command_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("colo_twisted.ctl.raw.is_terminal", lambda stream: True)
    shown = echoing().run("qmp")
    assert shown.exit_code == 2
    assert "name a command" in shown.stderr
