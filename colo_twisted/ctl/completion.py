"""Shell completion: the script for a shell, and words that only the server knows."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class, get_completion_class

from colo_twisted.ctl.console import Console, subcommand
from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.naming import ends
from colo_twisted.ctl.settings import changeable_ids, object_ids, settings
from colo_twisted.ctl.translate import Schema

VARIABLE = "_COLO_CTL_COMPLETE"
_CONNECTING = 0.3  # seconds: a shell waits for it
_ANSWERING = 1.0

# bash cuts words at '=' and ':' too (COMP_WORDBREAKS), and wants only what is behind the cut: the program gets the
# line, and of what it offers the part is taken away that stands before the cut.
_BASH = """\
%(complete_func)s() {
    local IFS=$'\\n' line="${COMP_LINE:0:COMP_POINT}" word rest cut response completion type value
    word="${line##*[[:blank:]]}"
    rest="$word"
    [[ $COMP_WORDBREAKS == *=* ]] && rest="${rest##*=}"
    [[ $COMP_WORDBREAKS == *:* ]] && rest="${rest##*:}"
    cut="${word:0:${#word}-${#rest}}"
    COMPREPLY=()
    response=$(env COMP_WORDS="$line" %(complete_var)s=bash_complete "$1")
    for completion in $response; do
        IFS=',' read -r type value <<< "$completion"
        if [[ $type == dir ]]; then
            compopt -o dirnames
        elif [[ $type == file ]]; then
            compopt -o default
        elif [[ $type == plain ]]; then
            COMPREPLY+=("${value#"$cut"}")
            [[ $value == *= ]] && compopt -o nospace
        fi
    done
    return 0
}

%(complete_func)s_setup() {
    complete -o nosort -F %(complete_func)s %(prog_name)s
}

%(complete_func)s_setup;
"""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class _WholeWordsBash(BashComplete):
    """bash's, of words that are whole whatever is in them."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        words = _split(os.environ.get("COMP_WORDS", ""))
        return words[1:-1], words[-1]


def _split(line: str) -> list[str]:
    """The words of a line up to the cursor, as a shell has them; the last one, which may be empty, is incomplete."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words += lexer
    except ValueError:  # a quotation without an end
        return [*words, lexer.token]
    return [*words, ""] if not words or line[-1:].isspace() else words


add_completion_class(_WholeWordsBash)


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


def _from_server(ctx: click.Context, ask: Callable[[Any], list[Any]]) -> list[Any]:
    """What a client is told, by one or several commands; nothing where there is no server, or none that will say."""
    try:
        with ctx.ensure_object(Console).client(_CONNECTING) as client:
            return ask(client) or []
    except Trouble:
        return []


def _asked(ctx: click.Context, command: str) -> list[Any]:
    return _from_server(ctx, lambda client: client.execute(command, timeout=_ANSWERING))


def ids(ctx: click.Context, option: str, types: tuple[str, ...] = ()) -> list[str]:
    """The ids of what an option has made; of objects those of the types, where any are named."""
    if option == "object":
        return _from_server(ctx, lambda client: object_ids(client, _ANSWERING, types))
    if option == "chardev":
        return [chardev["label"] for chardev in _asked(ctx, "query-chardev")]
    return [thing.id for thing in ends(_asked(ctx, "query-chain")) if thing.option == option]


def items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of the words that begin so."""
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def complete_ids(option: str | None = None, *types: str) -> Complete:
    """Completes ids of what an option makes; without one, the option is the argument named 'what'."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return items(ids(ctx, option or ctx.params.get("what") or "object", types), incomplete)

    return complete


def complete_changeable(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the ids of objects of which anything can be changed."""
    return items(_from_server(ctx, lambda client: changeable_ids(client, _ANSWERING)), incomplete)


def complete_events(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the names of events."""
    return items(Schema(_asked(ctx, "query-qmp-schema")).events(), incomplete)


def complete_arguments(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes NAME= of what the QMP command takes, with the value where that is one of a few words."""
    takes = Schema(_asked(ctx, "query-qmp-schema")).arguments(ctx.params.get("command") or "")
    return items((f"{name}={word}" for name, words in takes.items() for word in words or [""]), incomplete)


def complete_commands(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the names of QMP commands."""
    return items(sorted(command["name"] for command in _asked(ctx, "query-commands")), incomplete)


def complete_types(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes the types of the option that 'what' names, as the server's schema has them."""
    schema = Schema(_asked(ctx, "query-qmp-schema"))
    return items(schema.types(ctx.params.get("what") or "object"), incomplete)


def complete_settings(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Completes PROPERTY=VALUE of the object 'id': the value that it has, to be edited, or all there are."""
    id = ctx.params.get("id") or ""

    def ask(client: Any) -> list[str]:
        known = settings(client, id, _ANSWERING).get(id, [])
        return [f"{setting.name}={text}" for setting in known for text in setting.words or [setting.text]]

    return items(_from_server(ctx, ask), incomplete)
