"""What looks like the other side's silence, and isn't: a slow disk, a process that stood still, a beat that is late."""

from __future__ import annotations

from pathlib import Path

import pytest

import colo_twisted.failover.state
from tests.failover.test_arbitration import Two
from tests.failover.test_fence import Spawning
from tests.failover.test_shut import Fencing
from tests.support.fakes import batch_of, packet
from tests.support.wires import Side, flow, plug, pull, results

STEP = 0.01


class Apart:
    """A pair whose processes have clocks of their own."""

    def __init__(self, folder: Path, primary: str = "", secondary: str = "", offset: float = 0.0) -> None:
        self.clocks = Spawning(), Spawning()
        self.sides = tuple(
            Side(role, f"state-file={folder}/{role}{more and ','}{more}", clock)
            for role, more, clock in zip(("primary", "secondary"), (primary, secondary), self.clocks)
        )
        self.clocks[0].advance(offset)
        plug(self.sides[0].end, self.sides[1].end)
        self.run(0.3)
        asked = results(self.sides[0].peer.protect_new())
        self.run(0.3)
        self.protected = asked == [True]

    def run(self, seconds: float, cut: bool = False) -> None:
        for _ in range(round(seconds / STEP)):
            for clock in self.clocks:
                clock.advance(STEP)
                for side in self.sides:
                    if cut:
                        side.end.on_its_way.clear()
                    flow(side.end)

    @property
    def states(self) -> tuple[str, ...]:
        return tuple(side.peer._arbitration.arbiter.state.value for side in self.sides)

    @property
    def fencing(self) -> tuple[bool, ...]:
        return tuple(side.peer._arbitration.arbiter.fencing for side in self.sides)


def test_a_slow_disk_of_ones_own_is_not_the_others_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DONE comes from a primary that lives, and is written for longer than the timeout."""
    apart = Apart(tmp_path, secondary="takeover=unfenced")
    primary = apart.sides[0]
    primary.peer.begin(1, bytes(16))
    apart.run(0.1)
    real = colo_twisted.failover.state.replace_file

    def slow(path: str, data: bytes) -> None:
        real(path, data)
        apart.clocks[1].rightNow += 0.6
        for _ in range(60):
            apart.clocks[0].advance(STEP)

    primary.peer.done(1, {})
    with monkeypatch.context() as disk:
        disk.setattr(colo_twisted.failover.state, "replace_file", slow)
        flow(primary.end)
    apart.clocks[1].advance(0)  # timers run before what has come is read
    apart.run(0.3)
    assert apart.states[1] in ("joining", "synced")


@pytest.mark.parametrize("stall", [0.45, 0.6, 5.0])
@pytest.mark.parametrize("who", [0, 1])
def test_a_process_that_stood_still_reads_before_it_judges(tmp_path: Path, who: int, stall: float) -> None:
    apart = Apart(tmp_path, "alone=auto,fence=true", "takeover=auto,fence=true")
    apart.clocks[who].rightNow += stall
    for _ in range(5):
        apart.clocks[1 - who].advance(0.05)  # the other beats
    apart.clocks[who].advance(0)
    assert not apart.fencing[who]
    for side in apart.sides:
        flow(side.end)
    apart.run(0.05)
    assert not apart.fencing[who]


@pytest.mark.parametrize("offset", [0.02, 0.05, 0.08, 0.09])
@pytest.mark.parametrize("cut", [0.2, 0.25, 0.3])
def test_a_cut_that_is_shorter_than_the_timeout_fences_nobody(tmp_path: Path, offset: float, cut: float) -> None:
    """The lease ends before that: the primary is silent for a moment, but has nobody switched off."""
    apart = Apart(tmp_path, "alone=auto,fence=true", "takeover=auto,fence=true", offset)
    for phase in range(0, 10, 2):
        apart.run(phase * STEP)
        apart.run(cut, cut=True)
        assert apart.fencing == (False, False)
        apart.run(0.5)
        assert apart.states == ("synced", "synced")


def test_beats_that_are_further_apart_than_the_other_waits_protect_nobody(tmp_path: Path) -> None:
    apart = Apart(tmp_path, "interval=1000,timeout=5000", "takeover=unfenced")
    assert not apart.protected
    apart.run(10)
    assert apart.states == ("joining", "joining")
    for side in apart.sides:
        assert side.peer.unlike is not None
        assert side.peer.unlike.startswith("timeout=500 of the secondary is too short for interval=1000 of the primary")


def test_what_was_kept_while_the_lease_was_over_goes_when_it_is_renewed(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.sync()
    seen = []
    two.primary.peer.gate_watchers.append(lambda: seen.append(two.primary.peer.may_speak))
    two.clock.rightNow += 0.495  # no timer has run, and none may judge
    assert not two.primary.peer.may_speak
    two.primary.peer._arbitration._beats.take(
        two.secondary.peer._arbitration._beats.next(two.clock.seconds()), two.clock.seconds()
    )
    two.run(0.2)
    assert two.primary.peer.may_speak
    assert seen[-1:] == [True]


def test_who_was_deaf_hears_the_beats_on_the_data_channels_again(tmp_path: Path) -> None:
    """The connection came back while the other side was being fenced, which failed: its HELLO was not heard."""
    two = Two(tmp_path, "", "takeover=auto")
    two.sync()
    ways = two.secondary.peer._lookout._ways
    secret = ways.secret
    assert len(secret) == 16
    arbitration = two.secondary.peer._arbitration
    pull(two.primary.end)
    arbitration.arbiter.fencing = True
    plug(two.primary.end, two.secondary.end)
    two.run(0.2)
    assert two.secondary.peer.hello is None
    arbitration.arbiter.fencing = False
    two.run(0.3)
    assert two.secondary.peer.hello is not None
    assert ways.secret == secret


def only_data(two: Two, seconds: float) -> list[tuple[bool, bool]]:
    """colo-peer's own cable carries nothing, the data channels do; who spoke, tick by tick."""
    seen = []
    peers = two.primary.peer, two.secondary.peer
    for _ in range(round(seconds / 0.05)):
        two.run(0.05)
        for one, other in (peers, peers[::-1]):
            mine, theirs = one._arbitration, other._arbitration
            beat = mine._beats.next(two.clock.seconds())
            theirs.overheard(other.incarnation, beat.number, beat.echo, mine.arbiter.confirms)
        seen.append(two.speakers)
    return seen


