"""What of a checkpoint is told, and who may ask for one."""

from __future__ import annotations

import pytest

from colo_twisted.events import CheckpointDone, CheckpointRequested, Event, ReplicaState
from colo_twisted.interfaces import Outcome
from colo_twisted.options.errors import StartError
from tests.support.compare_bench import CHECKPOINTER, PEER, followed, segment


def names(told: list[Event]) -> list[str]:
    return [type(event).__name__ for event in told]


@pytest.mark.parametrize("outcome", list(Outcome))
def test_who_listens_hears_of_the_request_and_of_the_end(outcome: Outcome) -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.told.clear()
    bench.compare.request_checkpoint("an operator asks")
    requested, state = bench.told
    assert requested == CheckpointRequested("comp0", "an operator asks")
    assert isinstance(state, ReplicaState)
    assert state == ReplicaState("comp0", "checkpointing", "an operator asks")
    bench.wait(1.5)
    bench.told.clear()
    bench.house.object("cp0").ends(outcome)
    done, state = bench.told
    assert isinstance(done, CheckpointDone)
    assert (done.id, done.outcome, done.duration_ms) == ("comp0", outcome.value, 1500)
    assert state == ReplicaState("comp0", "synced", "")
    assert bench.counters[f"checkpoints_{outcome.value}"] == 1


def test_each_divergence_is_a_request() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    for port in (40000, 40001):
        bench.open_connection(port)
    bench.told.clear()
    for port in (40000, 40001):
        bench.primary(segment(101, b"one", port=port))
        bench.secondary(segment(101, b"two", port=port))
    assert names(bench.told) == [
        "Divergence",
        "CheckpointRequested",
        "ReplicaState",
        "Divergence",
        "CheckpointRequested",
    ]


def test_each_has_its_number() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    for _ in range(2):
        bench.compare.request_checkpoint("a test")
        bench.house.object("cp0").ends()
    one, two = (event.number for event in bench.told if isinstance(event, CheckpointDone))
    assert two == one + 1


def test_one_that_xen_makes_unasked_is_told_too() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.told.clear()
    bench.house.object("cp0").unasked()
    assert names(bench.told) == ["ReplicaState", "CheckpointDone", "ReplicaState"]


def test_one_that_can_not_begin_has_failed() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    bench.house.object("peer0").come_or_go(False)
    bench.told.clear()
    bench.compare.request_checkpoint("a test")
    assert names(bench.told) == ["CheckpointRequested", "CheckpointDone"]


@pytest.mark.parametrize("policy", ["checkpoint", "release"])
def test_without_a_checkpointer_a_request_is_refused_with_what_it_takes(policy: str) -> None:
    bench = followed(f",on_divergence={policy}")
    bench.told.clear()
    with pytest.raises(StartError) as caught:
        bench.compare.request_checkpoint("an operator asks")
    assert str(caught.value) == (
        "colo-compare 'comp0' has nobody to make a checkpoint: it takes checkpoint=ID (of a checkpoint-command or a"
        " colo-qemu) or notify_dev=CHARDEV (Xen's)"
    )
    assert bench.told == []
