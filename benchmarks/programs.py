"""The programs that are compared."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import BenchmarkError, Running

ROOT = Path(__file__).parents[1]
QEMU = "qemu-system-x86_64"
TWISTD = str(Path(sys.executable).with_name("twistd"))

QEMU_WORDS = (QEMU, "-M", "none", "-nodefaults", "-display", "none", "-monitor", "none")  # no machine, no guest
OURS_WORDS = (TWISTD, "-n", "--pidfile=", "colo")


@dataclass(frozen=True)
class Build:
    """One of ours: what it says of itself, and the environment in which Python finds it (None: this process's)."""

    says: str
    environment: Mapping[str, str] | None

    def wait_for(self, program: Running, name: str) -> None:
        """Until it runs. Raises BenchmarkError: it ended, or it is another build."""
        program.wait_for(lambda: "colo: running (" in program.output, f"{name} to run")
        if self.says not in program.output:
            raise BenchmarkError(f"{name} doesn't say '{self.says}': is PYTHONPATH set as `make bench` does?")


# PYTHONPATH names the compiled build, as the Makefile has it; these sources as they stand are the other one.
COMPILED = Build("packets compiled", None)
PLAIN = Build("packets not compiled", {**os.environ, "PYTHONPATH": str(ROOT)})
