"""
``twistd colo``: options and service.

An application that embeds the proxy makes ``Options``, lets it parse a list of words, and gives it
to ``makeService``; both raise for what is wrong. Under twistd the same errors become one line and
exit status 1.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

from twisted.application.app import ServerOptions
from twisted.application.service import IService, MultiService, Service
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger
from twisted.python import usage

from colo_twisted.heap import keep_what_is_freed
from colo_twisted.machine import Machine
from colo_twisted.options.commandline import USAGE, HelpWanted, parse_arguments
from colo_twisted.options.configuration import Configuration
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.registry import Registry

PROGRAM = "twistd colo"
_SHOWN_BYTES = 90  # of an exception's text, in the shell that started a daemon

_log = Logger("colo_twisted")


class Options(usage.Options):
    """QEMU's options for the proxy; ``configuration`` is what they ask for."""

    configuration: Configuration
    parent: usage.Options | None = None  # twistd's own, when it is twistd that parses

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        Parse the words of a command line and check all that can be checked before anything is opened.

        @raise usage.UsageError: outside twistd; the text is one line.
        """
        try:
            self.configuration = parse_arguments(sys.argv[1:] if options is None else options, Registry())
        except HelpWanted as help:
            print(help)
            sys.exit(0)
        except OptionError as error:
            if self.twistd is not None:
                _exit_with(str(error))
            raise usage.UsageError(str(error)) from None

    @property
    def twistd(self) -> usage.Options | None:
        """twistd's own options, if these are of a twistd command; None in an application that embeds the service."""
        return self.parent if isinstance(self.parent, ServerOptions) else None

    def getUsage(self, width: int | None = None) -> str:
        return USAGE


def makeService(options: Options) -> IService:
    """
    The proxy as a service.

    @raise StartError: what the options name doesn't fit together. Starting the service raises it for
        what can't be opened; nothing is left behind then.
    """
    from twisted.internet import reactor

    keep_what_is_freed()
    try:
        machine = Machine(options.configuration, reactor)
    except StartError as error:
        if options.twistd is not None:
            _exit_with(str(error))
        raise
    if options.twistd is None:
        return machine
    # else no timer runs for a while once the wall clock is set back
    reactor.seconds = time.monotonic  # type: ignore[method-assign]
    service = _TwistdService(options.twistd)
    signals = _Signals(reactor)
    machine.on_quit = signals.stop
    signals.setServiceParent(service)  # first: SIGTERM may come while an up script runs
    machine.setServiceParent(service)
    return service


def _exit_with(line: str) -> NoReturn:
    print(f"{PROGRAM}: {line}", file=sys.stderr)
    sys.exit(1)


class _TwistdService(MultiService):
    """
    Turns a failed start into what a shell can show.

    twistd prints a traceback for an exception here, and of a daemon's it passes 100 bytes to the
    shell; SystemExit would leave its pidfile, and the daemon's parent waiting for ever.
    """

    def __init__(self, twistd: usage.Options) -> None:
        super().__init__()
        self._daemon = not twistd["nodaemon"]
        self._logs_elsewhere = self._daemon or twistd["syslog"] or twistd["logfile"] not in (None, "-")

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except StartError as error:
            line = str(error)
            if self._logs_elsewhere:
                _log.critical("{program}: {line}", program=PROGRAM, line=line)
            sys.excepthook = _quiet_about(error, None if self._daemon else f"{PROGRAM}: {line}", sys.excepthook)
            raise _short(line) from None


class colo(Exception):
    """A failed start, under the shortest name: the shell of a daemon shows it before the text."""

    __module__ = "builtins"


def _short(line: str) -> Exception:
    room = _SHOWN_BYTES - len("colo: ")
    shown = line.encode("ascii", "replace").decode()  # twistd would spell what isn't ASCII in up to ten bytes
    return colo(shown if len(shown) <= room else shown[: room - 3] + "...")


_Hook = Callable[[type[BaseException], BaseException, TracebackType | None], Any]


def _quiet_about(known: StartError, line: str | None, otherwise: _Hook) -> _Hook:
    """An excepthook that prints only the line for what is known already."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not isinstance(error, colo):
            otherwise(kind, error, trace)
        elif line is not None:
            os.write(2, f"{line}\n".encode())

    return hook


class _Signals(Service):
    """
    SIGTERM is an orderly end, with exit status 0; SIGHUP and SIGUSR2 are ignored.

    Twisted's own handler for SIGTERM ends the process by that signal after its shutdown, which a
    service manager may take for a crash; for SIGHUP it has none.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        for number in (signal.SIGHUP, signal.SIGUSR2):  # which would end the process
            signal.signal(number, lambda *_: None)  # not SIG_IGN, which the scripts would inherit
        self._take_sigterm()

    def startService(self) -> None:
        super().startService()
        # Twisted takes SIGTERM when the reactor starts: it waits from here until it has been taken back
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        self._reactor.callWhenRunning(self._take_sigterm_back)

    def _take_sigterm_back(self) -> None:
        self._take_sigterm()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])

    def _take_sigterm(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: self._reactor.callFromThread(self.stop))

    def stop(self) -> None:
        """End the process, in order."""
        with suppress(ReactorNotRunning):  # a second SIGTERM while the first is still obeyed
            self._reactor.stop()
