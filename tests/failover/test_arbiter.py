"""Two sides, any order of events, any loss of messages: never two speakers, as long as fence and 'closed' are true."""

from __future__ import annotations

import dataclasses
import os
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from colo_twisted.failover.arbiter import Arbiter, Kept, Other, Policy
from colo_twisted.failover.heartbeats import Beat, Heartbeats
from colo_twisted.failover.table import PRIMARY, SECONDARY, State

TIMEOUT = 0.5


@dataclass(frozen=True)
class Sent:
    """A message: whose, to whom as far as its sender knows, and what."""

    of: int
    to: int
    kind: str
    word: Other | None = None
    beat: Beat | None = None
    offers: int = 0
    confirms: bool = False


class Side:
    """A process that may die, and its disk, which doesn't."""

    def __init__(self, role: str, policy: Policy, number: int) -> None:
        self.policy = policy
        self.disk = Kept(role, side=number)
        self.alive = False
        self.process = 0

    def start(self, process: int, now: float) -> None:
        self.alive = True
        self.process = process  # its incarnation
        self.knows = 0  # the other's
        self.offers = 0
        self.beats = Heartbeats(TIMEOUT, now)
        self.arbiter = Arbiter(self.disk, self.policy, self._keep, lambda: None)
        self.arbiter.start()

    def _keep(self, kept: Kept) -> None:
        self.disk = kept

    def leased(self, now: float) -> bool:
        return now < self.beats.leased_until

    def speaks(self, now: float) -> bool:
        """As the data path asks, whatever timers have been late for."""
        arbiter = self.arbiter
        return self.alive and arbiter.may_speak and (not arbiter.bound or self.leased(now))

    def tick(self, now: float) -> None:
        arbiter = self.arbiter
        if arbiter.bound and not self.leased(now):
            arbiter.lapse()
        if arbiter.is_gone:
            arbiter.closed()
        elif self.beats.is_silent(now):
            arbiter.silent()

    def say(self, kind: str, now: float) -> Sent:
        word = self.word
        return Sent(self.process, self.knows, kind, word, self.beats.next(now), self.offers)

    @property
    def word(self) -> Other:
        kept, policy = self.arbiter.kept, self.policy
        unfenced = policy.takeover == "unfenced"
        guest = kept.side, True, self.arbiter.given_up, self.arbiter.declined
        return Other(kept.role, kept.epoch, kept.solo, kept.was, policy.takes_over, unfenced, *guest)

    def hear(self, sent: Sent, now: float) -> Sent | None:
        """Take a message; the answer."""
        assert sent.word is not None
        if self.arbiter.fencing or self.arbiter.is_stranger(sent.word):
            return None
        renewed = sent.of != self.knows
        if renewed:
            self.knows = sent.of
            self.beats.begin(TIMEOUT, now)
        known = sent.to == self.process
        assert sent.beat is not None
        if known:
            self.beats.take(sent.beat, now)
        self.beats.sign_of_life(now)
        self.arbiter.meet(sent.word, renewed, known, self.leased(now))
        return self._do(sent, now) if known else None

    def overhear(self, sent: Sent, now: float) -> None:
        """Take a beat of a data channel; it bears a secret of its sender's process."""
        assert sent.beat is not None
        if (sent.to, sent.of) == (self.process, self.knows) and not self.arbiter.fencing:
            self.beats.take(sent.beat, now)
            if sent.confirms and self.leased(now):
                self.arbiter.confirm()

    def _do(self, sent: Sent, now: float) -> Sent | None:
        if sent.kind == "protect":
            self.arbiter.entitle()
        elif sent.kind == "invalid" and self.disk.role == SECONDARY:
            self.arbiter.revoke()
            answer = self.say("answer", now)
            return Sent(answer.of, answer.to, "answer", answer.word, answer.beat, sent.offers)
        elif sent.kind == "answer" and sent.offers == self.offers:
            self.arbiter.revoke()
        return None


