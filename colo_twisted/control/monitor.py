"""``-mon``: a QMP server for any number of clients at a chardev."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure

from colo_twisted.chardev.socket import SocketChardev
from colo_twisted.control.client import MOST_PENDING, Client
from colo_twisted.control.commands import COMMANDS
from colo_twisted.control.commands.declare import as_json
from colo_twisted.control.commands.whole import version
from colo_twisted.control.errors import COMMAND_NOT_FOUND, QMPError, as_qmp
from colo_twisted.control.properties import MonitorProperties
from colo_twisted.control.ratelimit import RateLimit, Told
from colo_twisted.control.session import NEGOTIATE, Request, Session, SessionCounters, event
from colo_twisted.interfaces import IMachine
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import OptionError, StartError
from colo_twisted.reporting import Reporter

_LOOKS_ONLY = ("query-", "qom-get", "qom-list", "human-monitor-command")
_MOST_SHOWN = 300  # letters of a command's arguments, in the log

_log = Logger("colo_twisted")


class Command(Protocol):
    """What a client can ask for."""

    def run(self, machine: Any, arguments: Mapping[str, Any]) -> Any:
        """The answer for JSON, or a Deferred of it. Raises, or that fails with, QMPError, OptionError, StartError."""


@dataclass
class MonitorCounters(SessionCounters):
    """What clients asked for, and were told."""

    clients: int = 0  # that ever connected
    events: int = 0
    events_suppressed: int = 0  # told as a number only, in the next one like them
    failures: int = 0  # commands that failed for an unexpected reason: the log has it
    disconnected_slow: int = 0  # clients that read nothing
    disconnected_other: int = 0  # what spoke no QMP, over TCP


class Monitor:
    """Carries out what its clients ask for, and tells them what happens."""

    def __init__(
        self,
        properties: MonitorProperties,
        machine: IMachine,
        commands: Mapping[str, Command],
        version: Mapping[str, Any],
    ) -> None:
        """
        Serve the chardev.

        @param version: what clients are greeted with.
        @raise StartError: the chardev is no socket, has a front end, or is open to others.
        """
        self.id = properties.id
        self.counters = MonitorCounters()
        self.reactor = machine.reactor
        self.clients: list[Client] = []
        self._machine = machine
        self._commands = commands
        self._version = version
        self._pretty = properties.pretty
        self._report = Reporter(f"monitor {self.id}")
        self._tracebacks: set[tuple[str, Any]] = set()  # commands and exceptions that the log has one of
        self._limit = RateLimit(machine.reactor, self._tell)
        chardev = machine.chardev(properties.chardev)
        if not isinstance(chardev, SocketChardev):
            raise StartError(f"monitor '{self.id}': chardev '{chardev.id}' is no socket (-chardev socket,id=...)")
        chardev.serve(self, f"monitor '{self.id}'", properties.insecure)

    def buildProtocol(self, addr: IAddress | None) -> Client:
        """For a new connection."""
        return Client(self, Session(self._version, self._pretty, self.counters))

    # life; the chardev opens, and closes when all that clients are to be sent has had its time

    def open(self) -> None:
        """Nothing needs privileges."""

    def start(self) -> None:
        self._machine.events.subscribe(self._limit.take)

    def stop(self) -> None:
        """Tell what was held back; nothing that happens later is told."""
        self._machine.events.unsubscribe(self._limit.take)
        self._limit.stop()

    def close(self) -> None:
        """The chardev closes."""

    # what clients say

    def arrived(self, client: Client) -> None:
        self.clients.append(client)
        self.counters.clients += 1

    def gone(self, client: Client) -> None:
        self.clients.remove(client)

    def too_slow(self, client: Client) -> None:
        self.counters.disconnected_slow += 1
        self._report.warn(
            f"disconnected {client.name}: it reads nothing, and {MOST_PENDING >> 20} MiB wait for it", kind="slow"
        )

    def no_client(self, client: Client) -> None:
        self.counters.disconnected_other += 1
        self._report.warn(f"disconnected {client.name}: what it sent is no QMP, which begins with '{{'", kind="other")

    def carry_out(self, client: Client, request: Request) -> Deferred[Any]:
        command = self._commands.get(request.command)
        if command is None or request.command == NEGOTIATE:
            return fail(QMPError(f"The command {request.command} has not been found", COMMAND_NOT_FOUND))
        done = maybeDeferred(command.run, self._machine, request.arguments)
        done.addErrback(self._explain, request)
        if not request.command.startswith(_LOOKS_ONLY):  # an operator will want to know who switched what off, and when
            done.addCallback(self._log_change, client.name, request)
            done.addErrback(self._log_refusal, client.name, request)
        return done

    def _log_change(self, result: Any, client: str, request: Request) -> Any:
        self._report.info(f"{client}: {request.command} {shown(request.arguments)}")
        return result

    def _log_refusal(self, failure: Failure, client: str, request: Request) -> Failure:
        given = shown(request.arguments)
        self._report.info(f"{client}: {request.command} {given} refused: {failure.getErrorMessage()}", kind="refused")
        return failure

    def _explain(self, failure: Failure, request: Request) -> Failure:
        error = failure.value
        if isinstance(error, QMPError):
            return failure
        if isinstance(error, (OptionError, StartError)):
            return Failure(as_qmp(error))
        return Failure(self.broken(request, failure))

    def broken(self, request: Request, failure: Failure) -> QMPError:
        self.counters.failures += 1
        self._report.warn(f"command '{request.command}' failed: {failure.value!r}", kind="failed")
        if (seen := (request.command, failure.type)) not in self._tracebacks:
            self._tracebacks.add(seen)
            _log.failure("the first such failure", failure)
        return QMPError(f"command '{request.command}' failed unexpectedly; the log has the reason")

    # events

    def _tell(self, told: Told) -> None:
        self.counters.events += 1
        self.counters.events_suppressed += told.suppressed
        line = event(told.event.name, told.data, told.when, self._pretty)
        for client in list(self.clients):
            client.tell(line)


def shown(arguments: Mapping[str, Any]) -> str:
    """The arguments for a log line: JSON, the beginning of it if it is long."""
    text = ""
    for piece in json.JSONEncoder().iterencode(arguments):  # a mebibyte would take its time to be written out
        text += piece[:_MOST_SHOWN]
        if len(text) > _MOST_SHOWN:
            return f"{text[:_MOST_SHOWN]}..."
    return text


def _create(properties: MonitorProperties, machine: IMachine) -> Monitor:
    return Monitor(properties, machine, COMMANDS, as_json(version()))


CONTROL = ObjectType("control", "QMP for any number of clients", MonitorProperties, _create)
