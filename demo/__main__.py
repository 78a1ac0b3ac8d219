"""Kills a primary in mid-download, twice, and says what came of it: exit status 0 if all is as it must be."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from demo.account import Account
from demo.acts import MEGABYTE
from demo.hosts import Hosts
from demo.programs import Failed, Stopped, heed_signals
from demo.service import body
from demo.takeover import Offer, Run
from demo.wiring import PICTURE, TWISTD

SIZE = "COLO_DEMO_MB"
MEGABYTES, LEAST_MEGABYTES = 300, 20


def main() -> int:
    missing = what_is_missing()
    if missing is not None:
        print(f"demo: {missing}", file=sys.stderr)
        return 1
    heed_signals()
    began = time.monotonic()
    account = Account()
    folder = Path(tempfile.mkdtemp(prefix="colo-demo-"))
    stopped = perform(folder, account)
    if stopped is not None:
        print("\nstopped; all is taken away", flush=True)
    elif account.wrong:
        print(f"\nFAILED: {'; '.join(account.wrong)} (logs: {folder})", flush=True)
        return 1
    else:
        print(f"\nAll as it must be, after {time.monotonic() - began:.0f} s.")
    shutil.rmtree(folder)
    return 0 if stopped is None else 128 + stopped


def what_is_missing() -> str | None:
    """One line, if this machine or user can't run the demo."""
    if os.geteuid() != 0:
        return "root is needed, to make network namespaces and TAPs (sudo make demo)"
    if not Path("/dev/net/tun").exists():
        return "there is no /dev/net/tun (modprobe tun)"
    wanted = os.environ.get(SIZE, str(MEGABYTES))
    if not wanted.isdecimal() or int(wanted) < LEAST_MEGABYTES:
        return f"{SIZE} is a number of megabytes from {LEAST_MEGABYTES}; got '{wanted}'"
    missing = [tool for tool in ("ip", "ss", str(TWISTD)) if shutil.which(tool) is None]
    return f"missing: {', '.join(missing)} (make demo installs what it needs)" if missing else None


def perform(folder: Path, account: Account) -> int | None:
    """Both runs; what is wrong is the account's. The number of the signal that has ended it, or None."""
    print(f"Two twistd colo with heartbeats and offloads, and no operator\n\n{PICTURE}", end="")
    try:
        offer = offered(int(os.environ.get(SIZE, MEGABYTES)) * MEGABYTE)
        for number, (title, diverges) in enumerate(RUNS):
            if not account.wrong:
                account.begin(title)
                play(folder / str(number), account, offer, diverges)
    except Failed as failure:
        account.wrong.append(str(failure))
    except Stopped as stopped:
        return stopped.signal
    return None


RUNS = (
    ("1. The primary and its guest are killed in mid-download", False),
    ("2. The same after a divergence, caused on purpose, that a checkpoint has healed", True),
)


def play(folder: Path, account: Account, offer: Offer, diverges: bool) -> None:
    """One run on hosts of its own. Raises Failed, Stopped."""
    folder.mkdir()
    with Hosts(folder) as hosts:
        run = Run(hosts, folder, account, offer)
        run.build()
        if diverges:
            run.diverge()
        run.download()


def offered(size: int) -> Offer:
    """So many bytes of what both guests make from the same seed."""
    sha256 = hashlib.sha256()
    for block in body(size):
        sha256.update(block)
    return Offer(size, sha256.hexdigest())


if __name__ == "__main__":
    sys.exit(main())