def test_after_a_stall_the_beats_on_the_data_channels_let_the_primary_go_on(tmp_path: Path) -> None:
    """With colo-peer's own cable cut: always one speaks while any channel lives."""
    two = Two(tmp_path, "", "takeover=auto")
    two.sync()
    two.cut = True
    assert set(only_data(two, 2)) == {(True, False)}
    two.run(1)  # nothing comes by any channel
    assert two.speakers == (False, False)
    assert set(only_data(two, 2)[2:]) == {(True, False)}


def test_they_let_nobody_go_on_beside_one_that_has_taken_over(tmp_path: Path) -> None:
    two = Two(tmp_path)
    two.sync()
    two.cut = True
    two.run(2)
    assert two.speakers == (False, True)
    assert set(only_data(two, 2)) == {(False, True)}


def test_a_process_that_is_late_all_the_time_judges_nevertheless(tmp_path: Path) -> None:
    two = Two(tmp_path, "interval=20,timeout=100", "interval=20,timeout=100,takeover=unfenced")
    two.sync()
    two.cut = True
    for _ in range(100):
        two.clock.rightNow += 0.07
        two.clock.advance(0)
    assert two.secondary.peer.may_speak


@pytest.mark.parametrize("deaf", [0, 1])
def test_when_one_hears_the_other_only_somebody_is_fenced(tmp_path: Path, deaf: int) -> None:
    apart = Apart(tmp_path, "alone=auto,fence=true", "takeover=auto,fence=true" if deaf else "takeover=auto")
    for _ in range(300):
        for clock in apart.clocks:
            clock.advance(STEP)
            apart.sides[1 - deaf].end.on_its_way.clear()
            flow(apart.sides[deaf].end)
    assert any(apart.fencing)


def test_a_strangers_frames_are_no_sign_of_life(tmp_path: Path) -> None:
    """The secondary's process was killed, and a spare one has the place at secondary_in."""
    two = Fencing(tmp_path, "alone=auto,fence=true", "takeover=auto")
    two.sync()
    two.cut = True
    ways = two.primary.peer._lookout._ways
    for _ in range(20):
        two.run(0.05)
        if two.primary.peer._arbitration.arbiter.fencing:
            break
        assert ways._overhear(batch_of(packet("a stranger's"))) is not None
    assert two.primary.peer._arbitration.arbiter.fencing
