"""``colo-ctl``: the group of subcommands, and the options before them."""

from __future__ import annotations

from typing import Any

import click

from colo_twisted import __version__
from colo_twisted.ctl import changes, completion, orders, raw, resume, showing, watch
from colo_twisted.ctl.console import CONTEXT, Console, quiet_ends, shared_options

_EPILOG = """\b
Examples:
  colo-ctl status                          how it is, and what to do if something is wrong
  colo-ctl wait synced --timeout 60        until new connections are protected
  colo-ctl -s /run/colo/b.sock top         another process's
  colo-ctl COMMAND --help                  more, with examples

Without -s the socket is that of the environment's COLO_QMP, else /run/colo/qmp.sock, which
'-qmp unix:/run/colo/qmp.sock,server=on,wait=off' of twistd colo makes. Exit status: 0 done, 1 not
done, 2 wrong usage; 3 problems (status), 4 not in time (wait)."""


class Program(click.Group):
    """Keeps its subcommands in the order of their use, and ends quietly."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        with quiet_ends(lambda: ctx.ensure_object(Console).address):
            return super().invoke(ctx)


@click.group(
    "colo-ctl",
    cls=Program,
    epilog=_EPILOG,
    context_settings=CONTEXT,
    params=shared_options(envvar="COLO_QMP"),
)
@click.version_option(__version__, message="colo-ctl %(version)s")
def cli() -> None:
    """See and change a running twistd colo, over its QMP socket."""


for _command in (
    showing.status,
    watch.top,
    showing.connections,
    showing.divergences,
    changes.set_,
    changes.add,
    changes.delete,
    orders.checkpoint,
    orders.failover,
    resume.resume,
    watch.wait,
    watch.events,
    raw.qmp,
    completion.completion,
):
    cli.add_command(_command)


def run() -> None:
    """The console script."""
    cli(prog_name="colo-ctl")
