"""The scripts that bring a TAP up and down, as QEMU runs them: with the interface's name as the only argument."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from colo_twisted.options.errors import OptionError

IFUP = "/etc/qemu-ifup"
IFDOWN = "/etc/qemu-ifdown"
TIMEOUT_SECONDS = 30.0
MOST_LINES = 5  # of what it says


def choose(given: str | None, default: str) -> str | None:
    """The script to run: the given one ('' is none), else QEMU's default where that file exists."""
    if given is not None:
        return given or None
    return default if os.path.exists(default) else None


def check(name: str, given: str | None) -> None:
    """Raise OptionError if a script was named that can't be run."""
    if given and not os.path.isfile(given):
        raise OptionError(f"property '{name}': there is no file {given} ('no' runs none)")
    if given and not os.access(given, os.X_OK):
        raise OptionError(f"property '{name}': {given} is not executable (chmod +x {given})")


@dataclass(frozen=True)
class Outcome:
    """What came of a script: what went wrong in a few words, or None; and what it said, on one line."""

    failure: str | None
    said: str = ""


def run(script: str, interface: str) -> Outcome:
    """Run a script and wait for it."""
    try:
        done = subprocess.run(
            [script, interface],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return Outcome(f"{script} {interface} did not end within {TIMEOUT_SECONDS:g} s and was killed")
    except OSError as error:
        return Outcome(f"{script} {interface} could not be run: {error.strerror}")
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    if done.returncode == 0:
        return Outcome(None, " / ".join(lines[:MOST_LINES]))
    how = f"exited with {done.returncode}" if done.returncode > 0 else f"was ended by signal {-done.returncode}"
    return Outcome(f"{script} {interface} {how}" + (f": {lines[-1]}" if lines else ""))
