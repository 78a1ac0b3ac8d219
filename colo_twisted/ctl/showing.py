"""The subcommands that show: status, connections, divergences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from colo_twisted.ctl import listing
from colo_twisted.ctl.completion import complete_ids
from colo_twisted.ctl.console import PROBLEMS, Console, pass_console, subcommand
from colo_twisted.ctl.errors import Trouble
from colo_twisted.ctl.naming import named
from colo_twisted.ctl.picture import Counted, rates, take_picture, take_sample
from colo_twisted.ctl.status import HEIGHT, screen
from colo_twisted.ctl.words import counted

_NO_END = 1 << 30  # lines
_PAGE = 1000  # connections asked for at once: the server's most
_MOST_DIVERGENCES = 128
_KNOWERS = ("colo-compare", "filter-rewriter")
"""Types of objects that know connections."""


@subcommand(
    "status",
    "State, channels, filters, rates; problems and what to do",
    """
    colo-ctl status
    colo-ctl status --no-rates                       # at once
    colo-ctl status --json | jq .replica.state
    colo-ctl status --no-rates >/dev/null || echo 'something is wrong'
    """,
)
@click.option(
    "--interval",
    type=click.FloatRange(0.01, 3600),
    default=1.0,
    metavar="SECONDS",
    help="Rates are of so long a time (1).",
)
@click.option("--no-rates", is_flag=True, help="Don't measure rates.")
@click.option("--all", "everything", is_flag=True, help="All problems and divergences, however many lines that takes.")
@pass_console
@click.pass_context
def status(ctx: click.Context, console: Console, interval: float, no_rates: bool, everything: bool) -> None:
    """
    One screen: the replica's state, channels, filters, what is held, and what is wrong.

    Exit status 0 if all is well, 3 if there are problems: each says what to do.
    """
    with console.client() as client:
        found = None if no_rates else measured(console, client, interval)
        picture = take_picture(client)
    if console.json:
        console.document({**picture.document(), "rates": found})
    else:
        height = _NO_END if everything else HEIGHT
        console.lines(screen(picture, found, console.clock.now(), console.paint, height))
    ctx.exit(PROBLEMS if picture.errors else 0)


def measured(console: Console, client: Any, interval: float) -> Counted:
    """What the netdevs' counters gain a second."""
    before = take_sample(client, "netdev", console.clock.monotonic)
    console.clock.sleep(interval)
    return rates(before, take_sample(client, "netdev", console.clock.monotonic))


@subcommand(
    "connections",
    "The connections that are known, and what each holds",
    """
    colo-ctl connections
    colo-ctl connections --state unprotected --limit 20
    colo-ctl connections --json | jq '.connections[] | select(."held-packets" > 0)'
    """,
)
@click.argument("id", required=False, shell_complete=complete_ids("object", *_KNOWERS))
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show so many at most.")
@click.option(
    "--state",
    type=click.Choice(listing.STATES),
    metavar="STATE",
    help=f"Only those in this state: {', '.join(listing.STATES)}.",
)
@pass_console
def connections(console: Console, id: str | None, limit: int | None, state: str | None) -> None:
    """
    The connections that the comparer (on a secondary: the rewriter) knows.

    ID is the comparer's or rewriter's, needed only where there are several. HELD: packets of both guests that wait in
    the comparer, and their bytes. Offsets: what the rewriter takes from the guest's TCP numbers and clocks, to make
    them the primary's.
    """
    with console.client() as client, named(client, id, *_KNOWERS):
        rows = _limited((row for row in _pages(client, id) if state in (None, row["state"])), limit)
        if console.json:
            console.document({"connections": list(rows)})
        else:
            _show_connections(console, rows)


def _pages(client: Any, id: str | None) -> Iterator[dict[str, Any]]:
    start: int | None = 0
    while start is not None:
        asked = {"start": start, "limit": _PAGE} | ({"id": id} if id else {})
        page = client.execute("query-colo-connections", asked)
        yield from page["connections"]
        start = page.get("next")


def _limited(rows: Iterator[dict[str, Any]], limit: int | None) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, 1):
        yield row
        if number == limit:
            return


def _show_connections(console: Console, rows: Iterator[dict[str, Any]]) -> None:
    shown = 0
    for row in rows:
        if not shown:
            click.echo(listing.connections_head(row))
        click.echo(listing.connection_line(row, console.paint))
        shown += 1
    click.echo(f"{counted(shown)} shown" if shown else "no connections")


@subcommand(
    "divergences",
    "What the two guests did not do alike; packets for Wireshark",
    """
    colo-ctl divergences
    colo-ctl divergences -v --limit 1                # the last one, with both packets
    colo-ctl divergences --pcap /tmp/d.pcap && wireshark /tmp/d.pcap
    """,
)
@click.argument("id", required=False, shell_complete=complete_ids("object", "colo-compare"))
@click.option("-v", "--verbose", is_flag=True, help="With both packets as hex dumps.")
@click.option(
    "--limit",
    type=click.IntRange(1, _MOST_DIVERGENCES),
    default=_MOST_DIVERGENCES,
    metavar="N",
    help="The last so many (128).",
)
@click.option("--pcap", type=click.Path(dir_okay=False), help="Write the packets there, for Wireshark (- is stdout).")
@pass_console
def divergences(console: Console, id: str | None, verbose: bool, limit: int, pcap: str | None) -> None:
    """
    What the two guests did not do alike: the newest divergences, the last one last.

    ID is the comparer's, needed only where there are several.
    """
    asked = {"limit": limit, "packets": verbose or pcap is not None} | ({"id": id} if id else {})
    with console.client() as client, named(client, id, "colo-compare"):
        found = client.execute("query-colo-divergences", asked)
        none = "" if found else _why_none(client.execute("query-colo-replica"))
    now = console.clock.now()
    if pcap is not None:
        _write(pcap, listing.pcap_file(found, now))
    if pcap == "-":
        return
    if console.json:
        console.document(found)
    else:
        _show_divergences(found, now, verbose, pcap is not None)
        console.lines([none] if none else [])


def _write(path: str, data: bytes) -> None:
    try:
        with click.open_file(path, "wb") as file:
            file.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Trouble(f"cannot write {path}: {error.strerror}") from None


def _show_divergences(found: list[dict[str, Any]], now: float, verbose: bool, in_file: bool) -> None:
    numbers = listing.pcap_numbers(found) if in_file else [{}] * len(found)
    for divergence, places in zip(found, numbers):
        for line in listing.divergence_lines(divergence, now, places):
            click.echo(line)
        for line in listing.packet_lines(divergence) if verbose else ():
            click.echo(line)


def _why_none(replica: Mapping[str, Any]) -> str:
    """A secondary doesn't compare."""
    if replica["mode"] == "secondary":
        return "none are known here: this is the secondary, and only the primary compares (ask there)"
    if "held-packets" not in replica:
        return "none are known here: there is no colo-compare"
    return "no divergences"
