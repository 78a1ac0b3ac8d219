"""What the subcommands share: the options, the connection, what goes to which stream, and the exit statuses."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from colo_twisted.ctl.address import DEFAULT, Address, UnixAddress, parse_address
from colo_twisted.ctl.client import CONNECTING, Client
from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.signals import Ended
from colo_twisted.ctl.words import Paint, plain

PROBLEMS = 3  # exit status of `status` when something is wrong
TIMED_OUT = 4  # exit status of `wait`

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Clock:
    """Time, as `wait` and `top` see it; tests have their own."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass
class Console:
    """One run of colo-ctl."""

    address: Address = field(default_factory=lambda: UnixAddress(DEFAULT))
    json: bool = False
    connect: Callable[[Address, float], Any] = Client
    clock: Clock = field(default_factory=Clock)

    def client(self, connecting: float = CONNECTING) -> Any:
        """A connected client, a context manager; ``connecting`` seconds at most. Raises Trouble."""
        return self.connect(self.address, connecting)

    @property
    def paint(self) -> Paint:
        """Colours on a terminal, unless NO_COLOR is set (no-color.org)."""
        return _styled if is_terminal(sys.stdout) and not os.environ.get("NO_COLOR") else plain

    def lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            click.echo(line)

    def document(self, value: Any) -> None:
        """A JSON document, to be read by people too."""
        click.echo(json.dumps(value, indent=2))

    def document_line(self, value: Any) -> None:
        """A JSON document in one line: one of a stream of them."""
        click.echo(json.dumps(value))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person sits there."""
    return stream.isatty()


def _styled(text: str, colour: str) -> str:
    if colour == "plain":
        return text
    return click.style(text, bold=True) if colour == "bold" else click.style(text, fg=colour)


class Failure(click.ClickException):
    """Trouble as click shows it."""

    def show(self, file: Any = None) -> None:
        click.echo(f"colo-ctl: {self.message}", file=file, err=file is None)


@contextlib.contextmanager
def quiet_ends(address: Callable[[], Address]) -> Iterator[None]:
    """
    Trouble becomes one line; a reader that has gone, a signal or Ctrl-C, none.

    ``address`` says where the server is.
    """
    try:
        yield
    except Refused as refused:
        raise Failure(f"{refused}{_whose_server(address()) if refused.unknown else ''}") from None
    except Trouble as trouble:
        raise Failure(str(trouble)) from None
    except Ended as ended:
        raise click.exceptions.Exit(ended.status) from None
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None  # as a shell has it: 128 + SIGINT
    except OSError as error:
        if not is_nobody_there(error):
            raise
        with contextlib.suppress(OSError, ValueError):  # a stand-in for stdout has no descriptor
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its end
        raise click.exceptions.Exit(141) from None  # 128 + SIGPIPE


def is_nobody_there(error: OSError) -> bool:
    """Whether it is about a reader of a pipe, or a terminal, that has gone."""
    return isinstance(error, BrokenPipeError) or error.errno == errno.EIO


def _whose_server(address: Address) -> str:
    return f" ({address} is of a QEMU, or of another version of colo_twisted)"


def _take_socket(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        try:
            ctx.ensure_object(Console).address = parse_address(value)
        except ValueError as error:
            raise click.BadParameter(str(error), ctx, param) from None


def _complete_socket(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files: what is behind 'unix:' a shell that cuts words there sees by itself."""
    return [] if incomplete.startswith("tcp:") else [CompletionItem(incomplete, type="file")]


def _take_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    ctx.ensure_object(Console).json |= value


def shared_options(**of_socket: Any) -> list[click.Parameter]:
    """Those that stand before a subcommand and behind it."""
    where = f"The QMP socket: a path, unix:PATH or tcp:HOST:PORT (or COLO_QMP; {DEFAULT})."
    return [
        click.Option(
            ["-s", "--socket"],
            metavar="PATH",
            expose_value=False,
            is_eager=True,
            callback=_take_socket,
            help=where,
            shell_complete=_complete_socket,
            **of_socket,
        ),
        click.Option(["--json"], is_flag=True, expose_value=False, callback=_take_json, help="Print JSON."),
    ]


def subcommand(name: str, summary: str, examples: str) -> Callable[[Callable[..., Any]], click.Command]:
    """A command with the shared options; ``summary`` in the list of all, examples as they stand below its help."""

    def made(function: Callable[..., Any]) -> click.Command:
        lines = (f"  {line.strip()}" for line in examples.strip().splitlines())
        epilog = "\n".join(["\b", "Examples:", *lines])
        command = click.command(name, short_help=summary, epilog=epilog, context_settings=CONTEXT)(function)
        command.params += shared_options()
        return command

    return made


pass_console = click.make_pass_decorator(Console, ensure=True)
