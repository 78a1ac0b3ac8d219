"""``colo-ctl qmp``: any command, in its arguments' own words or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from colo_twisted.ctl.completion import complete_arguments, complete_commands
from colo_twisted.ctl.console import Console, is_terminal, pass_console, subcommand
from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.words import said


@subcommand(
    "qmp",
    "Run any QMP command",
    """
    colo-ctl qmp query-version
    colo-ctl qmp query-stats kind=netdev
    colo-ctl qmp qom-set path=/objects/m0 property=status value=off
    colo-ctl qmp '{"execute": "object-del", "arguments": {"id": "m0"}}'
    colo-ctl qmp <commands.json                      # one JSON object after the other
    colo-ctl qmp human-monitor-command command-line='info network'
    colo-ctl qmp quit                                # ends twistd colo, in order
    """,
)
@click.argument("command", required=False, shell_complete=complete_commands)
@click.argument("arguments", nargs=-1, metavar="[NAME=JSON]...", shell_complete=complete_arguments)
@pass_console
def qmp(console: Console, command: str | None, arguments: tuple[str, ...]) -> None:
    """
    Run any QMP command and print what it returns, as JSON; a text as it stands, unless --json.

    A value that is no JSON is taken as text. COMMAND may be a whole request, a JSON object; without one,
    or with -, requests are read from stdin.
    """
    requests = list(_requests(command, arguments))
    with console.client() as client:
        for request in requests:
            try:
                _show(console, client.converse(request))
            except Refused as refused:
                raise Trouble(f"{refused} ({refused.error_class})") from None


def _show(console: Console, returned: Any) -> None:
    if isinstance(returned, str) and not console.json:
        console.lines(map(said, returned.splitlines()))
    else:
        console.document(returned)


def _requests(command: str | None, arguments: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """What is to be executed. Raises UsageError."""
    if command is None and is_terminal(sys.stdin):
        raise click.UsageError("name a command (query-commands lists them), or write requests to stdin")
    if command is not None and not command.lstrip().startswith(("-", "{")):
        given = dict(map(_argument, arguments))
        yield {"execute": command, **({"arguments": given} if given else {})}
    elif arguments:
        raise click.UsageError(f"nothing may follow a whole request; got '{arguments[0]}'")
    else:
        yield from _documents(sys.stdin.read() if command in (None, "-") else str(command))


def _argument(word: str) -> tuple[str, Any]:
    name, equals, text = word.partition("=")
    if not equals:
        raise click.UsageError(f"'{word}' is not of the form NAME=JSON")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of a text, with or without anything blank between them."""
    decoder = json.JSONDecoder()
    at = _behind_blanks(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            raise click.UsageError(f"not JSON: {error}") from None
        if not isinstance(value, dict) or not isinstance(value.get("execute"), str):
            raise click.UsageError('a request is a JSON object with "execute": COMMAND')
        yield {name: inner for name, inner in value.items() if name != "id"}
        at = _behind_blanks(text, at)


def _behind_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
