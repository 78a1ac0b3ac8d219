"""Virtual environments of a test's own, and the project as people install it: from a wheel or an sdist."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.namespaces import run

ROOT = Path(__file__).parents[2]
BUILDING = 300.0  # seconds; a C compiler takes its time on a busy machine
NO_COMPILER = {"CC": "false"}
"""What hides the C compiler from a build."""

_NOT_SOURCES = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info", "*.so", "dropin.cache"
)


class Environment:
    """A fresh virtual environment. It has no pip; this one's installs into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        run(sys.executable, "-m", "venv", "--without-pip", str(folder))

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def twistd(self) -> str:
        return str(self.folder / "bin" / "twistd")

    def install(self, *what: object, timeout: float = BUILDING) -> None:
        """From files, folders, or the registry."""
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", self.python]
        run(*pip, "install", "--no-compile", *map(str, what), timeout=timeout)

    def says(self, expression: str) -> str:
        """What an expression's value prints as, in isolation from this test's own paths."""
        return run(self.python, "-I", "-c", f"import colo_twisted, twisted; print({expression})").strip()


def copy_sources(folder: Path) -> Path:
    """The project's sources as a new clone has them; building leaves its traces there."""
    return Path(shutil.copytree(ROOT, folder, ignore=_NOT_SOURCES))


@dataclass(frozen=True)
class Artifacts:
    """What was built, and from what."""

    sources: Path
    wheel: Path
    sdist: Path


def build(sources: Path, into: Path, *words: str, **variables: str) -> str:
    """Run ``build`` with environment variables of its own; all that it said. Fails with that if it fails."""
    command = [sys.executable, "-m", "build", *words, "--outdir", str(into), str(sources)]
    around = {name: value for name, value in os.environ.items() if name != "COLO_COMPILE"}
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**around, **variables},
        timeout=BUILDING,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def build_both(sources: Path, into: Path) -> Artifacts:
    """An sdist, and the wheel made from it."""
    build(sources, into, COLO_COMPILE="required")
    (wheel,) = into.glob("*.whl")
    (sdist,) = into.glob("*.tar.gz")
    return Artifacts(sources, wheel, sdist)
