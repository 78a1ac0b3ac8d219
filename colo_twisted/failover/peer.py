"""
``-object colo-peer``: the other process of the pair, over a chardev of its own.

The primary's asks, the secondary's acts and answers; failover/messages.py says in which words.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from colo_twisted.checkpoint import program
from colo_twisted.failover.messages import MOST_ENTRIES, Message, MessageError, Reader, Type, VersionError, encode
from colo_twisted.failover.properties import ColoPeerProperties
from colo_twisted.failover.replica import NEW_STATE, OLD_STATE, Replica, ReplicaCounters
from colo_twisted.failover.requests import Requests
from colo_twisted.failover.standing import Standing
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.interfaces import FrontEnd, ICheckpointed, IColoPeer, IMachine, IRetiring
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import StartError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter

STATE_SECONDS = 10.0  # what checkpoint-state may take
MOST_BACKLOG = 64 << 20  # bytes that may wait for a silent peer; a message beyond is not sent, and so not answered


@dataclass
class ColoPeerCounters(ReplicaCounters):
    """Messages, and what became of them."""

    hellos: int = 0
    sent: int = 0
    received: int = 0
    answered: int = 0  # by this side
    refused: int = 0  # connections whose hello was: another version, or the same role
    protocol_errors: int = 0
    dropped_backlog: int = 0  # messages not sent: the peer takes nothing
    dropped_refused: int = 0  # messages on a refused connection, or behind a goodbye
    dropped_before_hello: int = 0
    dropped_other_incarnation: int = 0
    dropped_wrong_role: int = 0  # messages that only the other role takes
    dropped_taken_over: int = 0  # what a primary asked of a side that has taken over
    dropped_unknown: int = 0  # types of a later program
    dropped_unasked_answers: int = 0


_ACTS: Mapping[int, Callable[[Replica, Message], bool]] = {
    Type.BEGIN: lambda replica, message: replica.begin(message.number, message.nonce),
    Type.DONE: lambda replica, message: replica.done(message.number, message.offsets),
    Type.ABORT: lambda replica, message: replica.abort(message.number, message.unchanged),
    Type.UNPROTECTED: lambda replica, message: replica.unprotect(message.keys),
    Type.PROTECT_NEW: lambda replica, message: replica.protect_new(),
    Type.INVALID: lambda replica, message: replica.invalidate(message.reason),
}
"""What the secondary does at each message; a true result is answered."""


class _Connection:
    """What is known of one connection: who is there, and whether nothing more is taken from it."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.hello: Message | None = None
        self.over = False
        self.said_goodbye = False  # who comes after it on the same connection says hello
        self.overtaken = False


