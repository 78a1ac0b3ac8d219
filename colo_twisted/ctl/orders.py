"""The subcommands that order something: checkpoint, failover."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from colo_twisted.ctl.aftermath import already, done_lines, is_other_connected, next_lines, warning_lines, why_not
from colo_twisted.ctl.completion import complete_ids
from colo_twisted.ctl.console import Console, is_terminal, pass_console, subcommand
from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.naming import named
from colo_twisted.ctl.words import said

_DONE = "COLO_CHECKPOINT_DONE"


@subcommand(
    "checkpoint",
    "Make the secondary equal to the primary",
    """
    colo-ctl checkpoint
    colo-ctl checkpoint --wait --timeout 30 && echo 'the secondary equals the primary now'
    """,
)
@click.argument("id", required=False, shell_complete=complete_ids("object", "colo-compare"))
@click.option("--wait", is_flag=True, help="Until it has ended: exit status 1 unless it is done.")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", default=60.0, help="... at most so long (60).")
@pass_console
def checkpoint(console: Console, id: str | None, wait: bool, timeout: float) -> None:
    """
    Ask for a checkpoint: it makes the secondary equal to the primary.

    ID is the comparer's, needed only where there are several.
    """
    with console.client() as client:
        with named(client, id, "colo-compare"):
            number = client.execute("colo-checkpoint", {"id": id} if id else None)["number"]
        ended = _ended_checkpoint(console, client, id, number, timeout) if wait else None
    if console.json:
        console.document({"requested": True, "number": number, **(ended or {})})
    elif ended is None:
        click.echo(f"asked for checkpoint {number} (colo-ctl status shows how it goes; --wait waits for it)")
    if ended is not None and ended["outcome"] != "done":
        raise Trouble(_not_made(said(ended["outcome"])))
    if ended is not None and not console.json:
        click.echo(f"checkpoint {ended['number']} is done, after {ended['duration-ms']:,} ms")


def _not_made(outcome: str) -> str:
    if outcome == "unchanged":
        return "the checkpoint was not made; the secondary is as it was (unchanged)"
    return f"the checkpoint was not made: {outcome} (the log says why)"


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


@subcommand(
    "failover",
    "The other side is lost: take over, or go on alone",
    """
    colo-ctl failover                                # says whether the other side is there, and asks
    colo-ctl failover --yes                          # for scripts: refused while the other side is connected
    colo-ctl failover --force                        # even then: both guests may answer the clients
    """,
)
@click.option("--yes", is_flag=True, help="Don't ask. Needed where stdin is no terminal.")
@click.option("--force", is_flag=True, help="Neither ask, nor refuse while the other side's colo-peer is connected.")
@pass_console
def failover(console: Console, yes: bool, force: bool) -> None:
    """
    The other side is lost: a secondary takes over, a primary goes on alone.

    QEMU's x-colo-lost-heartbeat. Make sure that the other side is off, and stays off: nothing here can. With --yes
    it is refused (exit status 1) while the other side's colo-peer is connected, for that process lives; not in the
    state lost, in which it doesn't answer.
    Where it has been done already nothing is done again; what there is to remove is listed once more.
    """
    with console.client() as client:
        before = client.execute("query-colo-replica")
        done = already(before)
        if done is None:
            _make_sure(before, yes, force)
            client.execute("x-colo-lost-heartbeat")
        after = client.execute("query-colo-replica")
        chains, chardevs = client.execute("query-chain"), client.execute("query-chardev")
    if console.json:
        console.document({"mode": before["mode"], "replica": after})
    elif done is None:
        console.lines(done_lines(before["mode"], after, chains, chardevs))
    else:
        console.lines([done, *(next_lines(after, chains, chardevs) if after["state"] == "taken-over" else [])])


def _make_sure(replica: Mapping[str, Any], yes: bool, force: bool) -> None:
    """Ask the person at the terminal, or look. Raises Trouble, UsageError where there is none, Abort for a no."""
    if replica["mode"] == "none":
        raise Trouble("there is no replica here: no colo-compare, colo-peer or filter-rewriter (colo-ctl status)")
    if force:
        return
    if yes:
        if is_other_connected(replica) and replica["state"] != "lost":  # a process that hangs keeps its connections
            raise Trouble(why_not(replica))
        return
    if not is_terminal(sys.stdin):
        raise click.UsageError("stdin is no terminal to ask at: give --yes")
    for line in warning_lines(replica):
        click.echo(line, err=True)
    click.confirm("Go on?", abort=True, err=True)
