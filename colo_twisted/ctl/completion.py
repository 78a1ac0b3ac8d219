"""Shell completion: the script for a shell, and words that only the server knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from colo_twisted.ctl.console import Console, subcommand
from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.settings import Setting, object_ids, settings
from colo_twisted.ctl.translate import Schema

VARIABLE = "_COLO_CTL_COMPLETE"
_CONNECTING = 0.3  # seconds: a shell waits for it
_ANSWERING = 1.0

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


@subcommand(
    "completion",
    "Print a shell's completion script",
    """
    colo-ctl completion bash >/etc/bash_completion.d/colo-ctl
    colo-ctl completion zsh >/usr/local/share/zsh/site-functions/_colo-ctl
    colo-ctl completion fish >~/.config/fish/completions/colo-ctl.fish
    eval "$(colo-ctl completion bash)"               # for this shell only
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """
    Print the script that completes colo-ctl's words in a shell.

    Ids and properties are asked for at the socket of COLO_QMP or -s, if a server is there.
    """
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(ctx.find_root().command, {}, "colo-ctl", VARIABLE).source())


def asked(ctx: click.Context, command: str) -> Any:
    """A command's answer, or None where there is no server, or none that will say."""
    try:
        with ctx.ensure_object(Console).client(_CONNECTING) as client:
            return client.execute(command, timeout=_ANSWERING)
    except Trouble:
        return None


def ids(ctx: click.Context, option: str) -> list[str]:
    """The ids of what an option has made."""
    if option == "object":
        return _object_ids(ctx)
    if option == "chardev":
        return [chardev["label"] for chardev in asked(ctx, "query-chardev") or []]
    chains = asked(ctx, "query-chain") or []
    if option == "device":
        return [chain["device"] for chain in chains if chain.get("device")]
    guests = [chain["guest"] for chain in chains if chain.get("guest") not in (None, chain.get("device"))]
    return [*(chain["netdev"] for chain in chains), *guests]


def _object_ids(ctx: click.Context) -> list[str]:
    try:
        with ctx.ensure_object(Console).client(_CONNECTING) as client:
            return object_ids(client, _ANSWERING)
    except Trouble:
        return []


def items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of the words that begin so."""
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_ids(option: str | None = None) -> Complete:
    """Completes ids of what an option makes; without one, the option is the argument named 'what'."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return items(ids(ctx, option or ctx.params.get("what") or "object"), incomplete)

    return complete


def complete_commands(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the names of QMP commands."""
    return items(sorted(command["name"] for command in asked(ctx, "query-commands") or []), incomplete)


def complete_types(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the types of the option that 'what' names, as the server's schema has them."""
    schema = Schema(asked(ctx, "query-qmp-schema") or [])
    return items(schema.types(ctx.params.get("what") or "object"), incomplete)


def complete_settings(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes PROPERTY=VALUE of the object 'id': the value that it has, to be edited; of a switch, both."""
    id = ctx.params.get("id") or ""
    try:
        with ctx.ensure_object(Console).client(_CONNECTING) as client:
            known = settings(client, id, _ANSWERING).get(id, [])
    except Trouble:
        return []
    return items((f"{setting.name}={text}" for setting in known for text in _choices(setting)), incomplete)


def _choices(setting: Setting) -> tuple[str, ...]:
    return ("on", "off") if setting.text in ("on", "off") else (setting.text,)
