"""What somebody types in a terminal and reads there: in qmp-shell, and as colo-ctl's commands."""

from __future__ import annotations

import ast
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.processes import PATIENCE

QMP_SHELL = str(Path(sys.executable).with_name("qmp-shell"))
COLO_CTL = (sys.executable, "-m", "colo_twisted.ctl")
_PROMPT = "(QEMU) "
_WIDTH = 120
_TIMEOUT = 120.0  # seconds; what is waited for may take a while


class QMPShell:
    """A qmp-shell at a QMP socket; a context manager. ``text`` is what was typed and read."""

    def __init__(self, socket: Path) -> None:
        self.text = f"$ qmp-shell {socket.name}\n"
        self._popen = subprocess.Popen(
            [QMP_SHELL, socket.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=socket.parent,
            env={**os.environ, "HOME": str(socket.parent), "TERM": "dumb"},  # it keeps a history there
        )

    def __enter__(self) -> QMPShell:
        self._read()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._popen.kill()
        self._popen.communicate(timeout=PATIENCE)

    def type(self, *lines: str) -> None:
        """One after the other, when the prompt is there."""
        assert self._popen.stdin is not None
        for line in lines:
            self.text += f"{line}\n"
            self._popen.stdin.write(f"{line}\n".encode())
            self._popen.stdin.flush()
            self._read()

    def _read(self) -> None:
        """Until the next prompt."""
        assert self._popen.stdout is not None
        output = self._popen.stdout.fileno()
        deadline = time.monotonic() + PATIENCE
        got = ""
        while not got.endswith(_PROMPT):
            assert select.select([output], [], [], deadline - time.monotonic())[0], f"no prompt: {self.text}{got}"
            data = os.read(output, 1 << 16)
            assert data, f"qmp-shell ended: {self.text}{got}"
            got += data.decode()
        self.text += got


class Shell:
    """A shell whose COLO_QMP names a QMP socket; ``text`` is what was typed and read."""

    def __init__(self, socket: Path) -> None:
        self.text = f"$ export COLO_QMP={socket.name}\n"
        self._folder = socket.parent
        self._environment = {**os.environ, "COLO_QMP": socket.name, "COLUMNS": str(_WIDTH)}

    def colo_ctl(self, *lines: str) -> None:
        """Its commands, one after the other, each of which must succeed; 'status' may tell of problems."""
        for line in lines:
            words = line.split()
            done = subprocess.run(
                [*COLO_CTL, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_TIMEOUT,
                cwd=self._folder,
                env=self._environment,
            )
            self.text += f"$ colo-ctl {line}\n{done.stdout}"
            assert done.returncode in ((0, 3) if words[0] == "status" else (0,)), self.text


def for_qmp_shell(line: str) -> str:
    """A command in JSON, as COLO-FT.txt has it, in qmp-shell's words."""
    command: dict[str, Any] = ast.literal_eval(line.replace(": true", ": True").replace(": false", ": False"))
    given = dict(command.get("arguments", {}))
    given.update(given.pop("props", {}))
    words = (f"{name}={value if isinstance(value, str) else _literal(value)}" for name, value in given.items())
    return " ".join([command["execute"], *words])


def _literal(value: Any) -> str:
    """As JSON, without a space, in single quotes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"'{name}':{_literal(inner)}" for name, inner in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"