@implementer(IColoPeer, IRetiring)
class ColoPeer:
    """
    One end of the talk.

    @ivar incarnation: a random number of this process.
    @ivar epoch: this side's, in each message.
    @ivar hello: the other side's, of the connection that there is, or None.
    @ivar standing: how the secondary stands.
    """

    def __init__(self, properties: ColoPeerProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.role = properties.role
        self.counters: ColoPeerCounters = ColoPeerCounters()
        self.watchers: list[Callable[[bool], None]] = []
        self.incarnation = secrets.randbits(64)
        self.epoch = 0
        self._report = Reporter(f"colo-peer {self.id}")
        self._other = "primary" if self.role == "secondary" else "secondary"
        self._connection: _Connection | None = None
        self._stopped = False
        self._requests = Requests()
        self._replica = self._made_replica(properties, machine)
        self.standing = Standing(self.id, machine, *self._condition)
        self._chardev = machine.chardev(properties.chardev)
        self._chardev.attach(
            FrontEnd(f"colo-peer '{self.id}'", receive=self._receive, connection_changed=self._connection_changed)
        )
        if self._chardev.connected and self._connection is None:
            self._connection_changed(True)

    def _made_replica(self, properties: ColoPeerProperties, machine: IMachine) -> Replica:
        asks = None
        if properties.checkpoint_state is not None:
            told = frozenset((OLD_STATE, NEW_STATE))
            asks = program.Program(machine.reactor, properties.checkpoint_state, STATE_SECONDS, told, self._report)
        self._state = StateFile(properties.state_file)
        return Replica(
            self._state, lambda: machine.providers(ICheckpointed), asks, self.counters, self._report, self._look
        )

    @property
    def invalid(self) -> str | None:
        """Why this side's guest may not take over before the next checkpoint, or None. On the primary: None."""
        return self._replica.invalid

    @property
    def overtaken(self) -> bool:
        """Whether the other side says that it has taken over."""
        return self._connection is not None and self._connection.overtaken

    @property
    def _condition(self) -> tuple[str, str]:
        return self._replica.condition(self.connected) if self.role == "secondary" else ("none", "")

    def _look(self) -> None:
        self.standing.become(*self._condition)

    @property
    def hello(self) -> Message | None:
        return self._connection.hello if self._connection is not None else None

    @property
    def connected(self) -> bool:
        return self.hello is not None

    # what the primary's comparer asks

    def name_unprotected(self, keys: Sequence[bytes] | None) -> Deferred[bool]:
        """As the interface says; more than MOST_ENTRIES keys are all."""
        named = None if keys is None or len(keys) > MOST_ENTRIES else tuple(keys)
        return self._request(Message(Type.UNPROTECTED, keys=named))

    def protect_new(self) -> Deferred[bool]:
        return self._request(Message(Type.PROTECT_NEW))

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        return self._ask(Message(Type.BEGIN, number, nonce=nonce))

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        """As the interface says. Raises ValueError for more than MOST_ENTRIES offsets."""
        return self._ask(Message(Type.DONE, number, offsets=offsets))

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask(Message(Type.ABORT, number, unchanged=unchanged))

    def invalidate(self, reason: str) -> Deferred[bool]:
        return self._request(Message(Type.INVALID, reason=reason))

    def _request(self, message: Message) -> Deferred[bool]:
        return self._ask(dataclasses.replace(message, number=self._requests.next_number()))

    def _ask(self, message: Message) -> Deferred[bool]:
        if self._connection is None or self._connection.said_goodbye:
            return succeed(False)
        answer = self._requests.add(message)
        self._send(message)
        return answer

    # the take-over

    @property
    def why_not(self) -> str | None:
        """Why this side can't take over now and what to do, in one line, or None."""
        return self._replica.why_not

    def take_over(self, reason: str) -> None:
        """
        Remember that this side speaks to the network itself, act on nothing more that a primary asks, and tell it so.

        Raises StateError: it can't be kept, and nothing has changed.
        """
        self._replica.take_over(reason)
        if self.connected:
            self._say_taken_over()
        self._look()

    def _say_taken_over(self) -> None:
        self._report.warn(
            "a primary is there though this side has taken over: only one of the two guests may speak to the network;"
            " stop the one whose state is older",
            kind="taken over",
        )
        self._send(Message(Type.TAKEN_OVER))

    def _overtaken(self, connection: _Connection) -> None:
        connection.overtaken = True
        self._report.warn(
            "the secondary says that it has taken over: only one of the two guests may speak to the network;"
            " stop the one whose state is older",
            kind="overtaken",
        )

    # the connection

    def _connection_changed(self, connected: bool) -> None:
        if self._stopped:
            return
        if connected:
            self._connection = self._connection or _Connection()  # a pair's other end may have spoken before this
            self._say_hello()
            return
        was, self._connection = self._connection, None
        if was is not None:
            self._lost(was, "its connection is closed")

    def _say_hello(self) -> None:
        self._send(Message(Type.HELLO, role=self.role))

    def _lost(self, connection: _Connection, why: str) -> None:
        """The other process has gone, or nothing more is taken from it."""
        was_there, connection.hello = connection.hello is not None, None
        connection.overtaken = False
        if was_there:
            self._report.warn(f"the {self._other} is lost: {why}", kind="lost")
            self._replica.primary_lost()
        self._requests.give_up()
        if was_there:
            for watcher in self.watchers:
                watcher(False)
        self._look()

    def _receive(self, batch: Batch) -> None:
        if self._stopped:
            return
        connection = self._connection = self._connection or _Connection()
        for packet in batch.packets():
            self.counters.received += 1
            if connection.over or connection is not self._connection:
                self.counters.dropped_refused += 1
                continue
            try:
                message = connection.reader.read(packet)
            except VersionError as error:
                self._refuse(connection, str(error))
            except MessageError as error:
                self.counters.protocol_errors += 1
                connection.over = True
                self._lost(connection, "it broke the protocol")
                self._chardev.disconnect(f"it broke the protocol of colo-peer '{self.id}': {error}")
            else:
                if message is not None:
                    self._heard(connection, message)

    def _refuse(self, connection: _Connection, why: str) -> None:
        """Take nothing more from it; what was asked of it stays unanswered until it closes."""
        self.counters.refused += 1
        connection.over = True
        self._report.warn(f"refused: {why}", kind="refused")
        if connection.hello is not None:
            self._lost(connection, "it is refused")

    def _heard(self, connection: _Connection, message: Message) -> None:
        if message.type == Type.HELLO:
            self._greeted(connection, message)
        elif connection.hello is None:
            self.counters.dropped_before_hello += 1
        elif message.incarnation != connection.hello.incarnation:
            self.counters.dropped_other_incarnation += 1
        elif message.type == Type.GOODBYE:
            connection.said_goodbye = True
            self._lost(connection, "it said goodbye")
        elif message.type == Type.ANSWER and self.role == "primary":
            self.counters.dropped_unasked_answers += not self._requests.answered(message)
        elif message.type == Type.TAKEN_OVER and self.role == "primary":
            self._overtaken(connection)
        elif message.type in _ACTS and self.role == "secondary":
            self._act(message)
        elif message.type in (Type.ANSWER, Type.TAKEN_OVER, *_ACTS):
            self.counters.dropped_wrong_role += 1
        else:
            self.counters.dropped_unknown += 1

    def _act(self, message: Message) -> None:
        """Do what the primary asks, and answer."""
        if self._replica.taken_over is not None:
            self.counters.dropped_taken_over += 1
            self._report.warn(
                f"{Type(message.type).name} of a primary's is not answered: this side has taken over", kind="ignored"
            )
            return
        if _ACTS[message.type](self._replica, message):
            self.counters.answered += 1
            self._send(Message(Type.ANSWER, message.number, answered=message.type))
        self._look()

    def _greeted(self, connection: _Connection, hello: Message) -> None:
        was = connection.hello
        if was is not None and was.incarnation == hello.incarnation:
            return
        self.counters.hellos += 1
        if was is not None:
            self._lost(connection, "another process has taken its place")
        if hello.role == self.role:
            self._refuse(connection, f"the other process is a {self.role} too; one of them must be role={self._other}")
            return
        connection.hello = hello
        connection.said_goodbye = False
        self._say_hello()  # once more: the other side may have been made after ours was sent, on a chardev that stood
        self._report.info(f"the {self._other} is there", kind="hello")
        if self.role == "secondary" and self._replica.taken_over is not None:
            self._say_taken_over()
        for watcher in self.watchers:
            watcher(True)
        self._look()

    def _send(self, message: Message) -> None:
        packets = encode(dataclasses.replace(message, incarnation=self.incarnation, epoch=self.epoch))
        if self._chardev.backlog > MOST_BACKLOG:
            self.counters.dropped_backlog += 1
            return
        self.counters.sent += 1
        self._chardev.write(Batch.from_packets(packets))

    # life

    def open(self) -> None:
        """Read the state file; a primary only keeps what it says. Raises StartError."""
        try:
            self._state.load()
            if self.role == "secondary":
                self._replica.restore()
        except StateError as error:
            raise StartError(f"colo-peer '{self.id}': {error}") from None
        if self.role == "secondary" and self._replica.taken_over is not None:
            self._report.warn(
                f"this side has taken over before ({self._state.path} says so) and acts on nothing that a primary asks;"
                " to make its guest a replica again, move that file away and start anew"
            )
        self._look()

    def start(self) -> None:
        """Say it now if no checkpoint could begin, or end."""
        if self.role == "secondary" and not self._replica.has_parts:
            self._report.warn("no checkpoint can be made: there is no filter-rewriter here, whose guest it would be")
        try:
            self._state.keep({})
        except StateError as error:
            self._report.warn(f"no checkpoint can be made: {error}")

    def retire(self) -> None:
        """To those who stay the other process is gone; a checkpoint's end will never be known here."""
        connection = self._connection
        self._replica.leave(f"colo-peer '{self.id}' was removed")
        self.stop()
        if connection is not None:
            self._lost(connection, "this colo-peer is removed")

    def stop(self) -> None:
        """Say goodbye; what is pending is never answered."""
        if not self._stopped and self._connection is not None:
            self._send(Message(Type.GOODBYE))
        self._stopped = True
        self._replica.close()

    def close(self) -> None:
        """The chardev closes by itself."""


COLO_PEER = ObjectType("colo-peer", "speaks with the other process of the pair", ColoPeerProperties, ColoPeer)
