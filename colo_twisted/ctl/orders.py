"""The subcommands that order something: checkpoint, failover."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from colo_twisted.ctl.completion import complete_ids
from colo_twisted.ctl.console import Console, is_terminal, pass_console, subcommand
from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.picture import is_error
from colo_twisted.ctl.status import user
from colo_twisted.ctl.words import said, wrapped

_WIDTH = 80
_DONE = "COLO_CHECKPOINT_DONE"


@subcommand(
    "checkpoint",
    "Make the secondary equal to the primary",
    """
    colo-ctl checkpoint
    colo-ctl checkpoint --wait --timeout 30 && echo 'the secondary equals the primary now'
    """,
)
@click.argument("id", required=False, shell_complete=complete_ids("object"))
@click.option("--wait", is_flag=True, help="Until it has ended: exit status 1 unless it is done.")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", default=60.0, help="... at most so long (60).")
@pass_console
def checkpoint(console: Console, id: str | None, wait: bool, timeout: float) -> None:
    """
    Ask for a checkpoint: it makes the secondary equal to the primary.

    ID is the comparer's, needed only where there are several.
    """
    with console.client() as client:
        number = client.execute("colo-checkpoint", {"id": id} if id else None)["number"]
        ended = _ended_checkpoint(console, client, id, number, timeout) if wait else None
    if console.json:
        console.document({"requested": True, "number": number, **(ended or {})})
    elif ended is None:
        click.echo(f"asked for checkpoint {number} (colo-ctl status shows how it goes; --wait waits for it)")
    if ended is not None and ended["outcome"] != "done":
        raise Trouble(f"the checkpoint was not made: {said(ended['outcome'])} (the log says why)")
    if ended is not None and not console.json:
        click.echo(f"checkpoint {ended['number']} is done, after {ended['duration-ms']:,} ms")


def _ended_checkpoint(console: Console, client: Any, id: str | None, number: int, timeout: float) -> dict[str, Any]:
    """The data of the event that tells the end of the first one from that number on. Raises Trouble at the time-out."""
    deadline = console.clock.monotonic() + timeout
    while (left := deadline - console.clock.monotonic()) > 0:
        event = client.next_event(left)
        if event is None or event["event"] != _DONE:
            continue
        ended = event["data"]
        if id in (None, ended["id"]) and ended["number"] >= number:
            return dict(ended)
    raise Trouble(f"checkpoint {number} has not ended within {timeout:g} s (colo-ctl status shows how far it is)")


_EFFECT = {
    "primary": "This primary goes on alone: what it holds is let go, and nothing is compared any more.",
    "secondary": "This secondary takes over: its guest answers the clients from now on.",
}
_BEWARE = {
    "primary": "Do it only if the secondary is gone, or is to be made anew.",
    "secondary": "Do it only if the primary is off for good: two that answer as one guest ruin its connections.",
}
_BARRIERS = ("filter-redirector", "filter-drop", "filter-mirror")


@subcommand(
    "failover",
    "The other side is lost: take over, or go on alone",
    """
    colo-ctl failover                                # asks first
    colo-ctl failover --yes                          # for scripts
    """,
)
@click.option("--yes", is_flag=True, help="Don't ask. Needed where stdin is no terminal.")
@pass_console
@click.pass_context
def failover(ctx: click.Context, console: Console, yes: bool) -> None:
    """
    The other side is lost: a secondary takes over, a primary goes on alone.

    QEMU's x-colo-lost-heartbeat. Make sure that the other side is off, and stays off: nothing here can.
    """
    with console.client() as client:
        replica = client.execute("query-colo-replica")
        mode = replica["mode"]
        if not yes:
            _confirm(replica)
        client.execute("x-colo-lost-heartbeat")
        after = client.execute("query-colo-replica")
        chains, chardevs = client.execute("query-chain"), client.execute("query-chardev")
    if console.json:
        console.document({"mode": mode, "replica": after})
    else:
        console.lines(done_lines(mode, after, chains, chardevs))


def _confirm(replica: Mapping[str, Any]) -> None:
    """Ask the person at the terminal. Raises UsageError where there is none, Abort for a no."""
    if not is_terminal(sys.stdin):
        raise click.UsageError("stdin is no terminal to ask at: give --yes")
    mode = replica["mode"]
    click.echo(f"{_EFFECT.get(mode, 'There is no replica here.')} Its state is {replica['state']}.", err=True)
    if mode in _BEWARE:
        click.echo(_BEWARE[mode], err=True)
    click.confirm("Go on?", abort=True, err=True)


def done_lines(
    mode: str,
    after: Mapping[str, Any],
    chains: Iterable[Mapping[str, Any]],
    chardevs: Iterable[Mapping[str, Any]],
) -> list[str]:
    """What was done, how it is now, and what comes next."""
    reason = f" ({said(after['reason'])})" if after.get("reason") else ""
    done = {"primary": "The primary goes on alone", "secondary": "The secondary has taken over"}
    lines = [f"{done.get(mode, 'Done')}: the state is {after['state']}{reason}."]
    if mode == "secondary":
        lines += _after_take_over([filter for chain in chains for filter in chain["filters"]], chardevs)
    elif mode == "primary":
        lines.append("Next: start a new secondary; when it is there, new connections are protected again.")
    for problem in filter(is_error, after.get("problems", [])):
        text = f"{said(problem['what'])}: {said(problem.get('remedy', ''))}"
        lines += wrapped(text.split(), _WIDTH, "- ", "  ")
    return lines


def _after_take_over(filters: list[Mapping[str, Any]], chardevs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The commands that take away what is no longer needed, in QEMU's order; the rewriter stays."""
    off = [known["id"] for known in filters if known["type"] in _BARRIERS and known["status"] == "off"]
    theirs = [chardev["label"] for chardev in chardevs if user(chardev) in off]
    rewriters = [known["id"] for known in filters if known["type"] == "filter-rewriter"]
    lines = ["Next, when the primary is to come back or another secondary:"] if off else []
    lines += [f"  colo-ctl del object {' '.join(reversed(off))}"] * bool(off)
    lines += [f"  colo-ctl del chardev {' '.join(reversed(theirs))}"] * bool(theirs)
    for id in rewriters:
        lines.append(f"{id} stays: it keeps the connections that were open. What makes this side a primary is added")
        lines.append(f"before it (colo-ctl add object ...,insert=before,position=id={id}).")
    return lines
