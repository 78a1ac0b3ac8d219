"""The client's end of a QEMU's QMP socket: commands with a deadline, events in their order."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from colo_twisted.control.json_lexer import JSONError
from colo_twisted.control.json_stream import JSONStream
from colo_twisted.countdown import Countdown
from colo_twisted.counters import Counters
from colo_twisted.link.addresses import Address
from colo_twisted.link.reach import LinkOptions, Reach
from colo_twisted.reporting import Reporter

LONGEST_DELAY = 1.0  # seconds from one try to connect to the next
MOST_BYTES = 8 << 20  # of one answer
MOST_READS = 64  # of 64 KiB, in one go
Told = Callable[[str, Mapping[str, Any]], None]


class QEMUError(Exception):
    """QEMU has refused a command; the text is its own."""


class NoAnswer(Exception):
    """QEMU has not answered: it has gone, hangs, or is not there."""


@dataclass
class MonitorCounters(Counters):
    """What was said over QEMU's QMP socket."""

    connects: int = 0
    disconnects: int = 0
    commands: int = 0
    refused_commands: int = 0  # answered with an error
    unanswered: int = 0  # commands, and connections without a greeting, that took longer than the timeout
    events: int = 0
    protocol_errors: int = 0


class Monitor(Reach):
    """
    Connects, negotiates, and connects again whenever that ends.

    Whoever makes this sets ``changed``, called with whether QEMU takes commands, and ``told``, called
    with each event's name and data.

    @ivar connected: whether QEMU takes commands.
    """

    def __init__(
        self, reactor: Any, address: Address, timeout: float, counters: MonitorCounters, report: Reporter
    ) -> None:
        """
        @param timeout: seconds that a command's answer, or the greeting, may take.
        """
        super().__init__(reactor, LinkOptions(address, server=False, reconnect=LONGEST_DELAY), report)
        self.connected = False
        self.peer_name = None
        self.timeout = timeout
        self.changed: Callable[[bool], None] = lambda connected: None
        self.told: Told = lambda event, data: None
        self._counters = counters
        self._talk: _Talk | None = None
        self._deadline = Countdown(reactor)
        self._pending: deque[tuple[str, Deferred[Any]]] = deque()  # in the order in which QEMU answers

    # life

    def start(self) -> None:
        self._connect()

    def stop(self) -> None:
        """Ask and hear nothing any more."""
        self._leave()
        self._deadline.end()
        talk, self._talk = self._talk, None
        self.connected = False
        if talk is not None:
            talk.transport.loseConnection()
        self._give_up()

    def change_timeout(self, timeout: float) -> None:
        """Let it be so many seconds, for what waits already too."""
        self.timeout = timeout
        self._deadline.last(timeout)

    # what is asked

    def execute(self, command: str, **arguments: Any) -> Deferred[Any]:
        """
        Ask; the arguments have QEMU's own names.

        @return: fires with what QEMU returns; fails with QEMUError or NoAnswer.
        """
        if not self.connected:
            return fail(NoAnswer("QEMU's QMP socket is not connected"))
        return self._ask(command, arguments)

    def _ask(self, command: str, arguments: Mapping[str, Any]) -> Deferred[Any]:
        assert self._talk is not None
        answer: Deferred[Any] = Deferred()
        self._pending.append((command, answer))
        self._counters.commands += 1
        if not self._deadline.running:
            self._wait_for_answer()
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        self._talk.transport.write(json.dumps(request).encode() + b"\n")
        return answer

    def _wait_for_answer(self) -> None:
        self._deadline.begin(self.timeout, self._too_late)

    def _too_late(self) -> None:
        what = f"has not answered {self._pending[0][0]}" if self._pending else "has not greeted"
        hint = "" if self._pending else " (a QMP socket serves one client at a time: does another hold it?)"
        self._counters.unanswered += 1
        self._report.warn(f"QEMU {what} for {self.timeout:g} s: connecting anew{hint}", kind="unanswered")
        self._drop()

    def _drop(self) -> None:
        if self._talk is not None:
            self._talk.end()

    # what QEMU has said by now, before the reactor's next turn

    def drain(self) -> None:
        """Read what the kernel has."""
        if self._talk is not None:
            self._talk.drain()

    def has_read(self, event: str) -> bool:
        """Whether an event of that name was read, and not told yet."""
        return self._talk is not None and self._talk.has_read(event)

    # what the connection says

    def buildProtocol(self, addr: IAddress | None) -> _Talk:
        return _Talk(self)

    def arrived(self, talk: _Talk) -> None:
        if self._talk is not None:  # it can't be: a connector has one connection
            self._talk.transport.abortConnection()
        self._talk = talk
        self._counters.connects += 1
        self._wait_for_answer()

    def gone(self, talk: _Talk) -> None:
        if talk is not self._talk:
            return
        self._talk = None
        was_connected, self.connected = self.connected, False
        self._counters.disconnects += 1
        self._deadline.end()
        self._give_up()
        if was_connected:
            self._report.warn("QEMU's QMP socket is closed", kind="closed")
            self.changed(False)
        self._connect_again()

    def _give_up(self) -> None:
        pending, self._pending = self._pending, deque()
        for command, answer in pending:
            answer.errback(NoAnswer(f"QEMU has not answered {command}"))

    def heard(self, message: dict[str, Any]) -> None:
        """One of the greeting, an answer, an event."""
        if "event" in message:
            self._happened(str(message["event"]), message.get("data", {}))
        elif "QMP" in message and not self._pending and not self.connected:
            self._deadline.end()
            self._ask("qmp_capabilities", {}).addCallbacks(self._negotiated, self._not_negotiated)
        elif self._pending and ("return" in message or "error" in message):
            self._answered(message)
        else:
            self.broken("it says what nobody has asked for")

    def _happened(self, event: str, data: Any) -> None:
        """One may come before the greeting, and means nothing to us then."""
        if not isinstance(data, dict):
            self.broken("an event's data that is no object")
            return
        self._counters.events += 1
        if self.connected:
            self.told(event, data)

    def _answered(self, message: dict[str, Any]) -> None:
        _, answer = self._pending.popleft()
        self._deadline.end()
        if self._pending:
            self._wait_for_answer()
        if "return" in message:
            answer.callback(message["return"])
            return
        self._counters.refused_commands += 1
        error = message["error"]
        answer.errback(QEMUError(str(error.get("desc", error)) if isinstance(error, dict) else str(error)))

    def _negotiated(self, _: Any) -> None:
        self.connected = True
        self._report.info("QEMU's QMP socket is connected", kind="connected")
        self.changed(True)

    def _not_negotiated(self, failure: Failure) -> None:
        if failure.check(NoAnswer) is None:
            self.broken(failure.getErrorMessage())

    def broken(self, how: str) -> None:
        """It is no QMP."""
        self._counters.protocol_errors += 1
        self._report.warn(f"what {self} says is no QMP of QEMU's: {how}", kind="broken")
        self._drop()


