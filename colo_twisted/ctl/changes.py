"""The subcommands that change what there is: set, add, del."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from colo_twisted.ctl.client import ANSWERING
from colo_twisted.ctl.completion import complete_changeable, complete_ids, complete_settings, complete_types
from colo_twisted.ctl.console import Console, pass_console, subcommand
from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.naming import not_added, not_an_object, not_removed
from colo_twisted.ctl.settings import CHANGEABLE, Setting, taken_apart, with_unit
from colo_twisted.ctl.settings import settings as settings_of
from colo_twisted.ctl.translate import COMMANDS, Schema, WrongOption, arguments
from colo_twisted.ctl.words import columns, said, wrapped

_DELETE = {"object": "object-del", "chardev": "chardev-remove", "netdev": "netdev_del", "device": "device_del"}
_SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_WIDTH = 80
_WHAT = click.Choice(list(_DELETE))


@subcommand(
    "set",
    "Change properties of an object, or list those that can be",
    """
    colo-ctl set                                     # what can be set, of all objects
    colo-ctl set comp0                               # ... of this one
    colo-ctl set f1 status=off
    colo-ctl set comp0 compare_timeout=5s max_queue_size=4096
    """,
)
@click.argument("id", required=False, shell_complete=complete_changeable)
@click.argument("settings", nargs=-1, metavar="[PROPERTY=VALUE]...", shell_complete=complete_settings)
@pass_console
def set_(console: Console, id: str | None, settings: tuple[str, ...]) -> None:
    """
    Change properties of an object while it runs; without any, list those that can be changed.

    Values are written as on twistd colo's command line: on, off, 64M, 100ms. A time without a unit is in the one
    that the list shows in brackets.
    """
    pairs = [_setting(word) for word in settings]
    with console.client() as client:
        if id is None or not pairs:
            _list(console, client, id)
            return
        _change(console, client, id, pairs)


def _change(console: Console, client: Any, id: str, pairs: list[tuple[str, str]]) -> None:
    try:
        there = {known["name"]: known for known in client.execute("qom-list", {"path": _path(id)})}
    except Refused as refused:
        raise not_an_object(client, id, refused) from None
    values = [_value(there.get(name, {}).get("type", "string"), name, text) for name, text in pairs]
    done: dict[str, str] = {}
    with _told_in_the_end(console, {"id": id, "set": done}):
        for (name, text), value in zip(pairs, values):
            client.execute("qom-set", {"path": _path(id), "property": name, "value": value})
            done[name] = text
            if not console.json:
                _, takes = taken_apart(there.get(name, {}).get("description", "").replace(CHANGEABLE, ""))
                click.echo(f"{id}: {name} is {with_unit(text, takes)} now")


@contextmanager
def _told_in_the_end(console: Console, done: Mapping[str, Any]) -> Iterator[None]:
    """What was done as JSON, if that is wanted: also when the rest of it fails."""
    try:
        yield
    finally:
        if console.json:
            console.document(done)


def _path(id: str) -> str:
    return f"/objects/{id}"


def _setting(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise click.UsageError(f"'{word}' is not of the form PROPERTY=VALUE")
    return name, text


def _value(type_name: str, name: str, text: str) -> Any:
    """A text as QMP wants it: the server reads a number's unit itself. Raises Trouble."""
    if type_name == "bool":
        if text not in _SWITCHES:
            raise Trouble(f"property '{name}' takes on or off; got '{text}'")
        return _SWITCHES[text]
    is_number = type_name not in ("string", "str") and text.removeprefix("-").isdecimal()
    return int(text) if is_number else text


def _list(console: Console, client: Any, id: str | None) -> None:
    try:
        found = settings_of(client, id, ANSWERING)
    except Refused as refused:
        if id is None:
            raise
        raise not_an_object(client, id, refused) from None
    if console.json:
        console.document({one: {known.name: known.value for known in settings} for one, settings in found.items()})
        return
    console.lines(_setting_lines(found, id is not None) or ["nothing here can be changed while it runs"])


