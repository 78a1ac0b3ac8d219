"""``twistd colo`` and other programs as processes that are ended whatever happens."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from colo_twisted.ctl.address import UnixAddress
from colo_twisted.ctl.client import Client

TWISTD = str(Path(sys.executable).with_name("twistd"))
PATIENCE = 20.0  # seconds; generous, for a busy machine


def wait_until(condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Poll until a condition of the outside world (a process, the kernel) holds; fail with ``what`` after patience."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:g} s in vain: {what}")
        pause.wait(0.02)


class Process:
    """A program whose output goes to a file; a context manager that ends it."""

    def __init__(self, words: list[str], log: Path, pass_fds: tuple[int, ...] = ()) -> None:
        self.words = words
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                pass_fds=pass_fds,
            )

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(5)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_output(self, pattern: str) -> None:
        """Until a regular expression is found in what it printed."""

        def there() -> bool:
            if re.search(pattern, self.output):
                return True
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.words[0]} ended without {pattern!r}:\n{self.output}")
            return False

        try:
            wait_until(there, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.popen.terminate()
        return self.popen.wait(PATIENCE)


class Colo(Process):
    """``twistd -n colo ...``, running once the context is entered; ``control`` is its QMP socket."""

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        name: str = "colo",
        namespace: str | None = None,
        twistd: tuple[str, ...] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.control = folder / f"{name}.qmp"
        self._client: Client | None = None
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        words = [*prefix, TWISTD, "-n", f"--pidfile={folder / name}.pid", *twistd, "colo", *arguments]
        words += ["-qmp", f"unix:{self.control},server=on,wait=off"]
        super().__init__(words, folder / f"{name}.log", pass_fds)

    def __enter__(self) -> Colo:
        try:
            self.wait_for_output(r"colo: running|start-up waits")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            self._client.close()
        super().__exit__(kind, error, trace)

    def qmp(self, command: str, **arguments: Any) -> Any:
        """What a command returns. Raises Refused."""
        if self._client is None:
            self._client = Client(UnixAddress(str(self.control)))
        return self._client.execute(command, arguments)

    def counters(self) -> dict[str, dict[str, int]]:
        """What it has counted, by 'kind id'; 0 is left out, and so is what serves this question."""
        return {
            f"{row['kind']} {row['id']}": {name: value for name, value in row["counters"].items() if value}
            for row in self.qmp("query-stats")
            if row["kind"] != "monitor" and not row["id"].startswith("compat_monitor")
        }
