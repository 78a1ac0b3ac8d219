"""``twistd colo`` as a daemon that is watched to its end, and one that fails to start, in either way of starting."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.support.processes import PATIENCE, TWISTD, Process, wait_until

_REAPER = str(Path(__file__).with_name("reaper.py"))


class Daemon(Process):
    """
    ``twistd colo ...`` without -n, with everything that it leaves running.

    ``output`` is what the shell sees, ``log_text`` is twistd's log file.
    """

    def __init__(
        self,
        arguments: list[str],
        folder: Path,
        name: str = "daemon",
        namespace: str | None = None,
        twistd: tuple[str, ...] = (),
        pass_fds: tuple[int, ...] = (),
    ) -> None:
        self.pidfile = folder / f"{name}.pid"
        self.logfile = folder / f"{name}.log"
        self._statuses = folder / f"{name}.statuses"
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        files = [f"--pidfile={self.pidfile}", f"--logfile={self.logfile}"]
        words = [sys.executable, _REAPER, str(self._statuses), TWISTD, *files, *twistd, "colo", *arguments]
        super().__init__([*prefix, *words], folder / f"{name}.shell", pass_fds)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Whatever still runs is killed; the reaper ends with the last of them."""
        while self.popen.poll() is None:
            for pid in self.left_running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(0.1)

    @property
    def left_running(self) -> list[int]:
        """The processes that the start left, as far as they have not ended."""
        try:
            return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        except FileNotFoundError:
            return []

    @property
    def log_text(self) -> str:
        return self.logfile.read_text() if self.logfile.exists() else ""

    def wait_for_log(self, pattern: str) -> None:
        """Until a regular expression is found in the log file."""
        try:
            wait_until(lambda: re.search(pattern, self.log_text), pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}\n{self.log_text}") from None

    def statuses(self) -> dict[int, int]:
        """The exit statuses of all processes that ended so far, by pid."""
        return {int(pid): int(status) for pid, status in map(str.split, self._statuses.read_text().splitlines())}

    def daemon_pid(self) -> int:
        """The daemon's own pid, once it has written it."""
        wait_until(lambda: self.pidfile.exists() and self.pidfile.read_text(), "the pidfile")
        return int(self.pidfile.read_text())

    def stop(self) -> int:
        """SIGTERM to the daemon; its exit status, when nothing of it runs any more."""
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGTERM)
        self.popen.wait(PATIENCE)
        return self.statuses()[pid]


@dataclass(frozen=True)
class FailedStart:
    """What is seen of a start that failed: the shell's view, and the log."""

    status: int
    stdout: str
    stderr: str
    log: str


def fail_in_foreground(
    arguments: list[str], folder: Path, namespace: str | None = None, pass_fds: tuple[int, ...] = ()
) -> FailedStart:
    """``twistd -n colo``, which must end by itself."""
    prefix = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run(
        [*prefix, TWISTD, "-n", f"--pidfile={folder / 'colo.pid'}", "colo", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=PATIENCE,
        pass_fds=pass_fds,
    )
    return FailedStart(done.returncode, done.stdout, done.stderr, done.stdout)


def fail_as_daemon(
    arguments: list[str], folder: Path, namespace: str | None = None, pass_fds: tuple[int, ...] = ()
) -> FailedStart:
    """``twistd colo``, which must leave no process."""
    with Daemon(arguments, folder, "colo", namespace, pass_fds=pass_fds) as daemon:
        wait_until(lambda: daemon.popen.poll() is not None, "the end of all processes of a failed start")
        shell = min(daemon.statuses())  # the first that was started
        return FailedStart(daemon.statuses()[shell], "", daemon.output, daemon.log_text)
