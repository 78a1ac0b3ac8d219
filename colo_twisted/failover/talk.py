"""
A colo-peer's connection: who is at its other end, and the messages that are that one's.

HELLO says who is there; what comes before it, from another process, or behind a GOODBYE is dropped by name.
"""

from __future__ import annotations

import dataclasses
import secrets
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from colo_twisted.failover.fence import FenceCounters
from colo_twisted.failover.messages import Message, MessageError, Reader, Type, VersionError, encode
from colo_twisted.failover.phases import ReplicaCounters
from colo_twisted.interfaces import FrontEnd, IChardev
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter

MOST_BACKLOG = 64 << 20  # bytes that may wait for a silent peer; a message beyond is not sent, and so not answered


@dataclass
class ColoPeerCounters(ReplicaCounters, FenceCounters):
    """Messages, and what became of them."""

    hellos: int = 0
    sent: int = 0
    received: int = 0
    answered: int = 0  # by this side
    refused: int = 0  # connections whose hello was: another version, or a second secondary
    protocol_errors: int = 0
    dropped_backlog: int = 0  # messages not sent: the peer takes nothing
    dropped_refused: int = 0  # messages on a refused connection, or behind a goodbye
    dropped_before_hello: int = 0
    dropped_other_incarnation: int = 0
    dropped_deaf: int = 0  # came while the other side was being fenced
    dropped_wrong_role: int = 0  # messages that only the other role takes
    dropped_taken_over: int = 0  # what a primary asked of a side that has taken over
    dropped_unknown: int = 0  # types of a later program
    dropped_unasked_answers: int = 0


class Refusal(NamedTuple):
    """Why nothing is taken from somebody, in words, and whether that one is disconnected: others may want its place."""

    why: str
    disconnects: bool


class Hearer(Protocol):
    """Whose talk it is."""

    def word(self, kind: Type) -> Message:
        """What this side says of itself, as a HELLO or a HEARTBEAT."""

    def is_deaf(self) -> bool:
        """Whether nothing is heard."""

    def refuses(self, hello: Message) -> Refusal | None:
        """Whether nothing is taken from whoever says this hello; None to take it."""

    def came(self, hello: Message, is_new: bool) -> None:
        """The other process has said hello; ``is_new``: on this connection it hadn't."""

    def heard(self, message: Message) -> None:
        """A message of that process, of any other type."""

    def lost(self, why: str, was_there: bool, goodbye: bool) -> None:
        """That process has gone, or nothing more is taken from it; ``was_there``: it had said hello."""


