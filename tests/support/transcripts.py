"""What somebody types in a terminal and reads there: sessions of qmp-shell, and of a shell with colo-ctl."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

QMP_SHELL = str(Path(sys.executable).with_name("qmp-shell"))
COLO_CTL = (sys.executable, "-m", "colo_twisted.ctl")
_PROMPT = "(QEMU) "
_PATIENCE = 120.0


def qmp_shell(socket: Path, commands: Iterable[str], folder: Path) -> str:
    """A session: the prompts, behind each the command, and what it printed. ``folder`` takes the history."""
    typed = list(commands)
    done = subprocess.run(
        [QMP_SHELL, str(socket)],
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        env={**os.environ, "HOME": str(folder), "TERM": "dumb"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    banner, *answers = done.stdout.split(_PROMPT)
    lines = [f"{_PROMPT}{line}\n{answer}" for line, answer in zip(typed, answers)]
    return f"$ qmp-shell {socket.name}\n{banner}{''.join(lines)}"


def colo_ctl(socket: Path, commands: Iterable[str], width: int = 120) -> str:
    """Each command behind a prompt, and what it printed; 'status' may say that there are problems."""
    shown = [f"$ export COLO_QMP={socket.name}\n"]
    environment = {**os.environ, "COLO_QMP": str(socket), "COLUMNS": str(width)}
    for line in commands:
        words = line.split()
        done = subprocess.run(
            [*COLO_CTL, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
            env=environment,
        )
        assert done.returncode in ((0, 3) if words[0] == "status" else (0,)), f"{line}\n{done.stdout}"
        shown.append(f"$ colo-ctl {line}\n{done.stdout}")
    return "".join(shown)


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
