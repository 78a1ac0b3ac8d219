"""
Two QEMU 7.2 guests under COLO with QEMU's own proxy, all of it inside QEMU.

What test_colo_qemu.py measures of ours is measured here of QEMU's, in the same words: pytest -s shows it.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.colo_guest.build import GuestFiles
from tests.support.guest_visits import visit_all
from tests.support.qemu_pair import INSIDE, SELDOM, QEMUPair


@pytest.fixture(scope="module")
def shared(colo_guest: GuestFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QEMUPair]:
    with QEMUPair(tmp_path_factory.mktemp("inside"), colo_guest, INSIDE) as pair:
        yield pair


@pytest.fixture
def inside(shared: QEMUPair) -> Iterator[QEMUPair]:
    """All of the proxy inside QEMU, and no checkpoints but those that its comparer wants."""
    shared.checkpoint_each(SELDOM)
    with shared.explaining():
        yield shared


@pytest.mark.parametrize("each", [SELDOM, 1000], ids=lambda each: f"{each} ms")
def test_all_is_right_while_qemu_makes_checkpoints(inside: QEMUPair, each: int) -> None:
    inside.checkpoint_each(each)
    before = inside.checkpoints()
    visit_all(inside.visit)
    print(f"{inside.checkpoints() - before} checkpoints")
    assert inside.checkpoints() > before or each == SELDOM


def test_qemus_comparer_has_a_checkpoint_made_for_each_answer_that_differs(inside: QEMUPair) -> None:
    before = inside.checkpoints()
    visit = inside.visit("different", 10)
    visit.show("an answer that differs")
    assert visit.wrong == []
    assert len(set(visit.said)) == 10
    assert inside.checkpoints() - before >= 10


def test_a_checkpoint_that_is_asked_for_is_made(inside: QEMUPair) -> None:
    made = [inside.checkpoint() for _ in range(10)]
    for moment in ("stopped", "resumed", "returned"):
        after = sorted((getattr(checkpoint, moment) - checkpoint.asked) * 1000 for checkpoint in made)
        print(f"{moment}: {after[0]:.1f}, {after[len(after) // 2]:.1f}, {after[-1]:.1f} ms after it was asked for")
    assert all(one.asked < one.stopped < one.resumed < one.returned for one in made)
    assert inside.visit("bodies", 1).wrong == []
