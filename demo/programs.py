"""Programs that the demo runs and waits for; a signal that asks the demo to stop is noticed while waiting."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.02
_GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL
_MOST_WORDS = 200
_ENVIRONMENT = {**os.environ, "LC_ALL": "C", "PYTHONUNBUFFERED": "1"}

_asked_to_stop: list[int] = []


class Failed(Exception):
    """A step did not do what it must; the text says which and why."""


class Stopped(Exception):
    """Ctrl-C, SIGTERM, or the terminal is gone; ``signal`` is its number."""

    def __init__(self, number: int) -> None:
        self.signal = number


def heed_signals() -> None:
    """From now on a signal that would end this process makes the next wait raise Stopped instead."""
    for number in _STOPPING:
        signal.signal(number, lambda number, _: _asked_to_stop.append(number))


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Poll until the condition holds. Raises Failed, naming ``what``, when that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if _asked_to_stop:
            raise Stopped(_asked_to_stop[0])
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(_POLL_SECONDS)


def run(*words: str) -> str:
    """Run a short command to its end; what it printed. Raises Failed."""
    # In a session of its own: Ctrl-C in the terminal is for the demo, which ends everything in order.
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Program:
    """A program that runs for a while; what it prints goes to a file."""

    def __init__(self, name: str, words: list[str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env=_ENVIRONMENT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def _last_words(self) -> str:
        """The end of what it printed, for the end of a message."""
        lines = self.output.splitlines()
        return f": {lines[-1][:_MOST_WORDS]}" if lines else ""

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait_for(self, pattern: str) -> None:
        """Until it has printed a line with this regular expression. Raises Failed."""

        def printed() -> bool:
            over = not self.running
            if re.search(pattern, self.output):
                return True
            if over:
                raise Failed(f"{self.name} ended without saying {pattern!r}{self._last_words}")
            return False

        wait_until(printed, f"{self.name} saying {pattern!r}")

    def finish(self, seconds: float = 60.0, meanwhile: Callable[[], None] = lambda: None) -> str:
        """Until it has ended by itself; what it printed. Raises Failed for any exit status but 0."""

        def ended() -> bool:
            meanwhile()
            return not self.running

        wait_until(ended, f"the end of {self.name}", seconds)
        if self._popen.returncode:
            raise Failed(f"{self.name} exited with {self._popen.returncode}{self._last_words}")
        return self.output

    def kill(self) -> None:
        """As when the power fails: SIGKILL, and nothing is waited for."""
        self._popen.kill()

    def stop(self) -> int:
        """End it, if it runs; its exit status."""
        if self.running:
            self._popen.terminate()
        try:
            return self._popen.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()
