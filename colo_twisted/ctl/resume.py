"""The subcommand that comes back to a pair: a survivor, or a primary without its parts, takes a new secondary."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click

from colo_twisted.ctl import signals
from colo_twisted.ctl.completion import complete_ids
from colo_twisted.ctl.console import TIMED_OUT, Console, is_terminal, pass_console, subcommand
from colo_twisted.ctl.errors import Refused, Trouble
from colo_twisted.ctl.left_over import Seen, Step, Wishes
from colo_twisted.ctl.naming import not_added, not_removed, things
from colo_twisted.ctl.resume_plan import HUSHED, Plan, plan
from colo_twisted.ctl.translate import COMMANDS, Schema, WrongOption, arguments
from colo_twisted.ctl.waiting import in_one_line, missing_for_synced
from colo_twisted.ctl.words import lasting, said

_POLL = 0.25  # seconds between two looks
_DELETE = {"object": "object-del", "chardev": "chardev-remove"}
_DONE = {"del": "removed {} {}", "add": "added {} {}", "set": "{}: status is {} now"}
_LISTS = {"del": "removed", "add": "added", "set": "switched-on"}


@subcommand(
    "resume",
    "Attach a new secondary to this side",
    """
    colo-ctl resume --listen 10.22.1.3               # on a secondary that has taken over
    colo-ctl resume --listen 10.22.1.3 --dry-run     # only show the commands
    colo-ctl resume                                  # on a primary without its parts: as before
    colo-ctl resume --listen 10.22.1.3,10.22.2.3,10.22.3.3 --ports 9003,9004,9005
    colo-ctl resume --listen 10.22.1.3 --peer state-file=/var/lib/colo/b.state,alone=manual
    colo-ctl resume --listen 10.22.1.3 --compare compare_timeout=5s --no-wait
    """,
)
@click.option(
    "--netdev", metavar="ID", help="The one with the guest (the only one).", shell_complete=complete_ids("netdev")
)
@click.option(
    "--listen",
    metavar="ADDRESS[,ADDRESS,ADDRESS]",
    help="Where the new secondary connects (as left-over chardevs that listen did): mirror, secondary_in, colo-peer.",
)
@click.option(
    "--ports",
    metavar="PORT,PORT,PORT",
    help="Likewise (those of the left-over chardevs, else 9003,9004,9005).",
)
@click.option("--vnet/--no-vnet", default=None, help="Frames carry vnet headers (as the filters here have it).")
@click.option("--peer", metavar="PROPERTIES", help="The colo-peer's, in place of the old one's ('': none).")
@click.option("--compare", metavar="PROPERTIES", help="The colo-compare's.")
@click.option("--timeout", type=click.FloatRange(0), metavar="SECONDS", default=60.0, help="Wait at most so long (60).")
@click.option("--no-wait", is_flag=True, help="Don't wait until it is synced.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@pass_console
@click.pass_context
def resume(
    ctx: click.Context,
    console: Console,
    netdev: str | None,
    listen: str | None,
    ports: str | None,
    vnet: bool | None,
    peer: str | None,
    compare: str | None,
    timeout: float,
    no_wait: bool,
    dry_run: bool,
) -> None:
    """
    Attach a new secondary to this side, which has taken over, or was a primary and lost its parts.

    Removes what is left over from before, makes the primary's parts, and switches them on last. If something fails,
    or a signal ends it before that is done (Ctrl-C, SIGTERM, SIGHUP), what was added is taken back, and the guest is
    never cut off; what was removed is not made again, so the command for the next try is printed (with --json
    'again', too): it has what the old colo-peer had. After a kill -9 the next try says what is left to do. Waits
    until new connections are protected (exit status 4 if not within --timeout: the parts stay, and the new secondary
    may come later).
    """
    with console.client() as client:
        planned = plan(_look(client), Wishes(netdev, listen, ports, vnet, peer, compare))
        if dry_run:
            _show(console, planned, None if no_wait else timeout)
            return
        run = _Run(console, client, planned)
        try:
            with signals.ending():
                run.go(timeout)
                if planned.fence is not None:
                    fence = f"fence={said(planned.fence)} is kept"
                    click.echo(f"{fence}: it must switch off the new secondary's host now (else --peer)", err=True)
                missing = [] if no_wait else run.wait_synced(timeout)
        finally:
            if console.json:
                console.document(run.document)
    if missing:
        click.echo(f"colo-ctl: not synced within {timeout:g} s: {in_one_line(missing)}", err=True)
        ctx.exit(TIMED_OUT)


def _look(client: Any) -> Seen:
    replica, chains = client.execute("query-colo-replica"), client.execute("query-chain")
    chardevs, known = client.execute("query-chardev"), things(client)
    filters = {filter["id"] for chain in chains for filter in chain["filters"]}
    peers = [thing.id for thing in known if thing.type == "colo-peer"]
    comparers = [thing.id for thing in known if thing.type == "colo-compare"]
    properties, defaults = {}, {}
    for id in [*filters, *peers, *comparers]:
        listed = client.execute("qom-list", {"path": f"/objects/{id}"})
        names = [row["name"] for row in listed if row["name"] != "type"]
        properties[id] = {
            name: client.execute("qom-get", {"path": f"/objects/{id}", "property": name}) for name in names
        }
        if id in peers:
            defaults = {row["name"]: row.get("default-value") for row in listed}
    return Seen(replica, chains, chardevs, known, properties, defaults)


def _show(console: Console, planned: Plan, timeout: float | None) -> None:
    steps = [*planned.removals, *planned.additions, planned.last]
    lines = [step.line for step in steps]
    lines += [] if timeout is None else [f"colo-ctl wait synced --timeout {timeout:g}"]
    if console.json:
        console.document({"netdev": planned.netdev, "commands": lines})
    else:
        console.lines(map(said, lines))


class _Run:
    """
    Carries a plan out.

    @ivar document: what was done, for --json; whole whenever it is looked at.
    """

    def __init__(self, console: Console, client: Any, planned: Plan) -> None:
        """Raises Trouble: an option string makes no sense; nothing has changed."""
        self._console = console
        self._client = client
        self._plan = planned
        self._schema = Schema(client.execute("query-qmp-schema"))
        self._orders = {step: self._order(step.words) for step in [*planned.removals, *planned.additions, planned.last]}
        self._done: list[Step] = []
        self._under_way: Step | None = None
        self.document: dict[str, Any] = {"netdev": planned.netdev, "removed": [], "added": [], "switched-on": []}
        self.document |= {"failed": None, "taken-back": [], "again": None}
        self.document |= {"synced": None, "seconds": None, "missing": []}

    def _order(self, words: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
        """A QMP command and its arguments. Raises Trouble."""
        verb, what, text = words
        if verb == "del":
            return _DELETE[what], {"id": text}
        if verb == "set":
            name, _, value = text.partition("=")
            return "qom-set", {"path": f"/objects/{what}", "property": name, "value": value}
        try:
            return COMMANDS[what], arguments(what, text, self._schema)
        except WrongOption as error:
            raise Trouble(f"{what} {text}: {error}") from None

    def go(self, timeout: float) -> None:
        """
        All steps; ``timeout``: how many seconds it may take until the comparer lets the guest's output out.

        If one fails, what was added before is taken back. Raises Trouble.
        """
        try:
            for step in [*self._plan.removals, *self._plan.additions]:
                self._take(step)
            self._wait_open(timeout)
            self._take(self._plan.last)
        except (Trouble, KeyboardInterrupt, OSError) as error:  # a terminal that has gone says so before SIGHUP comes
            with signals.undisturbed():
                self._fail(error)

    def _take(self, step: Step) -> None:
        self._under_way = step
        try:
            self._client.execute(*self._orders[step])
        except Refused as refused:
            self._under_way = None
            raise self._explained(step, refused) from None
        self._done.append(step)  # first: a signal may come between the two
        self._under_way = None
        self._tell(step)

    def _explained(self, step: Step, refused: Refused) -> Trouble:
        verb, what, _ = step.words
        if verb == "add":
            return not_added(self._client, what, self._schema.types(what), refused)
        return not_removed(self._client, what, step.id, refused) if verb == "del" else refused

    def _tell(self, step: Step) -> None:
        verb, what, text = step.words
        self.document[_LISTS[verb]].append(step.id if verb == "set" else {"what": what, "id": step.id})
        if not self._console.json:
            click.echo(_DONE[verb].format(said(what), text.partition("=")[2] if verb == "set" else said(step.id)))

    # waiting

    def _wait_open(self, timeout: float) -> None:
        """Until the comparer may let something out: nothing may leave while its colo-peer is shut."""
        missing, _ = self._wait(timeout, self._why_shut, "the other side's word")
        if missing:
            why = f"was not switched on, for nothing would leave the comparer: {missing[0]}"
            raise Trouble(f"{self._plan.last.id} {why}; start the new secondary first")

    def _why_shut(self) -> list[str]:
        replica = self._client.execute("query-colo-replica")
        return missing_for_synced(replica) if replica["state"] in HUSHED else []

    def wait_synced(self, timeout: float) -> list[str]:
        """What is missing at the time-out."""
        missing, seconds = self._wait(
            timeout, lambda: missing_for_synced(self._client.execute("query-colo-replica")), "synced"
        )
        self.document |= {"synced": not missing, "seconds": round(seconds, 3), "missing": missing}
        if not missing and not self._console.json:
            click.echo(f"synced (waited {lasting(seconds)})")
        return missing

    def _wait(self, timeout: float, look: Callable[[], list[str]], what: str) -> tuple[list[str], float]:
        """What is missing at last, and how many seconds it took; progress goes to a terminal's stderr."""
        clock = self._console.clock
        begun, told = clock.monotonic(), ""
        while (missing := look()) and (left := begun + timeout - clock.monotonic()) > 0:
            if is_terminal(sys.stderr) and told != in_one_line(missing):
                told = in_one_line(missing)
                click.echo(f"waiting for {what}: {told}", err=True)
            clock.sleep(min(_POLL, left))
        return missing, clock.monotonic() - begun

    # taking back

    def _fail(self, why: Trouble | KeyboardInterrupt | OSError) -> NoReturn:
        """Take back what was added, and say so. Raises Trouble, or what ended it."""
        doubtful = [] if self._under_way is None else [self._under_way]  # its answer was lost: perhaps it was done
        steps = [step for step in [*self._done, *doubtful] if step.undo is not None]
        left = self._take_back(steps[::-1])
        self.document |= {"failed": str(why) or "interrupted"}
        if self.document["removed"] or self._under_way in self._plan.removals:
            self.document["again"] = self._plan.again
            click.echo(f"What was removed is not made again. For the next try: {said(self._plan.again)}", err=True)
        back = ", ".join(map(said, self.document["taken-back"]))
        told = [f"taken back: {back}"] * bool(back) + [f"could not be taken back: {left}"] * bool(left)
        trouble = Trouble(f"{self.document['failed']} ({'; '.join(told) or 'nothing of it is there'})")
        if isinstance(why, Trouble):
            raise trouble from None
        click.echo(f"colo-ctl: {trouble}", err=True)
        raise why

    def _take_back(self, steps: list[Step]) -> str:
        """In that order, by a connection of its own: the other may be what failed. What could not be, or ''."""
        left = []
        try:
            with self._console.client() as client:
                for step in steps:
                    try:
                        client.execute(*self._order(step.undo or ()))
                    except Refused as refused:
                        if step is not self._under_way:
                            left.append(f"{said(step.id)} ({said(refused.description)})")
                    else:
                        self.document["taken-back"] += [step.id] * (step.words[0] == "add")
        except Trouble as trouble:
            left.append(str(trouble))
        return ", ".join(left)
