"""The subcommands that stay: top, wait, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from colo_twisted.ctl.completion import complete_events
from colo_twisted.ctl.console import TIMED_OUT, Console, pass_console, subcommand
from colo_twisted.ctl.errors import CannotReach, Lost, TooLate, Trouble
from colo_twisted.ctl.picture import Sample, rates, take_picture, take_sample
from colo_twisted.ctl.terminal import Terminal
from colo_twisted.ctl.top import top_lines
from colo_twisted.ctl.translate import Schema
from colo_twisted.ctl.waiting import in_one_line, missing_for_ready, missing_for_synced
from colo_twisted.ctl.words import clock_time, lasting, said

_POLL = 0.25  # seconds between two looks
_QUIET = 2.0  # seconds before `wait` says what it waits for
_LOOKING = 5.0  # seconds that one look may take


@subcommand(
    "top",
    "The same, and what moves, again and again",
    """
    colo-ctl top
    colo-ctl top --interval 5
    colo-ctl top --count 1                           # one screen, for a script
    colo-ctl top --json --count 60 >minute.jsonl     # a document a line
    """,
)
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=2.0, metavar="SECONDS", help="Time between screens (2)."
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many screens.")
@pass_console
def top(console: Console, interval: float, count: int | None) -> None:
    """State, and what moves: rates of netdevs, chardevs and all counters. Ctrl-C ends it."""
    with console.client() as client, Terminal.of(console.json) as terminal:
        before = take_sample(client, None, console.clock.monotonic)
        shown = 0
        while shown != count:
            console.clock.sleep(interval)
            after = take_sample(client, None, console.clock.monotonic)
            _show_top(console, client, terminal, before, after)
            before = after
            shown += 1


def _show_top(console: Console, client: Any, terminal: Terminal, before: Sample, after: Sample) -> None:
    picture, moving = take_picture(client), rates(before, after)
    if console.json:
        console.document_line({**picture.document(), "rates": moving, "counters": after.counted})
    else:
        now = console.clock.now()
        terminal.show(top_lines(picture, moving, after.counted, now, console.paint))


@subcommand(
    "wait",
    "Wait until it is ready, or synced; for scripts",
    """
    colo-ctl wait ready                              # both sides are up, whatever their order
    colo-ctl wait synced --timeout 60 || exit 1
    twistd colo -readconfig primary.conf && colo-ctl wait ready --timeout 30 && colo-ctl wait synced
    """,
)
@click.argument("what", type=click.Choice(["ready", "synced"]))
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Give up then (never).")
@pass_console
@click.pass_context
def wait(ctx: click.Context, console: Console, what: str, timeout: float | None) -> None:
    """
    Wait until the process answers, runs and has all channels up (ready), or protects new connections (synced).

    Exit status 0 when it is so, 4 if not within --timeout seconds, with the line that says what is missing.
    The process needn't be there yet, and may be started again meanwhile.
    """
    waiting = _Waiting(console, what, timeout)
    missing = waiting.wait()
    if console.json:
        seconds = round(waiting.waited, 3)
        console.document({"what": what, "reached": not missing, "seconds": seconds, "missing": missing})
    elif not missing:
        click.echo(f"{what} (waited {lasting(waiting.waited)})")
    if missing:
        click.echo(f"colo-ctl: not {what} within {timeout:g} s: {in_one_line(missing)}", err=True)
        ctx.exit(TIMED_OUT)


class _Waiting:
    """Looks again and again, and connects anew where the connection has ended."""

    def __init__(self, console: Console, what: str, timeout: float | None) -> None:
        self._console = console
        self._clock = console.clock
        self._what = what
        self._timeout = timeout
        self._begun = self._clock.monotonic()
        self._client: Any = None
        self._told = ""

    @property
    def waited(self) -> float:
        return self._clock.monotonic() - self._begun

    @property
    def _left(self) -> float:
        """Seconds that a look may still take."""
        return _LOOKING if self._timeout is None else min(_LOOKING, max(0.1, self._timeout - self.waited))

    def wait(self) -> list[str]:
        """What is still missing at the time-out; nothing if it is as wished. Raises Trouble where waiting is vain."""
        try:
            while (missing := self._look()) and (self._timeout is None or self.waited < self._timeout):
                self._tell(in_one_line(missing))
                self._clock.sleep(_POLL if self._timeout is None else min(_POLL, self._timeout - self.waited))
        finally:
            self._drop()
        return missing

    def _look(self) -> list[str]:
        try:
            if self._client is None:
                self._client = self._console.client(self._left)
            return self._missing(self._client)
        except (CannotReach, Lost, TooLate) as trouble:
            self._drop()
            if isinstance(trouble, CannotReach) and trouble.forbidden:
                raise
            return [str(trouble)]

    def _missing(self, client: Any) -> list[str]:
        replica = client.execute("query-colo-replica", timeout=self._left)
        if self._what == "synced":
            return missing_for_synced(replica)
        status = client.execute("query-status", timeout=self._left)
        return missing_for_ready(status, replica, client.execute("query-chardev", timeout=self._left))

    def _tell(self, missing: str) -> None:
        """Progress on stderr, when it takes seconds, and only what is new."""
        if self.waited >= _QUIET and missing != self._told:
            self._told = missing
            click.echo(f"waiting for {self._what}: {missing}", err=True)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None


@subcommand(
    "events",
    "Follow what happens, a line each",
    """
    colo-ctl events
    colo-ctl events COLO_DIVERGENCE COLO_REPLICA_STATE
    colo-ctl events --count 1 COLO_FAILOVER          # until it happens
    colo-ctl events --json | jq -r .event
    """,
)
@click.argument("names", nargs=-1, metavar="[EVENT]...", shell_complete=complete_events)
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many.")
@pass_console
def events(console: Console, names: tuple[str, ...], count: int | None) -> None:
    """Follow what happens: a line for each event, or for those named. Ctrl-C ends it."""
    show: Callable[[dict[str, Any]], None] = console.document_line if console.json else _show_event
    seen = 0
    with console.client() as client:
        if names:
            _check(names, Schema(client.execute("query-qmp-schema")).events())
        while seen != count:
            event = client.next_event(None)
            if not names or event["event"] in names:
                show(event)
                seen += 1


def _check(names: tuple[str, ...], known: list[str]) -> None:
    """Nobody shall wait for what never comes. Raises Trouble."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Trouble(f"there is no event {unknown[0]}; there are: {', '.join(map(said, known))}")


def _show_event(event: dict[str, Any]) -> None:
    stamp = event.get("timestamp", {})
    when = stamp.get("seconds", 0) + stamp.get("microseconds", 0) / 1e6
    data = " ".join(f"{name}={said(value)}" for name, value in event.get("data", {}).items())
    click.echo(f"{clock_time(when, when)} {event['event']} {data}".rstrip())
