"""
``-object colo-peer``: the other process of the pair, over a chardev of its own.

The primary's asks, the secondary's acts and answers; failover/messages.py says in which words. Which of the two may
speak to the network is failover/arbitration.py's affair, and told from here to whom it concerns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from colo_twisted.checkpoint import program
from colo_twisted.failover.arbiter import PRIMARY, SECONDARY, Policy, State
from colo_twisted.failover.arbitration import MS, Arbitration
from colo_twisted.failover.lookout import Lookout
from colo_twisted.failover.messages import MOST_ENTRIES, Message, Type
from colo_twisted.failover.properties import ColoPeerProperties
from colo_twisted.failover.replica import NEW_STATE, OLD_STATE, Replica
from colo_twisted.failover.requests import Requests
from colo_twisted.failover.standing import Standing
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.failover.talk import ColoPeerCounters, Talk
from colo_twisted.failover.words import is_overtaken, why_lost, why_shut
from colo_twisted.interfaces import ICheckpointed, IColoPeer, IMachine, IRetiring
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import StartError
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter

REPEAT_BEATS = 20
STATE_SECONDS = 10.0  # what checkpoint-state may take

_ACTS: Mapping[int, Callable[[ColoPeer, Message], bool]] = {
    Type.BEGIN: lambda peer, message: peer.replica.begin(message.number, message.nonce),
    Type.DONE: lambda peer, message: peer.replica.done(message.number, message.offsets),
    Type.ABORT: lambda peer, message: peer.replica.abort(message.number, message.unchanged),
    Type.UNPROTECTED: lambda peer, message: peer.replica.unprotect(message.keys),
    Type.PROTECT_NEW: lambda peer, message: peer.entitled(),
    Type.INVALID: lambda peer, message: peer.revoked(message.reason),
}
"""What the secondary does at each message; a true result is answered."""


_NUMBERED = (Type.UNPROTECTED, Type.PROTECT_NEW, Type.INVALID)
"""Those that are counted by this side's own numbers."""


