"""Two QEMU 7.2 guests under COLO whose filters are QEMU's own: the comparer and who goes on are ``twistd colo``'s."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from colo_twisted.qemu.filters import found
from tests.support.colo_guest.build import GuestFiles
from tests.support.guest_qemu import GuestQEMU
from tests.support.guest_visits import visit_all
from tests.support.processes import wait_until
from tests.support.qemu_pair import OUTSIDE, QEMUPair, state
from tests.system.test_colo_qemu import ANSWERS, counters, die, goes_on

assert OUTSIDE.secondary_colo is not None
BY_HAND = dataclasses.replace(OUTSIDE, secondary_colo=OUTSIDE.secondary_colo.replace("takeover=auto,", ""))


def filters(qemu: GuestQEMU) -> list[str]:
    """The ids, in the order of the chain."""
    text = qemu.qmp.execute("human-monitor-command", {"command-line": "info network"})
    return [one.id for one in found(text)]


@pytest.fixture
def pair(colo_guest: GuestFiles, tmp_path: Path) -> Iterator[QEMUPair]:
    with QEMUPair(tmp_path, colo_guest, OUTSIDE) as pair, pair.explaining():
        yield pair


def test_each_answer_that_differs_has_a_checkpoint_and_then_a_death_is_survived(pair: QEMUPair) -> None:
    visit_all(pair.visit)
    before = counters(pair.primary_colo, "object comp0")
    assert before["compared"] > 0
    assert (before.get("divergences", 0), before.get("unprotected", 0)) == (0, 0)
    visit = pair.visit("different", ANSWERS)
    visit.show("an answer that differs")
    assert visit.wrong == []
    assert len(set(visit.said)) == ANSWERS
    after = counters(pair.primary_colo, "object comp0")
    assert after["checkpoints_done"] - before["checkpoints_done"] >= ANSWERS
    assert counters(pair.secondary_colo, "chardev mark0")["frames_out"] >= after["checkpoints_done"]
    die(pair, "primary")
    goes_on(pair.secondary_colo, pair.secondary, "taken-over")
    assert filters(pair.secondary) == ["rew0"]


def test_the_secondarys_guest_goes_on_by_itself_when_the_comparers_process_dies(pair: QEMUPair) -> None:
    die(pair, "primary_colo")
    goes_on(pair.secondary_colo, pair.secondary, "taken-over")
    assert filters(pair.secondary) == ["rew0"]
    assert filters(pair.primary) == ["m0", "redire0", "redire1"]  # it says nothing, for want of a comparer


def test_the_primary_goes_on_when_the_secondarys_qemu_dies(pair: QEMUPair) -> None:
    die(pair, "secondary")
    goes_on(pair.primary_colo, pair.primary, "alone")


def test_qemus_filters_hear_a_comparer_that_is_started_anew(colo_guest: GuestFiles, tmp_path: Path) -> None:
    with QEMUPair(tmp_path, colo_guest, BY_HAND) as pair, pair.explaining():
        before = filters(pair.primary)
        assert pair.primary_colo is not None
        for _ in range(2):
            pair.primary_colo.signal(signal.SIGKILL)
            pair.primary_colo = colo = pair.start_colo("primary")
            assert colo is not None
            wait_until(lambda: state(colo) == "synced", "the pair being synced again")  # noqa: B023
            visit_all(pair.visit)
            assert counters(colo, "object comp0")["compared"] > 0
            assert counters(colo, "object qemu0")["healed"] >= 1
            assert filters(pair.primary) == before