class Two:
    """Both, and what is between them; side 0 begins as the primary."""

    def __init__(self, *policies: Policy) -> None:
        self.now = 100.0
        self.processes = 0
        self.between: list[deque[Sent]] = [deque(), deque()]  # by whom it is for
        self.by_data: list[deque[Sent]] = [deque(), deque()]
        roles = (PRIMARY, SECONDARY)
        self.sides = [Side(role, policy, 10 + index) for index, (role, policy) in enumerate(zip(roles, policies))]
        for index in (0, 1):
            self.start(index)

    @property
    def speakers(self) -> list[bool]:
        return [side.speaks(self.now) for side in self.sides]

    def _send(self, index: int, kind: str) -> None:
        self.between[1 - index].append(self.sides[index].say(kind, self.now))

    # what processes do

    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    def timers_run(self, index: int) -> None:
        if self.sides[index].alive:
            self.sides[index].tick(self.now)

    def beat(self, index: int) -> None:
        if self.sides[index].alive and not self.sides[index].arbiter.fencing:
            self._send(index, "beat")

    def data_beat(self, index: int) -> None:
        side = self.sides[index]
        if side.alive and not side.arbiter.fencing and side.knows:
            sent = side.say("data", self.now)
            self.by_data[1 - index].append(dataclasses.replace(sent, confirms=side.arbiter.confirms))

    def only_data(self, _: int = 0) -> None:
        """For a while colo-peer's own connection carries nothing."""
        for _ in range(8):
            self.now += 0.05
            for index in (0, 1):
                self.data_beat(index)
                while self.by_data[1 - index]:
                    self.overhear(1 - index)
                self.timers_run(index)

    def all_goes_well(self, _: int = 0) -> None:
        """For a while."""
        for _ in range(4):
            self.now += 0.05
            for index in (0, 1):
                self.beat(index)
                self.deliver_all(1 - index)
                self.timers_run(index)

    def one_way(self, index: int) -> None:
        """What is sent to one side comes, the other way nothing does, and time goes by."""
        for _ in range(4):
            self.now += 0.04
            self.beat(0)
            self.beat(1)
            self.deliver_all(index)
            self.between[1 - index].clear()
            self.timers_run(0)
            self.timers_run(1)

    def offer(self, index: int) -> None:
        side = self.sides[index]
        if side.alive and side.knows and side.leased(self.now) and side.arbiter.offer():
            side.offers += 1
            self._send(index, "protect")

    def sync(self, index: int) -> None:
        """As offer, and it arrives."""
        self.all_goes_well()
        self.offer(index)
        self.deliver_all(1 - index)

    def invalidate(self, index: int) -> None:
        side = self.sides[index]
        if side.alive and side.disk.role == PRIMARY and side.knows and not side.arbiter.fencing:
            self._send(index, "invalid")

    def guest_dies(self, index: int) -> None:
        if self.sides[index].alive:
            self.sides[index].arbiter.guest_died()

    def guest_recovers(self, index: int) -> None:
        if self.sides[index].alive:
            self.sides[index].arbiter.recover()

    # what is between them

    def deliver(self, index: int) -> None:
        if not self.between[index]:
            return
        sent = self.between[index].popleft()
        side = self.sides[index]
        answer = side.hear(sent, self.now) if side.alive else None
        if answer is not None:
            self.between[1 - index].append(answer)

    def overhear(self, index: int) -> None:
        if self.by_data[index]:
            sent = self.by_data[index].popleft()
            if self.sides[index].alive:
                self.sides[index].overhear(sent, self.now)

    def deliver_all(self, index: int) -> None:
        while self.between[index]:
            self.deliver(index)

    def lose(self, index: int) -> None:
        if self.between[index]:
            self.between[index].popleft()

    def lose_all(self, index: int) -> None:
        self.between[index].clear()

    # deaths, and those who know of them

    def die(self, index: int) -> None:
        self.sides[index].alive = False

    def start(self, index: int) -> None:
        if not self.sides[index].alive:
            self.processes += 1
            self.sides[index].start(self.processes, self.now)

    def closed(self, index: int) -> None:
        """The process that this side knows is dead; another may have been started in its place."""
        side, other = self.sides[index], self.sides[1 - index]
        if side.alive and not side.arbiter.fencing and side.knows and not (other.alive and side.knows == other.process):
            side.arbiter.closed()

    def fence_works(self, index: int) -> None:
        if self.sides[index].alive and self.sides[index].arbiter.fencing:
            self.sides[1 - index].alive = False
            self.sides[index].arbiter.fenced(True)

    def fence_fails(self, index: int) -> None:
        if self.sides[index].alive and self.sides[index].arbiter.fencing:
            self.sides[index].arbiter.fenced(False)

    def word(self, index: int) -> None:
        if self.sides[index].alive and not self.sides[1 - index].alive:
            self.sides[index].arbiter.word()


Action = Callable[[Two, int], None]
EVERY_WAY: tuple[Action, ...] = (
    *(lambda two, _, seconds=seconds: two.time_passes(seconds) for seconds in (0.01, 0.1, 0.3, 0.49, 0.5)),
    *(Two.timers_run, Two.beat, Two.all_goes_well, Two.one_way, Two.offer, Two.sync, Two.invalidate),
    *(Two.data_beat, Two.overhear, Two.only_data),
    *(Two.guest_dies, Two.guest_recovers),
    *(Two.deliver, Two.deliver_all, Two.lose, Two.lose_all),
    *(Two.die, Two.start, Two.closed, Two.fence_works, Two.fence_fails, Two.word),
)
TAKEOVERS, ALONES = ("auto", "unfenced", "strict", "manual"), ("auto", "unfenced", "manual")


def walk(seed: int, reached: Counter[str], steps: int = 60) -> None:
    """A random life of two sides."""
    choose = random.Random(seed)
    policies = [Policy(choose.choice(TAKEOVERS), choose.choice(ALONES), fences=True) for _ in range(2)]
    two = Two(*policies)
    two.sync(0)
    story = [f"{policies}"]
    for _ in range(steps):
        action, index = choose.choice(EVERY_WAY), choose.randrange(2)
        action(two, index)
        story.append(
            f"{getattr(action, '__name__', action)} {index}: {[side.arbiter.state.value for side in two.sides]}"
        )
        reached.update(side.arbiter.state.value for side in two.sides if side.alive)
        assert two.speakers != [True, True], f"walk {seed}:\n" + "\n".join(story)


@pytest.mark.parametrize("batch", range(4))
def test_never_two_speak(batch: int) -> None:
    reached: Counter[str] = Counter()
    walks = 50_000 if os.environ.get("COLO_LONG") else 1500
    for seed in range(batch * walks, (batch + 1) * walks):
        walk(seed, reached)
    assert set(reached) == {state.value for state in State}, reached