@implementer(IColoPeer, IRetiring)
class ColoPeer:
    """
    One end of the talk.

    @ivar announces: whether a guest that takes over is announced to the network.
    @ivar decided: called with the reason when this side goes on without the other by itself.
    @ivar replica: a secondary's guest: whether it is the primary's equal.
    @ivar standing: how this side stands.
    """

    def __init__(self, properties: ColoPeerProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.role = properties.role
        self.counters: ColoPeerCounters = ColoPeerCounters()
        self.watchers: list[Callable[[bool], None]] = []
        self.gate_watchers: list[Callable[[], None]] = []
        self.decided: Callable[[str], None] = lambda reason: None
        self._report = Reporter(f"colo-peer {self.id}")
        self._other = PRIMARY if self.role == SECONDARY else SECONDARY
        self._machine = machine
        self.announces = properties.announce
        self._takes_over = properties.takeover != "manual"
        self._unfenced = [name for name in ("takeover", "alone") if getattr(properties, name) == "unfenced"]
        self._strict = properties.takeover == "strict"
        self._requests = Requests()
        self._why_handed_over = ""
        self._was_overtaken = False
        self._by_word = False
        self._offers = 0  # of a primary's: how often it has said PROTECT_NEW
        self._repeat_at = 0  # beats, counted down: what is unanswered by then is said again
        self._done = 0  # of a secondary's: the number of the newest request that it has done
        self._refused: Message | None = None  # a PROTECT_NEW that was not answered, and may be yet
        self._unoffered: list[Message] = []  # a PROTECT_NEW that may not be sent yet
        self._why_taken_over = ""
        self._state = StateFile(properties.state_file)
        self.replica: Replica = self._made_replica(properties, machine)
        self._talk = Talk(self.id, machine.chardev(properties.chardev), self.counters, self._report, self)
        self._arbitration = Arbitration(
            machine.reactor,
            machine.monotonic,
            self._talk.incarnation,
            Policy(properties.takeover, properties.alone, properties.fence is not None),
            properties.interval / MS,
            properties.timeout / MS,
            self._state,
            self,
            self._why_not,
            self._report,
        )
        self._lookout = Lookout(
            properties,
            machine,
            machine.chardev(properties.chardev),
            self._arbitration,
            self.counters,
            self._report,
            self._guest_gone,
        )
        self._arbitration.restore(self.role)
        self.standing = Standing(self.id, machine, *self._condition)
        self._talk.attach()

    def _made_replica(self, properties: ColoPeerProperties, machine: IMachine) -> Replica:
        asks = None
        if properties.checkpoint_state is not None:
            told = frozenset((OLD_STATE, NEW_STATE))
            asks = program.Program(machine.reactor, properties.checkpoint_state, STATE_SECONDS, told, self._report)
        return Replica(
            self._state, lambda: machine.providers(ICheckpointed), asks, self.counters, self._report, self._look
        )

    # how it stands

    @property
    def incarnation(self) -> int:
        """A random number of this process."""
        return self._talk.incarnation

    @property
    def epoch(self) -> int:
        """Counts changes of who speaks; in each message."""
        return self._arbitration.arbiter.kept.epoch

    @property
    def hello(self) -> Message | None:
        """The other side's, of the connection that there is, or None."""
        return self._talk.hello

    @property
    def connected(self) -> bool:
        return self._talk.hello is not None

    @property
    def invalid(self) -> str | None:
        """Why this side's guest may not take over before the next checkpoint, or None. On the primary: None."""
        return self.replica.invalid

    @property
    def overtaken(self) -> bool:
        """Whether the other side has gone on without this one, which must not speak any more."""
        return is_overtaken(self._arbitration.arbiter)

    @property
    def may_speak(self) -> bool:
        """As the interface says: of a side that is a primary, or has become one."""
        return self._arbitration.may_speak

    @property
    def hushed(self) -> tuple[str, str] | None:
        """As the interface says."""
        arbiter = self._arbitration.arbiter
        if self._arbitration.may_speak or self.role == SECONDARY:
            return None
        return ("shut", self._why_shut) if arbiter.state is State.SHUT else ("lost", why_lost(arbiter, None))

    @property
    def _condition(self) -> tuple[str, str]:
        arbiter = self._arbitration.arbiter
        if self.role == PRIMARY:
            return "none", ""
        if arbiter.state is State.LOST:
            return "lost", why_lost(arbiter, self._why_not())
        if arbiter.state is State.SHUT:
            return "shut", self._why_shut
        if self._has_taken_over:
            return "taken-over", self._why_taken_over
        return self.replica.condition(self.connected)

    def _look(self) -> None:
        self._arbitration.look()
        self.standing.become(*self._condition)

    # what the primary's comparer asks

    def name_unprotected(self, keys: Sequence[bytes] | None) -> Deferred[bool]:
        """As the interface says; more than MOST_ENTRIES keys are all."""
        named = None if keys is None or len(keys) > MOST_ENTRIES else tuple(keys)
        return self._request(Message(Type.UNPROTECTED, keys=named))

    def protect_new(self) -> Deferred[bool]:
        """As the interface says; said as soon as the secondary may be entitled by it."""
        message = dataclasses.replace(Message(Type.PROTECT_NEW), number=self._requests.next_number())
        if not self._talk.is_open:
            return succeed(False)
        answer = self._requests.add(message)
        self._unoffered = [message]
        self._offer()
        return answer

    def _offer(self) -> None:
        if self._unoffered and (self._arbitration.arbiter.state is State.SYNCED or self._arbitration.offer()):
            self._offers += 1
            waiting, self._unoffered = self._unoffered, []
            for message in waiting:
                self.say(message)

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        return self._ask(Message(Type.BEGIN, number, nonce=nonce))

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        """As the interface says. Raises ValueError for more than MOST_ENTRIES offsets."""
        return self._ask(Message(Type.DONE, number, offsets=offsets))

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._ask(Message(Type.ABORT, number, unchanged=unchanged))

    def invalidate(self, reason: str) -> Deferred[bool]:
        return self._request(Message(Type.INVALID, reason=reason)).addCallback(self._invalid_known, self._offers)

    def _invalid_known(self, is_there: bool, offers: int) -> bool:
        """It may have been entitled anew, behind that."""
        if is_there and offers == self._offers:
            self._arbitration.revoke()
        return is_there

    def _request(self, message: Message) -> Deferred[bool]:
        return self._ask(dataclasses.replace(message, number=self._requests.next_number()))

    def _ask(self, message: Message) -> Deferred[bool]:
        if not self._talk.is_open and not self._arbitration.arbiter.bound:
            return succeed(False)
        answer = self._requests.add(message)
        self.say(message)
        return answer

    # the secondary's part

    def entitled(self) -> bool:
        """The primary protects new connections: whether this guest follows them, and may take over from now on."""
        hello = self._talk.hello
        if self._takes_over and hello is not None and not hello.keeps:
            self._report.warn(
                "this side takes over by itself, so the primary must have a state-file: started anew, it would speak",
                kind="no state",
            )
            return False
        return self._lookout.has_guest and self.replica.protect_new() and self._arbitration.entitle()

    def revoked(self, reason: str) -> bool:
        """The guest must not take over until the next checkpoint; whether that is known for good."""
        kept = self.replica.invalidate(reason)
        self._arbitration.revoke()
        return kept

    def _guest_gone(self, why: str) -> None:
        """This side speaks no more, or couldn't: the other may go on without it."""
        before = self._arbitration.arbiter.state
        self._why_handed_over = why
        self._arbitration.guest_died()
        if self._arbitration.arbiter.state is not before:
            self._report.warn(f"handing over: {why}")
            self.say(Message(Type.HAND_OVER, reason=why))
            if self.role == SECONDARY:  # it comes as new when it has a guest again
                self._talk.drop("this side's guest has died")

    def _act(self, message: Message) -> None:
        """Do what the primary asks, and answer."""
        if self._arbitration.arbiter.kept.role == PRIMARY:
            self.counters.dropped_taken_over += 1
            self._report.warn(
                f"{Type(message.type).name} of a primary's is not answered: this side has taken over", kind="ignored"
            )
            return
        self._refused = None
        if not self._is_done_again(message) and not _ACTS[message.type](self, message):
            self._refused = message if message.type == Type.PROTECT_NEW else None
        else:
            if message.type in _NUMBERED:
                self._done = max(self._done, message.number)
            self.counters.answered += 1
            self.say(Message(Type.ANSWER, message.number, answered=message.type))
        self._look()

    def _is_done_again(self, message: Message) -> bool:
        """Whether it is one that was done before, and whose answer was lost: what came later must not be undone."""
        return message.type in _NUMBERED and message.number <= self._done

    # the talk

    def say(self, message: Message) -> None:
        if self._talk.is_open:
            self._talk.send(dataclasses.replace(message, epoch=self.epoch))

    def beat(self, message: Message) -> None:
        self.say(message)
        self._lookout.beat(message)
        if self._refused is not None:
            self._act(self._refused)
        self._repeat()
        self.standing.become(*self._condition)
        if self.overtaken and not self._was_overtaken:
            self._report.warn(f"{self._why_shut}: nothing of this side's guest leaves")
        self._was_overtaken = self.overtaken

    def _repeat(self) -> None:
        """What was said while the other side heard nothing, or answered while this one heard nothing, is said again."""
        unanswered = [message for message in self._requests.unanswered() if message not in self._unoffered]
        if not unanswered or self._repeat_at > 0:
            self._repeat_at = max(0, self._repeat_at - 1) if unanswered else REPEAT_BEATS
            return
        self._repeat_at = REPEAT_BEATS
        for request in unanswered:
            self.say(request)

    def word(self, kind: Type) -> Message:
        return self._arbitration.word(kind)

    def is_deaf(self) -> bool:
        return self._arbitration.deaf

    def refuses(self, hello: Message) -> str | None:
        if hello.role == self._arbitration.arbiter.kept.role == SECONDARY:
            return "the other process is a secondary too; one of them must be role=primary"
        return None

    def came(self, hello: Message, is_new: bool) -> None:
        renewed = self._arbitration.knows not in (0, hello.incarnation)
        if renewed:
            self._done = 0
            self._requests.give_up()  # what that one was asked dies with it: it can't take over any more
        self._arbitration.heard(hello)
        self._lookout.met(hello)
        if is_new:
            self.say(self.word(Type.HELLO))  # once more: the other side may have been made after ours was sent
            self._report.info(f"the {hello.role} is there", kind="hello")
            for message in self._requests.unanswered():
                self.say(message)
            self._warn_of_two()
            for watcher in list(self.watchers):
                watcher(True)
        self._offer()
        self._look()

    def heard(self, message: Message) -> None:
        self._arbitration.life()
        if message.type == Type.HEARTBEAT:
            self._arbitration.heard(message)
            self._offer()
            self._look()
        elif message.type == Type.HAND_OVER:
            self._report.warn(f"the {self._other} hands over: {message.reason}")
            self._arbitration.closed()
        elif message.type == Type.ANSWER and self.role == PRIMARY:
            self.counters.dropped_unasked_answers += not self._requests.answered(message)
        elif message.type in _ACTS and self.role == SECONDARY:
            self._act(message)
        elif message.type in (Type.ANSWER, *_ACTS):
            self.counters.dropped_wrong_role += 1
        else:
            self.counters.dropped_unknown += 1

    def lost(self, why: str, was_there: bool, goodbye: bool) -> None:
        if was_there:
            self._report.warn(f"the {self._other} is lost: {why}", kind="lost")
            self.replica.primary_lost()
        self._refused = None
        if goodbye:
            self._arbitration.closed()
        if not self._arbitration.arbiter.bound:
            self._requests.give_up()
        if was_there:
            for watcher in list(self.watchers):
                watcher(False)
        self._look()

    # who goes on

    def stands(self, before: State, state: State) -> None:
        """A transition was made: tell those whom it concerns."""
        kept = self._arbitration.arbiter.kept
        self._report.info(f"{before.value} -> {state.value} (epoch {kept.epoch})", kind="stands")
        self.say(self.word(Type.HEARTBEAT))
        if state is State.SYNCED and before is not State.LOST:
            self._lookout.synced()
        if state is State.SHUT:
            self._shut()
        elif state in (State.ALONE, State.TAKEN_OVER) or (before is State.SHUT and self._has_taken_over):
            self._requests.give_up()
            self._why_taken_over = self._why_taken_over or f"the {self._other} is lost"
            self.decided(self._why_taken_over)
        if state is State.ALONE and not self._by_word:  # whoever is there comes as new
            self._talk.drop("this side has gone on without it")
        for watcher in list(self.gate_watchers):
            watcher()
        self.standing.become(*self._condition)

    @property
    def _has_taken_over(self) -> bool:
        return self.role == SECONDARY and self._arbitration.arbiter.kept.role == PRIMARY

    def _shut(self) -> None:
        """Nothing of this side's guest leaves any more; a primary's comparer sees to that by itself."""
        self._report.warn(f"{self._why_shut}: nothing of this side's guest leaves")
        if self.role == SECONDARY:
            self.replica.shut()

    @property
    def _why_shut(self) -> str:
        return why_shut(self._arbitration.arbiter, self._why_handed_over)

    def _warn_of_two(self) -> None:
        other = self._arbitration.arbiter.other
        is_there = self.connected and other is not None and other.role == PRIMARY
        if is_there and self._arbitration.arbiter.state is State.TAKEN_OVER:
            self._report.warn(
                "a primary is there though this side has taken over: only one of the two guests may speak to the"
                " network; stop the one whose state is older",
                kind="taken over",
            )

    def _why_not(self) -> str | None:
        """As ``why_not``, for a take-over that nobody has asked for."""
        if self.replica.why_not is None and self._strict and (open_ones := self.replica.unprotected):
            return f"{open_ones} connections are unprotected, and takeover=strict"
        return self.replica.why_not

    @property
    def why_not(self) -> str | None:
        """Why this side can't take over now and what to do, in one line, or None."""
        return self.replica.why_not

    def go_on(self, reason: str) -> None:
        """
        Go on without the other side: an operator has said so.

        @raise StateError: it can't be kept, and nothing has changed.
        """
        if self.role == SECONDARY:
            self.replica.take_over(reason)
        self._why_taken_over = reason
        self._by_word = True  # the other side, should it live, hears of that by this connection
        try:
            self._arbitration.word_of_operator()
        finally:
            self._by_word = False
        self._warn_of_two()
        self._look()

    # life

    def open(self) -> None:
        """Read the state file. Raises StartError."""
        try:
            self._state.load()
            if self.role == SECONDARY:
                self.replica.restore()
            self._arbitration.restore(self.role, self._machine.status == "running")
        except StateError as error:
            raise StartError(f"colo-peer '{self.id}': {error}") from None
        if self.role == SECONDARY and self.replica.taken_over is not None:
            self._report.warn(
                f"this side has taken over before ({self._state.path} says so) and acts on nothing that a primary asks;"
                " to make its guest a replica again, move that file away and start anew"
            )
        self._look()

    def start(self) -> None:
        """Say it now if no checkpoint could begin, or end."""
        if self.role == SECONDARY and not self.replica.has_parts:
            self._report.warn("no checkpoint can be made: there is no filter-rewriter here, whose guest it would be")
        try:
            self._state.keep({})
        except StateError as error:
            self._report.warn(f"no checkpoint can be made: {error}")
        for name in self._unfenced:
            self._report.warn(
                f"{name}=unfenced: if the cables fail and the other side lives, only its own silence keeps two guests"
                " from speaking at once; a fence command is safer (docs/fencing.md)"
            )
        if self._arbitration.arbiter.state is State.SHUT:
            self._shut()
        self._lookout.start()
        self._arbitration.start()

    def retire(self) -> None:
        """To those who stay the other process is gone; a checkpoint's end will never be known here."""
        was_there = self.connected
        if self.role == PRIMARY and self._arbitration.arbiter.bound:
            self._by_word = True
            self._arbitration.give_leave()
        self.replica.leave(f"colo-peer '{self.id}' was removed")
        self.stop()
        self.lost("this colo-peer is removed", was_there, False)
        self._requests.give_up()

    def stop(self) -> None:
        """Say goodbye; what is pending is never answered."""
        self._lookout.stop()
        self._arbitration.stop()
        self._talk.stop()
        self.replica.close()

    def close(self) -> None:
        """The chardev closes by itself."""


COLO_PEER = ObjectType("colo-peer", "speaks with the other process of the pair", ColoPeerProperties, ColoPeer)
