"""A program that is run now and then: in its own process group, bounded in time, its output logged."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from colo_twisted.countdown import Countdown
from colo_twisted.options.errors import OptionError
from colo_twisted.reporting import Reporter

MOST_LINES = 20  # of what is read at once; the log's own limit comes on top
MOST_LINE_BYTES = 1000  # of a line of output; what is longer goes on in a further line

_LAUNCHED = 3  # the descriptor on which the launch says that it has come so far
_DESCRIPTORS = {0: "w", 1: "r", 2: "r", _LAUNCHED: "r"}

# Runs between the fork and the program: a session of its own, then a byte that says so. An exit status without that
# byte is Twisted's or Python's own, and must not be taken for the program's.
_LAUNCH = """\
import os, sys
os.setsid()
os.write(3, b".")
os.close(3)
try:
    os.execv(sys.argv[1], sys.argv[2:])
except OSError as error:
    os.write(2, str(error).encode())
    os._exit(127)
"""


def find(name: str) -> str | None:
    """The path of a program that can be run, looked for as a shell does; None if there is none."""
    return shutil.which(name)


def check(name: str, command: tuple[str, ...]) -> None:
    """Raise OptionError if the program of a property's command can't be run."""
    program = command[0]
    if find(program) is not None:
        return
    if os.path.isfile(program):
        raise OptionError(f"property '{name}': {program} is not executable (chmod +x {program})")
    raise OptionError(f"property '{name}': there is no program {program}")


class Program:
    """
    Runs a command, once at a time.

    ``why_not`` says in a few words why the last run had no exit status.
    """

    def __init__(
        self, reactor: Any, command: tuple[str, ...], timeout: float, meaningful: frozenset[int], report: Reporter
    ) -> None:
        """
        @param timeout: in seconds.
        @param meaningful: the exit statuses after which what the program left running may go on.
        """
        self._reactor = reactor
        self._bound = Countdown(reactor)
        self._command = command
        self._timeout = timeout
        self._meaningful = meaningful
        self._report = report
        self._run: _Run | None = None
        self.why_not = ""

    @property
    def running(self) -> bool:
        return self._run is not None

    def change_timeout(self, timeout: float) -> None:
        """Let it take so many seconds, from its beginning on."""
        self._timeout = timeout
        self._bound.last(timeout)

    def run(self, environment: Mapping[str, str]) -> Deferred[int | None]:
        """
        Run it, with ``environment`` added to this process's own; only when none is running.

        @return: fires with the exit status; with None if it could not be run, was killed, or took longer
            than the timeout or was cancelled. After an exit status that is not among the meaningful ones, or
            None, its whole process group has been killed.
        """
        assert self._run is None
        done: Deferred[int | None] = Deferred()
        run = self._run = _Run(self._report, lambda status, why: self._finish(done, status, why))
        path = find(self._command[0])
        if path is None:
            run.finish(None, f"there is no program {self._command[0]}")
            return done
        launch = [sys.executable, "-ISc", _LAUNCH, path, *self._command]
        environment = {**os.environ, **environment}
        try:
            process = self._reactor.spawnProcess(run, launch[0], launch, env=environment, childFDs=_DESCRIPTORS)
        except OSError as error:
            run.finish(None, f"it can't be run: {error.strerror}")
            return done
        run.begun(process.pid, self._meaningful)
        self._bound.begin(self._timeout, self._took_too_long, run)
        return done

    def _took_too_long(self, run: _Run) -> None:
        run.kill(f"it took longer than {self._timeout:g} s")

    def cancel(self) -> None:
        """Kill what runs; harmless when nothing does."""
        if self._run is not None:
            self._run.kill("it was cancelled")

    def _finish(self, done: Deferred[int | None], status: int | None, why_not: str) -> None:
        self._run = None
        self._bound.end()
        self.why_not = why_not
        done.callback(status)


class _Run(ProcessProtocol):
    """One run: tells once how it ended, and logs what it says for as long as it says something."""

    def __init__(self, report: Reporter, ended: Callable[[int | None, str], None]) -> None:
        self._report = report
        self._ended: Callable[[int | None, str], None] | None = ended
        self._pid: int | None = None
        self._meaningful: frozenset[int] = frozenset()
        self._launched = False
        self._launch_over = False
        self._exit: tuple[int | None, str] | None = None
        self._parts = {1: b"", 2: b""}  # by descriptor: a line whose end has not come yet

    def begun(self, pid: int, meaningful: frozenset[int]) -> None:
        self._pid = pid
        self._meaningful = meaningful

    def kill(self, why: str) -> None:
        """End the whole process group, now."""
        self._kill_group()
        self.finish(None, why)

    def finish(self, status: int | None, why_not: str) -> None:
        """Tell how it ended, if that hasn't been told."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(status, why_not)

    # what Twisted says

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.closeStdin()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        if childFD == _LAUNCHED:
            self._launched = True
            return
        *lines, part = (self._parts[childFD] + data).split(b"\n")
        for line in lines[:MOST_LINES]:
            self._say(line)
        if len(lines) > MOST_LINES:
            self._say(b"(%d more lines)" % (len(lines) - MOST_LINES))
        if len(part) > MOST_LINE_BYTES:
            self._say(part)
            part = b""
        self._parts[childFD] = part

    def childConnectionLost(self, childFD: int) -> None:
        if childFD == _LAUNCHED:
            self._launch_over = True
            self._look_whether_over()
        elif self._parts.get(childFD):
            self._say(self._parts[childFD])
            self._parts[childFD] = b""

    def processExited(self, reason: Failure) -> None:
        """Its exit is the end, even if a process that it left behind holds its output open."""
        ended: Any = reason.value  # ProcessDone or ProcessTerminated
        if ended.signal is not None:
            self._exit = (None, f"it was ended by signal {ended.signal}")
        else:
            self._exit = (ended.exitCode, "")
        self._look_whether_over()

    def _look_whether_over(self) -> None:
        """What says that it was launched can be read after its exit."""
        if self._exit is None or not self._launch_over or self._ended is None:
            return
        status, why = self._exit if self._launched else (None, "it could not be launched")
        if status not in self._meaningful:
            self._kill_group()
        self.finish(status, why)

    def _kill_group(self) -> None:
        if self._pid is None:
            return
        for end in (os.killpg, os.kill) if self._exit is None else (os.killpg,):
            try:
                end(self._pid, signal.SIGKILL)  # the process too: it may not have come as far as its own group
            except ProcessLookupError:
                continue
            except PermissionError:  # it runs as another user by now (sudo): it must end by itself
                self._report.warn(f"process {self._pid} can't be killed: it runs as another user", kind="not killed")

    def _say(self, line: bytes) -> None:
        for at in range(0, len(line) or 1, MOST_LINE_BYTES):
            text = line[at : at + MOST_LINE_BYTES].decode(errors="replace").rstrip()
            self._report.info("".join(c if c.isprintable() or c == "\t" else "?" for c in text), kind="output")
