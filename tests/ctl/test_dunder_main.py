from __future__ import annotations

import subprocess
import sys

import colo_twisted


def test_the_package_runs_as_a_program() -> None:
    words = [sys.executable, "-m", "colo_twisted.ctl", "--version"]
    shown = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (shown.returncode, shown.stdout) == (0, f"colo-ctl {colo_twisted.__version__}\n")


def test_importing_it_runs_nothing() -> None:
    subprocess.run([sys.executable, "-c", "import colo_twisted.ctl.__main__"], timeout=60, check=True)