class _Talk(Protocol):
    """
    One connection.

    What was read and not told yet stands in ``_read``: messages, and last of all why what follows is none.
    """

    transport: Any

    def __init__(self, monitor: Monitor) -> None:
        self._read: deque[dict[str, Any] | str] = deque()
        self._monitor = monitor
        self._stream = JSONStream(MOST_BYTES)
        self._bytes = 0
        self._broken = False
        self._telling = False
        self._over = False

    def connectionMade(self) -> None:
        self._monitor.arrived(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._over = True
        self._monitor.gone(self)

    def end(self) -> None:
        """Close the connection, and tell nothing more of what was read."""
        self._over = True
        self.transport.abortConnection()

    def has_read(self, event: str) -> bool:
        """Whether an event of that name was read, and not told yet."""
        return any(not isinstance(message, str) and message.get("event") == event for message in self._read)

    def drain(self) -> None:
        """What that finds of an end, the reactor finds again."""
        for _ in range(MOST_READS):
            before = self._bytes
            self.transport.doRead()
            if self._bytes == before:
                return

    def dataReceived(self, data: bytes) -> None:
        self._bytes += len(data)
        if not self._broken:
            self._stream.feed(data)
            self._take()
        self._tell()

    def _take(self) -> None:
        try:
            while (found := self._stream.next()) is not None:
                if not isinstance(found.value, dict):
                    raise JSONError("a value that is no object")
                self._read.append(found.value)
        except JSONError as error:
            self._broken = True
            self._read.append(str(error))

    def _tell(self) -> None:
        """In order, also where what is told makes us read more."""
        if self._telling:
            return
        self._telling = True
        try:
            while self._read and not self._over:
                message = self._read.popleft()
                if isinstance(message, str):
                    self._monitor.broken(message)
                else:
                    self._monitor.heard(message)
        finally:
            self._telling = False
