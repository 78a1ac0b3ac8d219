"""What can be asked, asked for."""

from __future__ import annotations

from colo_twisted.control.commands import COMMANDS
from tests.support.asking import a_client


def test_all_commands_are_named() -> None:
    rows = a_client("-netdev fake,id=hn0")("query-commands")
    assert sorted(row["name"] for row in rows) == sorted(COMMANDS)


def test_the_schema_has_them_too() -> None:
    rows = a_client("-netdev fake,id=hn0")("query-qmp-schema")
    assert {row["name"] for row in rows if row["meta-type"] == "command"} == set(COMMANDS)


def test_what_the_session_does_is_a_command_too() -> None:
    assert a_client("-netdev fake,id=hn0")("qmp_capabilities", enable=[]) == {}
