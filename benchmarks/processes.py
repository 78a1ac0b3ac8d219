"""Programs that run while something is measured, and end with it."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

PATIENCE = 20.0  # seconds, for a program to be ready or to end


class BenchmarkError(Exception):
    """What can't be measured; the text says why."""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until a condition holds. Raises BenchmarkError."""
    deadline = time.monotonic() + PATIENCE
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"waited {PATIENCE:g} s in vain: {what}")
        pause.wait(0.02)


def run(*words: str, timeout: float = 60) -> str:
    """Run a program to its end; what it printed. Raises BenchmarkError."""
    return _done(words, timeout).stdout


def errors_of(environment: Mapping[str, str], *words: str, timeout: float) -> str:
    """The same in another environment; what it printed as errors. Raises BenchmarkError."""
    return _done(words, timeout, environment).stderr


def _done(
    words: tuple[str, ...], timeout: float, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            start_new_session=True,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"did not end within {timeout:g} s: {' '.join(words)}") from None
    if done.returncode:
        raise BenchmarkError(f"failed: {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done


class Running:
    """
    A program in the background; a context manager that ends it.

    It has a session of its own, so that Ctrl-C reaches the benchmark alone, which ends all in order.
    """

    def __init__(self, *words: str, environment: Mapping[str, str] | None = None, folder: Path | None = None) -> None:
        self._words = words
        self._log = tempfile.TemporaryFile("a+")  # noqa: SIM115 (it is closed with the program; "a": reading moves its offset)
        self._popen = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            cwd=folder,
        )

    @property
    def cpu_seconds(self) -> float:
        """What it has used up to now, its threads' and the kernel's for it included."""
        words = Path(f"/proc/{self._popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def resident_bytes(self) -> int:
        """Its memory."""
        words = Path(f"/proc/{self._popen.pid}/statm").read_text().split()
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def has_ended(self) -> bool:
        """By itself."""
        return self._popen.poll() is not None

    @property
    def output(self) -> str:
        """What it has printed."""
        self._log.seek(0)
        return self._log.read()

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Until a condition holds. Raises BenchmarkError, sooner if the program ends."""

        def holds_or_ended() -> bool:
            if self.has_ended:
                raise BenchmarkError(f"ended too soon: {' '.join(self._words)}\n{self.output}")
            return bool(condition())

        wait_until(holds_or_ended, what)

    def wait_to_say(self, text: str) -> None:
        """Until it has printed this. Raises BenchmarkError."""
        self.wait_for(lambda: text in self.output, f"{self._words[0]} to say '{text}'")

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        self._log.close()