class _Connection:
    """What is known of one connection: who is there, and whether nothing more is taken from it."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hello: Message | None = None
        self.over = False
        self.unwanted = ""  # why it is to be disconnected, once what was said to it has gone out
        self.said_goodbye = False  # who comes after it on the same connection says hello


class Talk:
    """
    One side's end.

    @ivar incarnation: a random number of this process.
    """

    def __init__(
        self, id: str, chardev: IChardev, counters: ColoPeerCounters, report: Reporter, hearer: Hearer
    ) -> None:
        self.incarnation = secrets.randbits(64) or 1
        self._id = id
        self._counters = counters
        self._report = report
        self._hearer = hearer
        self._connection: _Connection | None = None
        self._stopped = False
        self._chardev = chardev

    def attach(self) -> None:
        """Begin; who makes this is ready to hear."""
        self._chardev.attach(
            FrontEnd(f"colo-peer '{self._id}'", receive=self._receive, connection_changed=self._connection_changed)
        )
        if self._chardev.connected and self._connection is None:
            self._connection_changed(True)

    def stop(self) -> bool:
        """Say goodbye, and hear no more; whether there was somebody to say it to."""
        was_there = not self._stopped and self._connection is not None
        if was_there:
            self.send(Message(Type.GOODBYE))
        self._stopped = True
        self._connection = None
        return was_there

    def drop(self, why: str) -> None:
        """End the connection, if there is one; the other side may come again."""
        if self._connection is not None and not self._stopped:
            self._chardev.disconnect(why)

    def send_away(self) -> None:
        """Disconnect who was refused, and has somebody else's place; it has been told with whom it spoke by now."""
        if self._connection is not None and self._connection.unwanted:
            self._chardev.disconnect(self._connection.unwanted)

    # who is there

    @property
    def hello(self) -> Message | None:
        """The other process's, while it is there."""
        return self._connection.hello if self._connection is not None else None

    @property
    def is_open(self) -> bool:
        """Whether somebody may answer."""
        return self._connection is not None and not self._connection.said_goodbye

    def _connection_changed(self, connected: bool) -> None:
        if self._stopped:
            return
        if connected:
            self._connection = self._connection or _Connection()  # a pair's other end may have spoken before this
            self.send(self._hearer.word(Type.HELLO))
            return
        was, self._connection = self._connection, None
        if was is not None:
            self._lose(was, "its connection is closed")

    def _lose(self, connection: _Connection, why: str) -> None:
        was_there, connection.hello = connection.hello is not None, None
        self._hearer.lost(why, was_there, connection.said_goodbye)

    # messages

    def send(self, message: Message) -> None:
        """One message, unless too much waits already."""
        if self._stopped:
            return
        packets = encode(dataclasses.replace(message, incarnation=self.incarnation))
        if self._chardev.backlog > MOST_BACKLOG:
            self._counters.dropped_backlog += 1
            return
        self._counters.sent += 1
        self._chardev.write(Batch.from_packets(packets))

    def _receive(self, batch: Batch) -> None:
        if self._stopped:
            return
        connection = self._connection = self._connection or _Connection()
        for packet in batch.packets():
            self._counters.received += 1
            if connection.over or connection is not self._connection:
                self._counters.dropped_refused += 1
                continue
            try:
                message = connection.reader.read(packet)
            except VersionError as error:
                self._refuse(connection, str(error))
            except MessageError as error:
                self._counters.protocol_errors += 1
                connection.over = True
                self._lose(connection, "it broke the protocol")
                self._chardev.disconnect(f"it broke the protocol of colo-peer '{self._id}': {error}")
            else:
                if message is not None:
                    self._take(connection, message)

    def _refuse(self, connection: _Connection, why: str) -> None:
        """Take nothing more from it; what was asked of it stays unanswered until it closes."""
        self._counters.refused += 1
        connection.over = True
        self._report.warn(f"refused: {why}", kind="refused")
        if connection.hello is not None:
            self._lose(connection, "it is refused")

    def _take(self, connection: _Connection, message: Message) -> None:
        if self._hearer.is_deaf():
            self._counters.dropped_deaf += 1
        elif message.type == Type.HELLO or (message.type == Type.HEARTBEAT and connection.hello is None):
            self._greeted(connection, message)  # a HELLO that came while nothing was heard is not said again
        elif connection.hello is None:
            self._counters.dropped_before_hello += 1
        elif message.incarnation != connection.hello.incarnation:
            self._counters.dropped_other_incarnation += 1
        elif message.type == Type.GOODBYE:
            connection.said_goodbye = True
            self._lose(connection, "it said goodbye")
        else:
            self._hearer.heard(message)

    def _greeted(self, connection: _Connection, hello: Message) -> None:
        was = connection.hello
        if was is not None and was.incarnation == hello.incarnation:
            self._hearer.came(hello, False)
            return
        self._counters.hellos += 1
        if was is not None:
            self._lose(connection, "another process has taken its place")
        refusal = self._hearer.refuses(hello)
        if refusal is not None:
            self._refuse(connection, refusal.why)
            if refusal.disconnects:
                connection.unwanted = refusal.why
            return
        connection.hello = hello
        connection.said_goodbye = False
        self._hearer.came(hello, True)
