"""
Two QEMU 7.2 guests under COLO: with all of its proxy inside QEMU, with the comparer in ``twistd colo``, with all there.

Each test prints its figures: pytest -s shows them, also where all went well.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.colo_guest.body import BODY
from tests.support.colo_guest.build import GuestFiles, guest_files
from tests.support.guest_qemu import need_qemu_72
from tests.support.namespaces import need
from tests.support.qemu_pair import BEHIND, INSIDE, OUTSIDE, Arrangement, QEMUPair, Visit
from tests.support.traffic import LONG

ECHOES, BODIES, MB = (2000, 200, 100) if LONG else (200, 20, 10)
EACH_SECOND = 1000  # ms: x-checkpoint-delay

in_all = pytest.mark.parametrize("arrangement", [INSIDE, OUTSIDE, BEHIND], ids=["inside", "outside", "behind"])


@pytest.fixture(scope="module")
def files() -> GuestFiles:
    need("ip")
    need_qemu_72()
    return guest_files()


@pytest.fixture
def inside_each_second(files: GuestFiles, tmp_path: Path) -> Iterator[QEMUPair]:
    """A pair whose guests are made equal each second."""
    with QEMUPair(tmp_path, files, INSIDE, delay=EACH_SECOND) as pair:
        yield pair


def show(pair: QEMUPair, what: str, visit: Visit, size: int = 0) -> None:
    """Print a visit's figures; ``size``: what each request was for, in bytes."""
    speed = f", {visit.mbit_s(size):.0f} Mbit/s" if size else ""
    times = f"median {visit.median_ms:.2f} ms, worst {visit.worst_ms:.0f} ms"
    print(f"{what}: {times}{speed}; {pair.checkpoints()} checkpoints by then")


def visit_all(pair: QEMUPair) -> None:
    """Each service whose answers don't differ; all of them must be right."""
    echoes = pair.visit("echoes", ECHOES, 64)
    show(pair, "echo", echoes)
    bodies = pair.visit("bodies", BODIES)
    show(pair, "HTTP", bodies, len(BODY))
    upload, download = (pair.visit(kind, MB) for kind in ("upload", "download"))
    show(pair, "upload", upload, MB * len(BODY))
    show(pair, "download", download, MB * len(BODY))
    assert [visit.wrong for visit in (echoes, bodies, upload, download)] == [[]] * 4
    assert (len(echoes.seconds), len(bodies.seconds)) == (ECHOES, BODIES)


def test_all_is_right_while_checkpoints_are_made(inside_each_second: QEMUPair) -> None:
    before = inside_each_second.checkpoints()
    visit_all(inside_each_second)
    assert inside_each_second.checkpoints() > before


def test_qemus_comparer_has_a_checkpoint_made_for_each_answer_that_differs(files: GuestFiles, tmp_path: Path) -> None:
    with QEMUPair(tmp_path, files, INSIDE) as pair:
        before = pair.checkpoints()
        visit = pair.visit("different", 10)
        show(pair, "an answer that differs", visit)
        assert visit.wrong == []
        assert len(set(visit.said)) == 10
        assert pair.checkpoints() - before >= 10


@in_all
def test_a_checkpoint_that_is_asked_for_is_made(arrangement: Arrangement, files: GuestFiles, tmp_path: Path) -> None:
    with QEMUPair(tmp_path, files, arrangement) as pair:
        made = [pair.checkpoint() for _ in range(10)]
        for moment in ("stopped", "resumed", "returned"):
            after = sorted((getattr(checkpoint, moment) - checkpoint.asked) * 1000 for checkpoint in made)
            print(f"{moment}: {after[0]:.1f}, {after[len(after) // 2]:.1f}, {after[-1]:.1f} ms after it was asked for")
        assert all(one.asked < one.stopped < one.resumed < one.returned for one in made)
        assert pair.visit("bodies", 1).wrong == []


@in_all
def test_all_is_right_while_no_checkpoint_is_asked_for(
    arrangement: Arrangement, files: GuestFiles, tmp_path: Path
) -> None:
    """Nobody tells our comparer of checkpoints yet, and it would hold what the secondary skips by one."""
    with QEMUPair(tmp_path, files, arrangement) as pair:
        before = pair.checkpoints()
        visit_all(pair)
        if pair.primary_colo is not None:
            counters = pair.primary_colo.counters()["object comp0"]
            print(f"the comparer: {counters}")
            assert counters["compared"] > BODIES * len(BODY) // 1460
            assert counters.get("divergences", 0) == counters.get("unprotected", 0) == 0
            assert pair.checkpoints() == before
