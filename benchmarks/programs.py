"""The programs that are compared."""

from __future__ import annotations

import os
import sys
from pathlib import Path

QEMU = "qemu-system-x86_64"
TWISTD = str(Path(sys.executable).with_name("twistd"))

QEMU_WORDS = (QEMU, "-M", "none", "-nodefaults", "-display", "none", "-monitor", "none")  # no machine, no guest
OURS_WORDS = (TWISTD, "-n", "--pidfile=", "colo")

COMPILED, PLAIN = "packets compiled", "packets not compiled"  # as ours says which build runs

# PYTHONPATH names the compiled build, as the Makefile has it; without it the sources run as they stand.
PLAIN_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
