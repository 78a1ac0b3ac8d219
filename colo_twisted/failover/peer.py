"""
``-object colo-peer``: the other process of the pair, over a chardev of its own.

The primary's asks, the secondary's acts and answers; failover/messages.py says in which words. Which of the two may
speak to the network is failover/arbitration.py's affair, and told from here to whom it concerns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from zope.interface import implementer

from colo_twisted.failover.acting import ACTS, Acting
from colo_twisted.failover.arbiter import Policy
from colo_twisted.failover.arbitration import MS, Arbitration
from colo_twisted.failover.asking import Asking
from colo_twisted.failover.condition import TWO_SPEAK, Condition
from colo_twisted.failover.lookout import Lookout
from colo_twisted.failover.messages import MOST_ENTRIES, Message, Type
from colo_twisted.failover.properties import ColoPeerProperties, state_program, warnings
from colo_twisted.failover.replica import Replica
from colo_twisted.failover.standing import Standing
from colo_twisted.failover.state import StateError, StateFile
from colo_twisted.failover.table import PRIMARY, SECONDARY, State
from colo_twisted.failover.talk import ColoPeerCounters, Refusal, Talk
from colo_twisted.interfaces import ICheckpointed, IColoPeer, ICopy, IMachine, IRetiring
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import StartError
from colo_twisted.packets.sequence import Offsets
from colo_twisted.reporting import Reporter


@implementer(IColoPeer, IRetiring)
class ColoPeer:
    """
    One end of the talk.

    @ivar announces: whether a guest that takes over is announced to the network.
    @ivar decided: called with the reason when this side goes on without the other by itself.
    @ivar replica: a secondary's guest: whether it is the primary's equal.
    @ivar standing: how this side stands.
    """

    most_offsets = MOST_ENTRIES

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
        self._warnings = warnings(properties)
        self._was_overtaken = False
        self._by_word = False
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
            lambda: self._condition.why_not,
            lambda: self.replica.invalid is not None,
            self._report,
        )
        self._condition = Condition(properties, self._arbitration, self.replica, lambda: self.connected)
        self._lookout = Lookout(
            properties,
            machine,
            machine.chardev(properties.chardev),
            self._arbitration,
            self.counters,
            self._report,
            self._guest_gone,
        )
        self._asking = Asking(self._arbitration, lambda: self._talk.is_open, self.say, self._lookout.synced)
        self._acting = Acting(
            *(self.replica, self._arbitration, self._may_be_entitled, self._lookout.synced),
            *(self.say, self.counters, self._report),
        )
        self._arbitration.restore(self.role)
        self.standing = Standing(self.id, machine, *self._condition.replica)
        self._talk.attach()

    def _made_replica(self, properties: ColoPeerProperties, machine: IMachine) -> Replica:
        return Replica(
            self._state,
            lambda: machine.providers(ICheckpointed),
            state_program(properties, machine, self._report),
            lambda: next(iter(machine.providers(ICopy)), None),
            self.counters,
            self._report,
            self._guest_changed,
        )

    def _guest_changed(self) -> None:
        self._acting.beat()
        self._look()

    # how it stands

    @property
    def incarnation(self) -> int:
        """A random number of this process."""
        return self._talk.incarnation

    @property
    def role_now(self) -> str:
        return self._arbitration.arbiter.kept.role

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
        return self._condition.overtaken

    @property
    def unlike(self) -> str | None:
        return self._lookout.unlike if self.connected else None

    @property
    def why_not(self) -> str | None:
        return self.replica.why_not

    @property
    def bound(self) -> bool:
        return self._arbitration.arbiter.bound

    @property
    def may_speak(self) -> bool:
        """As the interface says: of a side that is a primary, or has become one."""
        return self._arbitration.may_speak

    @property
    def hushed(self) -> tuple[str, str] | None:
        return self._condition.hushed

    def _look(self) -> None:
        self._arbitration.look()
        self.standing.become(*self._condition.replica)

    # what the primary's comparer asks

    def name_unprotected(self, keys: Sequence[bytes] | None) -> Deferred[bool]:
        return self._asking.name_unprotected(keys)

    def protect_new(self) -> Deferred[bool]:
        return self._asking.protect_new()

    def begin(self, number: int, nonce: bytes) -> Deferred[bool]:
        return self._asking.begin(number, nonce)

    def done(self, number: int, offsets: Mapping[bytes, Offsets]) -> Deferred[bool]:
        return self._asking.done(number, offsets)

    def abort(self, number: int, unchanged: bool) -> Deferred[bool]:
        return self._asking.abort(number, unchanged)

    def invalidate(self, reason: str) -> Deferred[bool]:
        return self._asking.invalidate(reason)

    # the secondary's part

    def _may_be_entitled(self) -> bool:
        if (why := self._lookout.why_unfit) is not None:
            self._report.warn(f"joining: {why}", kind="unfit")
        return why is None

    def _guest_gone(self, why: str) -> None:
        """This side speaks no more, or couldn't: the other may go on without it."""
        before, was_handed_over = self._arbitration.arbiter.state, self._condition.why_handed_over
        self._condition.why_handed_over = why
        self._arbitration.guest_died()
        if self._arbitration.arbiter.state is before:
            self._condition.why_handed_over = was_handed_over
        else:
            self._report.warn(f"handing over: {why}", kind="hands over")
            self.say(Message(Type.HAND_OVER, reason=why))

    # the talk

    def say(self, message: Message) -> None:
        if self._talk.is_open:
            self._talk.send(dataclasses.replace(message, epoch=self.epoch))

    def beat(self, message: Message) -> None:
        self._talk.send_away()
        self.say(message)
        self._lookout.beat(message)
        self._acting.beat()
        self._asking.beat()
        if self._lookout.is_mended:
            self._arbitration.recover()
        self.standing.become(*self._condition.replica)
        if self.overtaken and not self._was_overtaken:
            self._report.warn(f"{self._condition.why_shut}: nothing of this side's guest leaves")
            self.may_speak_again()  # it won't: what is kept until then, if anything, is of no use
        self._was_overtaken = self.overtaken

    def word(self, kind: Type) -> Message:
        return self._arbitration.word(kind)

    def is_deaf(self) -> bool:
        return self._arbitration.deaf

    def refuses(self, hello: Message) -> Refusal | None:
        return self._condition.refusal(hello)

    def came(self, hello: Message, is_new: bool) -> None:
        renewed = self._arbitration.knows not in (0, hello.incarnation)
        if renewed:
            self._acting.forget(True)
            self._asking.give_up()  # what that one was asked dies with it: it can't take over any more
        self._lookout.met(hello)
        self._arbitration.heard(hello)
        if is_new:
            self.say(self.word(Type.HELLO))  # once more: the other side may have been made after ours was sent
            self._report.info(f"the {hello.role} is there", kind="hello")
            self._asking.repeat()
            self._warn_of_two()
            for watcher in list(self.watchers):
                watcher(True)
        self._asking.offer()
        self._look()

    def heard(self, message: Message) -> None:
        self._arbitration.life()
        self._do(message)
        self._arbitration.life()  # what was done may have taken its time: that was not the other side's silence
        self._look()

    def _do(self, message: Message) -> None:
        if message.type == Type.HEARTBEAT:
            self._lookout.heard(message)
            if message.given_up and self._arbitration.arbiter.policy.takes_over:
                self.replica.handed_over()
            self._arbitration.heard(message)
            self._asking.offer()
        elif message.type == Type.HAND_OVER:
            self._report.warn(f"the {self._other} hands over: {message.reason}", kind="is handed over to")
            self._arbitration.closed()
        elif message.type == Type.ANSWER and self.role == PRIMARY:
            self.counters.dropped_unasked_answers += not self._asking.answered(message)
        elif message.type in ACTS and self.role == SECONDARY:
            self._acting.act(message)
        elif message.type in (Type.ANSWER, *ACTS):
            self.counters.dropped_wrong_role += 1
        else:
            self.counters.dropped_unknown += 1

    def lost(self, why: str, was_there: bool, goodbye: bool) -> None:
        if was_there:
            self._report.warn(f"the {self._other} is lost: {why}", kind="lost")
            self.replica.primary_lost()
        self._acting.forget(False)
        if goodbye:
            self._arbitration.closed()
        if not self._arbitration.arbiter.bound:
            self._asking.give_up()
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
        if state is State.ALONE and not self._by_word:  # whoever is there comes as new, and hears nothing before that
            self._talk.drop("this side has gone on without it")
        if state is State.SHUT:
            self._asking.give_up()
            self._shut()
        elif state in (State.ALONE, State.TAKEN_OVER) or (before is State.SHUT and self._condition.has_taken_over):
            self._asking.give_up()
            self._condition.why_taken_over = self._condition.why_taken_over or f"the {self._other} is lost"
            self.decided(self._condition.why_taken_over)
        if (before, state) == (State.SHUT, State.JOINING) and self._condition.why_handed_over:
            self._talk.drop("this side's guest can be heard again")
        if state is not State.SHUT:
            self._condition.why_handed_over = ""
        self.may_speak_again()

    def may_speak_again(self) -> None:
        for watcher in list(self.gate_watchers):
            watcher()
        self.standing.become(*self._condition.replica)

    def _shut(self) -> None:
        """Nothing of this side's guest leaves any more; a primary's comparer sees to that by itself."""
        self._report.warn(f"{self._condition.why_shut}: nothing of this side's guest leaves")
        if self.role == SECONDARY:
            self.replica.shut()

    def _warn_of_two(self) -> None:
        if self._condition.two_speak:
            self._report.warn(f"{TWO_SPEAK}: stop the one whose state is older", kind="taken over")

    def go_on(self, reason: str) -> None:
        """As the interface says. Raises StateError: it can't be kept, and nothing has changed."""
        self._condition.why_taken_over = reason
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
        if self._condition.has_taken_over:
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
            self._arbitration.remember()
        except StateError as error:
            self._report.warn(f"no checkpoint can be made: {error}")
        for line in self._warnings:
            self._report.warn(line)
        if self._arbitration.arbiter.state is State.SHUT:
            self._shut()
        self._lookout.start()
        self._arbitration.start()

    def retire(self) -> None:
        """To those who stay the other process is gone; a checkpoint's end will never be known here."""
        was_there = self.connected
        if self.role == PRIMARY and self._arbitration.arbiter.state is not State.SHUT:
            self._by_word = True
            self._arbitration.give_leave()
        self.replica.leave(f"colo-peer '{self.id}' was removed")
        self.stop()
        self.lost("this colo-peer is removed", was_there, False)
        self._asking.give_up()

    def stop(self) -> None:
        """Say goodbye; what is pending is never answered."""
        self._lookout.stop()
        self._arbitration.stop()
        self._talk.stop()
        self.replica.close()

    def close(self) -> None:
        """The chardev closes by itself."""


COLO_PEER = ObjectType("colo-peer", "speaks with the other process of the pair", ColoPeerProperties, ColoPeer)
