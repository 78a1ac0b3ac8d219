"""Where and when something was measured, of what."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import run
from benchmarks.programs import QEMU, ROOT


@dataclass(frozen=True)
class Machine:
    """What a reader of the figures asks for."""

    cpu: str
    cores: int
    load: float  # programs that wanted a core during the minute before: other work beside
    kernel: str
    python: str
    twisted: str
    qemu: str
    date: str  # UTC
    commit: str  # '+' at its end: with changes; empty outside a repository
    build: str  # of ours, where it isn't said to be another

    @classmethod
    def here(cls) -> Machine:
        """Raises BenchmarkError without QEMU."""
        return cls(
            cpu_model(Path("/proc/cpuinfo").read_text()),
            os.cpu_count() or 1,
            round(os.getloadavg()[0], 2),
            platform.release(),
            platform.python_version(),
            version("twisted"),
            run(QEMU, "--version").splitlines()[0],
            datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M"),
            commit(),
            "compiled",
        )

    @property
    def words(self) -> str:
        """In one line."""
        return (
            f"{self.cpu}, {self.cores} cores (load {self.load:g}), Linux {self.kernel}, Python {self.python}, "
            f"Twisted {self.twisted}, {self.qemu}; {self.date} UTC, commit {self.commit or 'unknown'}, {self.build}"
        )


def cpu_model(cpuinfo: str) -> str:
    """Out of /proc/cpuinfo's text; the machine's kind where that names none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def commit() -> str:
    words = ("git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*")
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
