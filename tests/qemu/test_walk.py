"""
Any order of what may happen to a secondary: its guest is never taken for another one than it is.

The walk knows the truth: each checkpoint that QEMU makes whole gives the guest a new generation, and ends what lies
between its numbers and the primary's. The primary of these walks tells the truth too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from colo_twisted.failover.phases import Phase, Turn
from colo_twisted.netfilter.rewriter import Traffic
from colo_twisted.qemu.guest import Pause
from tests.support.fakes import packet
from tests.support.qemu_secondary import Pair
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, SYN, Address, Segment


class Walk:
    """
    A pair, and what is true of it.

    @ivar generation: of the guest; ``heard`` of it, where its QEMU's words were heard.
    @ivar opened: connections by key, with what is between the guests' numbers, of this generation.
    @ivar owed: what the guest of this generation has said and must leave some time.
    @ivar spoken: the generation of which the primary has spoken last.
    @ivar unseen: a checkpoint was made while nobody could hear of it, and the primary has not said so yet.
    """

    def __init__(self) -> None:
        self.pair = Pair()
        self.generation = self.heard = self.spoken = 0
        self.begun: int | None = None  # the number of the primary's checkpoint, and the generation at its beginning
        self.begun_at = 0
        self.number = self.port = self.word = 0
        self.opened: dict[bytes, int] = {}
        self.owed: list[str] = []
        self.unseen = False
        self.ended = False  # COLO
        self.primary_there = True

    # what may happen

    def stop(self) -> None:
        """QEMU begins a checkpoint."""
        if self.pair.qemu.status == "running" and not self.ended:
            self.pair.stops()

    def _become_new(self) -> None:
        self.generation += 1
        self.opened.clear()
        self.owed.clear()
        self.unseen = not self.pair.made.connected

    def resume(self) -> None:
        """And makes it."""
        if self.pair.qemu.status == "colo":
            self.pair.qemu.runs()
            self._become_new()
            self.pair.settle()

    def blink(self) -> None:
        """Both are heard in one read, or the latter when something else is asked."""
        if self.pair.qemu.status == "running" and not self.ended:
            self.pair.qemu.begins()
            self.pair.qemu.runs()
            self._become_new()
            self.pair.settle()

    def resume_unread(self) -> None:
        """It stands in the kernel's queue when the next thing happens."""
        if self.pair.qemu.status == "colo":
            self.pair.qemu.runs()
            self._become_new()

    def pause(self) -> None:
        """An operator's stop."""
        if self.pair.qemu.status == "running":
            self.pair.qemu.pauses()
            self.pair.settle()

    def cont(self) -> None:
        if self.pair.qemu.status == "paused":
            self.pair.runs()

    def colo_exit(self) -> None:
        if not self.ended:
            self.ended = True
            self.pair.exits()

    def qmp_lost(self) -> None:
        if self.pair.qemu.line is not None:
            self.pair.qmp_lost()

    def qmp_back(self) -> None:
        self.pair.qmp_back()
        self.spoken = self.generation

    def qmp_soon_back(self) -> None:
        """And the primary has had no time to speak of what was missed."""
        self.pair.qmp_back(at_once=True)

    def begin(self) -> None:
        if self.primary_there and self.begun is None:
            self.number += 1
            self.begun, self.begun_at = self.number, self.generation
            assert self.pair.begin(self.number) == [True]

    def done(self) -> None:
        """The primary has heard of all that were made."""
        self._done(self.generation)

    def done_of_the_next(self) -> None:
        """It has heard of one, and there may be more."""
        self._done(self.spoken + 1)

    def _done(self, generation: int) -> None:
        if not self.primary_there or self.begun is None or self.spoken >= self.generation:
            return
        if (
            self.pair.replica.turn is Turn.OLD
        ):  # of one that is over: what waited for its end is dropped, as without QEMU
            self.owed.clear()
        answers = self.pair.done(self.begun)
        self.begun, self.spoken = None, generation
        self.unseen &= answers != [True]
        assert answers == [True] or self.pair.replica.turn is Turn.CHANGING

    def abort(self) -> None:
        if self.primary_there and self.begun is not None:
            number, self.begun = self.begun, None
            self.pair.abort(number, False)

    def abort_unchanged(self) -> None:
        if self.primary_there and self.begun is not None and self.generation == self.begun_at:
            number, self.begun = self.begun, None
            self.pair.abort(number, True)

    def lose_primary(self) -> None:
        if self.primary_there:
            self.primary_there, self.begun, self.spoken = False, None, self.generation
            self.pair.lose_primary()

    def find_primary(self) -> None:
        self.primary_there = True
        self.pair.find_each_other()

    def say(self) -> None:
        """The guest."""
        if self.pair.qemu.status != "running":
            return
        self.word += 1
        word = f"{self.generation}.{self.word}"
        if self._is_heard:
            self.owed.append(word)
        self.pair.says(word)

    def say_unread(self) -> None:
        if self.pair.qemu.status != "running":
            return
        self.word += 1
        self.pair.guest.says(packet(f"{self.generation}.{self.word}"))

    def hear(self) -> None:
        self.pair.hears("a word")

    def open(self) -> None:
        """A client's connection; what is between the guests is learnt from what it answers."""
        if self.unseen or (self.spoken < self.generation and not self.pair.made.tells):  # a DONE to come ends it
            return
        if self.pair.rewriter.traffic is not Traffic.FLOWS or self.pair.qemu.status != "running":
            return
        self.port += 1
        client = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + self.port)
        self.pair.hears_segment(Segment(100, flags=SYN), client)
        self.pair.says_segment(Segment(5000, 101, SYN | ACK), client)
        self.pair.hears_segment(Segment(101, 3001), client)
        self.opened[GUEST.ip + client.ip + struct.pack(">HH", GUEST.port, client.port)] = 2000

    def wait_a_little(self) -> None:
        self.pair.wait(0.15)

    def wait(self) -> None:
        """So long that the primary would have spoken."""
        self.pair.wait(1.2)
        self.spoken = self.generation

    # what must be so

    @property
    def _is_heard(self) -> bool:
        """Whether what its QEMU does is heard, all of it."""
        replica = self.pair.replica
        is_known = replica.turn is not Turn.UNKNOWN and not (replica.turn is Turn.NEW and replica.lost_sight)
        return is_known and self.pair.made.tells and self.heard == self.generation

    def check(self) -> None:
        """After each step; what stands unread in the kernel has not been heard of."""
        if not self._has_read_all:
            self._take_out()
            return
        if self.pair.made.connected:
            self.heard = self.generation
        self._take_out()
        if self.pair.replica.invalid is not None or not self._is_heard:
            self.owed.clear()
        self._check_standing_still()
        self._check_numbers()

    @property
    def _has_read_all(self) -> bool:
        line = self.pair.qemu.line
        return line is None or not line.kernel

    def _check_standing_still(self) -> None:
        replica, traffic = self.pair.replica, self.pair.rewriter.traffic
        if self.pair.made.pause in (Pause.UNTOLD, Pause.CHECKPOINT):
            assert traffic is not Traffic.FLOWS
        if replica.is_checkpointing:
            assert traffic is Traffic.WAITS
        elif replica.invalid is None:
            assert traffic is Traffic.FLOWS
            assert replica.turn is not Turn.CHANGING
        assert replica.phase is not Phase.ASKING or not self.primary_there or self.pair.clock.getDelayedCalls()

    def _check_numbers(self) -> None:
        if self.pair.rewriter.traffic is Traffic.FLOWS and self.pair.replica.invalid is None and not self.unseen:
            assert self._numbers == self.opened

    @property
    def _numbers(self) -> dict[bytes, int]:
        return {key: offsets.sequence for key, offsets in self.pair.rewriter.offsets().items()}

    def _take_out(self) -> None:
        """Nothing of a former guest leaves once its successor was heard of; what is owed leaves in its order."""
        for word in self.pair.out:
            generation = word.partition(".")[0]
            if generation.isdigit() and "." in word:
                assert int(generation) >= self.heard, f"{word} left, and {self.heard} was heard of"
                if self.owed and word == self.owed[0]:
                    self.owed.pop(0)
                assert word not in self.owed

    def end(self) -> None:
        """Everybody ends what he was at, and is quiet."""
        self.pair.settle()
        self.cont()
        self.resume()
        self.check()
        self.qmp_back()
        if self.pair.replica.phase is Phase.BEGUN and self.begun is None:  # its DONE came too late to be answered
            self.begin()
        self.abort()
        self.check()
        self.pair.wait(4)
        self.check()
        assert self.pair.replica.invalid is not None or self.pair.flows
        assert not self.pair.replica.is_checkpointing
        assert self.owed == []


STEPS: list[Callable[[Walk], None]] = [
    *(Walk.stop, Walk.resume, Walk.resume_unread, Walk.blink, Walk.pause, Walk.cont, Walk.colo_exit),
    *(
        Walk.qmp_lost,
        Walk.qmp_back,
        Walk.qmp_soon_back,
        Walk.begin,
        Walk.done,
        Walk.done_of_the_next,
        Walk.abort,
        Walk.abort_unchanged,
    ),
    *(Walk.lose_primary, Walk.find_primary, Walk.say, Walk.say_unread, Walk.hear, Walk.open),
    *(Walk.wait_a_little, Walk.wait),
]
OFTEN = [Walk.stop, Walk.resume, Walk.begin, Walk.done, Walk.say, Walk.open]


@settings(max_examples=150)
@given(st.lists(st.sampled_from(STEPS + OFTEN), max_size=30))
def test_the_guest_is_never_taken_for_another(steps: list[Callable[[Walk], None]]) -> None:
    walk = Walk()
    for step in steps:
        step(walk)
        walk.check()
    walk.end()
