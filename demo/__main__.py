"""Builds the hosts, runs the proxy between them, and says what came of it: exit status 0 if all is as it must be."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from demo.account import Account, Compared, tell_seen
from demo.acts import MEGABYTES, PINGS, Website, ask_for_greeting, download, ping, upload
from demo.hosts import Hosts
from demo.programs import Failed, Program, Stopped, heed_signals
from demo.wiring import GUEST_ADDRESS, PICTURE, TWISTD, Wiring

SHOWN_LINES = 15  # of each log, when a step fails


def main() -> int:
    missing = what_is_missing()
    if missing is not None:
        print(f"demo: {missing}", file=sys.stderr)
        return 1
    heed_signals()
    account = Account()
    with tempfile.TemporaryDirectory(prefix="colo-demo-") as folder, Hosts(Path(folder)) as hosts:
        try:
            play(hosts, Path(folder), account)
        except Failed as failure:
            for program in hosts.programs:
                show_end(program)
            print(f"\nFAILED: {failure}", flush=True)
            return 1
        except Stopped as stopped:
            print("\nstopped; taking everything away", flush=True)
            return 128 + stopped.signal
    for line in account.wrong:
        print(f"  WRONG: {line}")
    print(f"\n{'NOT as it must be' if account.wrong else 'All as it must be'}, after {account.seconds:.0f} s.")
    return 1 if account.wrong else 0


def what_is_missing() -> str | None:
    """One line, if this machine or user can't run the demo."""
    if os.geteuid() != 0:
        return "root is needed, to make network namespaces and TAPs (sudo make demo)"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun (modprobe tun)"
    missing = [tool for tool in ("ip", "ss", "ping", "curl", str(TWISTD)) if shutil.which(tool) is None]
    return f"missing: {', '.join(missing)} (make demo installs what it needs)" if missing else None


def play(hosts: Hosts, folder: Path, account: Account) -> None:
    """Everything, in order. Raises Failed, Stopped."""
    print(f"twistd colo, with the command lines of QEMU's COLO-proxy document\n\n{PICTURE}")
    website = Website(folder)
    wiring, guest, replica = build(hosts, folder, website, account)
    act(wiring, website, folder, account)
    tell_seen(account, website, guest, replica)
    Compared.by(wiring).tell(account)
    diverge(wiring, account)
    for name, colo in (("primary", wiring.primary_colo), ("secondary", wiring.secondary_colo)):
        account.must(colo.stop() == 0, f"the {name} must end in order on SIGTERM")


def build(hosts: Hosts, folder: Path, website: Website, account: Account) -> tuple[Wiring, Program, Program]:
    """From nothing to two guests that wait for a client; their services."""
    account.begin("hosts")
    wiring = Wiring(hosts, folder)
    account.done("five network namespaces: client, primary, guest, secondary, replica")

    account.begin("secondary")
    wiring.start_secondary()
    account.done("runs, and tries to reach the primary: which is first doesn't matter")

    account.begin("primary")
    wiring.start_primary()
    account.done("runs, mirrors to the secondary, and compares: new connections are protected")

    account.begin("guests")
    wiring.plug_in_guests()
    guest, replica = website.serve_from(wiring.guest), website.serve_from(wiring.replica)
    account.done(f"both are {GUEST_ADDRESS}, and each serves the same {MEGABYTES} MB over HTTP")
    return wiring, guest, replica


def act(wiring: Wiring, website: Website, folder: Path, account: Account) -> None:
    """What the client does, and gets."""
    account.begin("ping", f"{PINGS} of them ...")
    pings = ping(wiring.client)
    account.must(pings.answered == PINGS, "every ping must be answered")
    account.done(str(pings))

    account.begin("download")
    down = download(wiring.client, website, folder, account.progress)
    account.must(down.right, "the download must be what was offered")
    account.done(str(down))

    account.begin("upload")
    up = upload(wiring.client, website, account.progress)
    account.must(up.right, "the service must have got what was sent")
    account.done(str(up))


def diverge(wiring: Wiring, account: Account) -> None:
    """One on purpose: the guests' greetings differ until a checkpoint has made them equal."""
    account.begin("differ", "the guests' greetings differ: asking for one ...")
    first = ask_for_greeting(wiring.client)
    account.done(f"the guests' greetings differ: '{first.text}' came after {first.seconds * 1000:.0f} ms, as")
    for line in wiring.primary_colo.said("comp0: (divergence|checkpoint)"):
        print(f"             {line}")
    account.begin("again")
    again = ask_for_greeting(wiring.client)
    account.done(f"'{again.text}' came after {again.seconds * 1000:.0f} ms")
    compared = Compared.by(wiring)
    account.must(first.text == again.text == "hello from the guest", "the client must hear the primary's guest")
    account.must(compared.divergences == 1, "there must have been one divergence")
    account.must(compared.counters.get("checkpoints_done") == 1, "there must have been one checkpoint")
    account.must(compared.counters.get("unprotected", 0) == 0, "nothing must have been let by uncompared")


def show_end(program: Program) -> None:
    """The end of a program's log, where there is one."""
    lines = program.output.splitlines()[-SHOWN_LINES:]
    if lines:
        print(f"\n--- the end of what {program.name} said")
        print("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