def _setting_lines(found: Mapping[str, list[Setting]], with_takes: bool) -> list[str]:
    """A line each, and with ``with_takes`` what it may be below."""
    known = [(one, setting) for one, settings in found.items() for setting in settings]
    rows = columns([one, f"{setting.name}={said(setting.shown)}", said(setting.help)] for one, setting in known)
    if not with_takes:
        return rows
    indent = " " * (max((len(one) for one, _ in known), default=0) + 2)
    return [
        line
        for row, (_, setting) in zip(rows, known)
        for line in (row, *wrapped(f"takes {said(setting.takes)}".split(), _WIDTH, f"{indent}  ", f"{indent}  "))
    ]


@subcommand(
    "add",
    "Add an object, chardev, netdev or device",
    """
    colo-ctl add chardev socket,id=mirror0,host=10.22.1.2,port=9003,server=on,wait=off
    colo-ctl add object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0
    colo-ctl add object filter-redirector,id=f3,netdev=hn0,queue=rx,outdev=c1,insert=before,position=id=rew0
    colo-ctl add netdev stream,id=g1,server=on,addr.type=unix,addr.path=/run/colo/g1
    colo-ctl add device e1000,id=e1,netdev=hn1,guest=g1
    colo-ctl add object help                         # the types; TYPE,help: a type's properties
    """,
)
@click.argument("what", type=_WHAT)
@click.argument("options", nargs=-1, required=True, metavar="OPTIONSTRING...", shell_complete=complete_types)
@pass_console
def add(console: Console, what: str, options: tuple[str, ...]) -> None:
    """
    Add an object, chardev, netdev or device while everything runs.

    OPTIONSTRING is what stands behind -object, -chardev, ... on twistd colo's command line (or JSON, as QMP has it).
    """
    if _wants_help(what, options[0]):
        return
    with console.client() as client:
        schema = Schema(client.execute("query-qmp-schema"))
        added: list[dict[str, Any]] = []
        with _told_in_the_end(console, {"added": added}):
            for text in options:
                _add(console, client, schema, what, text, added)


def _add(console: Console, client: Any, schema: Schema, what: str, text: str, added: list[dict[str, Any]]) -> None:
    try:
        given = arguments(what, text, schema)
    except WrongOption as error:
        raise Trouble(f"{what} {text}: {error}") from None
    try:
        client.execute(COMMANDS[what], given)
    except Refused as refused:
        raise not_added(client, what, schema.types(what), refused) from None
    added.append(given)
    if not console.json:
        click.echo(f"added {what} {said(given.get('id', ''))}".rstrip())


def _wants_help(what: str, text: str) -> bool:
    """Whether it asks for help, which is then given: twistd colo's own text."""
    if text != "help" and not text.endswith(",help"):
        return False
    from colo_twisted.options.commandline import HelpWanted, parse_arguments  # these import Twisted: it takes time
    from colo_twisted.options.errors import OptionError
    from colo_twisted.registry import Registry

    try:
        parse_arguments([f"-{what}", text], Registry())
    except HelpWanted as wanted:
        click.echo(str(wanted))
    except OptionError as error:
        raise Trouble(str(error)) from None
    return True


@subcommand(
    "del",
    "Remove objects, chardevs, netdevs or devices",
    """
    colo-ctl del object f2 f1                        # what they hold is handed on first
    colo-ctl del chardev red1 red0
    """,
)
@click.argument("what", type=_WHAT)
@click.argument("ids", nargs=-1, required=True, metavar="ID...", shell_complete=complete_ids())
@pass_console
def delete(console: Console, what: str, ids: tuple[str, ...]) -> None:
    """Remove objects, chardevs, netdevs or devices while everything runs, in the order given."""
    with console.client() as client:
        removed: list[dict[str, str]] = []
        with _told_in_the_end(console, {"removed": removed}):
            for id in ids:
                try:
                    client.execute(_DELETE[what], {"id": id})
                except Refused as refused:
                    raise not_removed(client, what, id, refused) from None
                removed.append({"what": what, "id": id})
                if not console.json:
                    click.echo(f"removed {what} {id}")
