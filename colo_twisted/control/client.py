"""One client's connection: its requests are carried out in turn, and no more is read than is obeyed."""

from __future__ import annotations

import typing
from collections import deque
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from colo_twisted.control.errors import QMPError
from colo_twisted.control.session import Request, Session
from colo_twisted.link.peer import name_of

MOST_PENDING = 8 << 20  # bytes that may wait for a client that doesn't read
MOST_A_TURN = 8  # steps of a client's in one turn of the reactor: frames wait meanwhile
SECONDS_A_TURN = 0.005  # after which no further step is begun


class Server(typing.Protocol):
    """What a client's connection tells, and asks for."""

    reactor: Any

    def arrived(self, client: Client) -> None:
        """It is there."""

    def gone(self, client: Client) -> None:
        """It has gone."""

    def too_slow(self, client: Client) -> None:
        """More than MOST_PENDING bytes wait for it; it is being disconnected."""

    def no_client(self, client: Client) -> None:
        """What it says is something else than QMP; it is being disconnected."""

    def carry_out(self, client: Client, request: Request) -> Deferred[Any]:
        """The answer for JSON; fails with QMPError only."""

    def broken(self, request: Request, failure: Failure) -> QMPError:
        """Something unexpected went wrong with a request: what the client is told."""


@implementer(IPushProducer)
class Client(Protocol):
    """
    Reads while there is room for what it leads to.

    While 64 KiB wait to be sent (the transport's own bound), nothing is read and nothing carried out.
    Events go on meanwhile, up to MOST_PENDING.

    @ivar name: whose connection it is, for messages.
    """

    transport: Any
    name = ""

    def __init__(self, server: Server, session: Session) -> None:
        self.session = session
        self._server = server
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._paused = False  # the transport takes no more
        self._reading = True
        self._working = False
        self._turn_awaited = False
        self._leaving = False
        self._gone = False
        self._proven = False  # to be a QMP client: to a TCP port, any web page can send something

    # coming and going

    def connectionMade(self) -> None:
        self.name = name_of(self.transport)
        self._proven = isinstance(self.transport.getPeer(), UNIXAddress)
        self.transport.registerProducer(self, True)
        self._server.arrived(self)
        self._send(self.session.greeting())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._forget()
        self._server.gone(self)

    def hang_up(self) -> None:
        """Close once the request that is under way is answered, and all is sent."""
        self._leaving = True
        self._settle()

    def abort(self) -> None:
        """Close at once, whatever was still to be sent."""
        self._forget()
        self.transport.abortConnection()

    def _forget(self) -> None:
        self._gone = True
        self._pending.clear()

    # incoming

    def dataReceived(self, data: bytes) -> None:
        if not self._proven and (first := data.lstrip()[:1]):
            self._proven = first == b"{"
            if not self._proven:
                self._server.no_client(self)
                self.abort()
                return
        self.session.feed(data)
        self._work()

    def _work(self) -> None:
        """Take the session's next steps; some of them, if there are many."""
        if self._working or self._turn_awaited:
            return
        self._working = True
        taken, until = 0, self._server.reactor.seconds() + SECONDS_A_TURN
        while not (self._paused or self._leaving or self._gone):
            if taken == MOST_A_TURN or (taken and self._server.reactor.seconds() > until):
                self._turn_awaited = True
                self._server.reactor.callLater(0, self._work_on)
                break
            taken += 1
            if not self._step():
                break
        self._working = False
        self._settle()

    def _work_on(self) -> None:
        self._turn_awaited = False
        self._work()

    def _step(self) -> bool:
        step = self.session.step()
        if isinstance(step, Request):
            answer = self._server.carry_out(self, step)
            answer.addCallback(self.session.answer)
            answer.addErrback(self._failed, step)
            answer.addCallback(self._answer)
        elif step is not None:
            self._send(step)
        return step is not None

    def _failed(self, failure: Failure, request: Request) -> bytes:
        error = failure.value
        return self.session.fail(error if isinstance(error, QMPError) else self._server.broken(request, failure))

    def _answer(self, line: bytes) -> None:
        self._send(line)
        self._work()

    def _settle(self) -> None:
        """Read or not, and leave if it is time to."""
        if self._gone:
            return
        idle = not (self._paused or self.session.busy)
        if self._leaving and idle:
            self._gone = True
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            return
        reading = not (self._paused or self._leaving or self._turn_awaited or self.session.full)
        if reading != self._reading:
            self._reading = reading
            if reading:
                self.transport.resumeProducing()
            else:
                self.transport.pauseProducing()

    # outgoing

    def tell(self, event: bytes) -> None:
        """Send an event, if the client has negotiated."""
        if self.session.negotiated:
            self._send(event)

    def _send(self, line: bytes) -> None:
        if self._gone:
            return
        if not self._paused:
            self.transport.write(line)
            return
        self._pending.append(line)
        self._pending_bytes += len(line)
        if self._pending_bytes > MOST_PENDING:
            self._server.too_slow(self)
            self.abort()

    def pauseProducing(self) -> None:
        self._paused = True
        self._settle()

    def resumeProducing(self) -> None:
        self._paused = False
        waiting = b"".join(self._pending)
        self._pending.clear()
        self._pending_bytes = 0
        if waiting:
            self.transport.write(waiting)
        self._work()

    def stopProducing(self) -> None:
        """The connection is lost, as connectionLost says too."""
