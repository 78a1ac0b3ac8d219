"""The scripts that bring a TAP up and down, as QEMU runs them: with the interface's name as the only argument."""

from __future__ import annotations

import os
import subprocess

from colo_twisted.options.errors import OptionError

IFUP = "/etc/qemu-ifup"
IFDOWN = "/etc/qemu-ifdown"
TIMEOUT_SECONDS = 30.0


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


def run(script: str, interface: str) -> str | None:
    """Run a script and wait for it; returns what went wrong in a few words, or None."""
    try:
        done = subprocess.run(
            [script, interface],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{script} {interface} did not end within {TIMEOUT_SECONDS:g} s and was killed"
    except OSError as error:
        return f"{script} {interface} could not be run: {error.strerror}"
    if done.returncode == 0:
        return None
    said = done.stdout.decode(errors="replace").strip().splitlines()
    how = f"exited with {done.returncode}" if done.returncode > 0 else f"was ended by signal {-done.returncode}"
    return f"{script} {interface} {how}" + (f": {said[-1]}" if said else "")
