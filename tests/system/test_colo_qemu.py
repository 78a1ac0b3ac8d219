"""
Two QEMU 7.2 guests under COLO, each behind a ``twistd colo`` that does all but COLO: checkpoints, and who dies.

Each test prints its figures: pytest -s shows them. Those of QEMU's own proxy are test_colo_pair_qemu.py's.
"""

from __future__ import annotations

import contextlib
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.colo_guest.build import GuestFiles
from tests.support.guest_qemu import GuestQEMU
from tests.support.guest_visits import Visit, visit_all
from tests.support.lan import runs
from tests.support.processes import Colo, Process, wait_until
from tests.support.qemu_pair import BEHIND, SELDOM, QEMUPair, found, state
from tests.support.traffic import LONG
from tests.system.test_colo_ctl import colo_ctl

REQUESTS, ANSWERS = (200, 100) if LONG else (20, 10)
MB = 40 if LONG else 12  # of each transfer while somebody dies
MOMENTS = range(10 if LONG else 3)
BOUND = 120.0  # seconds for what a client has begun; it takes 2 on an idle machine
SOON = 0.5  # seconds after a death, in which a pause comes of it


def counters(colo: Colo | None, part: str) -> dict[str, int]:
    """A part's counters that aren't 0, by name."""
    assert colo is not None
    return colo.counters()[part]


class Counted:
    """What colo-qemu and the comparer of a primary have counted since this was made, as of the last look."""

    def __init__(self, colo: Colo | None) -> None:
        assert colo is not None
        self._colo = colo
        self._before = colo.counters()
        self.qemu: Counter[str] = Counter()
        self.comparer: Counter[str] = Counter()

    def look(self) -> Counted:
        now = self._colo.counters()  # of all at one time
        self.qemu, self.comparer = (self._risen(now, f"object {id}") for id in ("qemu0", "comp0"))
        return self

    def _risen(self, now: dict[str, dict[str, int]], part: str) -> Counter[str]:
        before = self._before.get(part, {})
        return Counter({name: value - before.get(name, 0) for name, value in now[part].items()})

    def __str__(self) -> str:
        """Checkpoints, and what went uncompared."""
        wanted = ("checkpoints_", "divergences", "unprotected")
        comparer = {name: value for name, value in self.comparer.items() if value and name.startswith(wanted)}
        qemu = {name: value for name, value in self.qemu.items() if value}
        return f"colo-qemu: {qemu}; the comparer: {comparer}"


# checkpoints


@pytest.fixture(scope="module")
def shared(colo_guest: GuestFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QEMUPair]:
    with QEMUPair(tmp_path_factory.mktemp("behind"), colo_guest, BEHIND) as pair:
        yield pair


@pytest.fixture
def pair(shared: QEMUPair) -> Iterator[QEMUPair]:
    """A pair in which nobody dies; QEMU makes no checkpoint by itself."""
    with shared.explaining():
        shared.checkpoint_each(SELDOM)
        assert shared.visit("bodies", 1).wrong == []
        yield shared
        for colo in (shared.primary_colo, shared.secondary_colo):
            assert colo is not None
            wait_until(lambda: state(colo) == "synced", "the pair being synced again")  # noqa: B023
        assert counters(shared.primary_colo, "object comp0").get("unprotected", 0) == 0


@pytest.mark.parametrize("each", [SELDOM, 1000, 200], ids=["none", "each 1000 ms", "each 200 ms"])
def test_all_is_right_while_qemu_makes_checkpoints(pair: QEMUPair, each: int) -> None:
    pair.checkpoint_each(each)
    counted = Counted(pair.primary_colo)
    began, made_before = time.monotonic(), pair.checkpoints()
    visit_all(pair.visit)
    seconds, made = time.monotonic() - began, pair.checkpoints() - made_before
    print(f"{made} checkpoints in {seconds:.1f} s; {counted.look()}")
    if each == SELDOM:
        assert counted.qemu["checkpoints"] == counted.comparer["divergences"] == 0
    else:
        assert counted.qemu["unasked"] > seconds * 1000 / each / 4
        assert counted.comparer["checkpoints_unasked"] == counted.qemu["unasked"]
    assert counted.comparer["compared"] > 0
    assert counted.comparer["checkpoints_failed"] == 0


def test_all_is_right_while_checkpoints_are_asked_for(pair: QEMUPair) -> None:
    colo, counted = pair.primary_colo, Counted(pair.primary_colo)
    assert colo is not None
    with pair.visiting("everything", MB, 1) as visitor:
        visitor.wait_for_output("under way")
        for number in range(1, REQUESTS + 1):
            colo.qmp("colo-checkpoint")
            wait_until(lambda: counted.look().comparer["checkpoints_done"] >= number, "a checkpoint")  # noqa: B023
        visit = finished(visitor)
    print(f"pauses of {in_words(visit.gaps_ms(0, float('inf')))} at most; {counted.look()}")
    assert counted.qemu["asked"] >= REQUESTS
    assert counted.comparer["checkpoints_failed"] == 0


def test_a_service_that_answers_differently_each_time_has_a_checkpoint_for_each(pair: QEMUPair) -> None:
    counted = Counted(pair.primary_colo)
    visit = pair.visit("different", ANSWERS)
    visit.show("an answer that differs")
    print(counted.look())
    assert visit.wrong == []
    assert len(set(visit.said)) == ANSWERS
    assert counted.qemu["checkpoints"] >= ANSWERS
    assert counted.comparer["divergences"] >= ANSWERS


# deaths


def in_words(gaps: dict[str, float]) -> str:
    """Of Visit.gaps_ms."""
    return ", ".join(f"{ms:.0f} ms ({name})" for name, ms in gaps.items())


def finished(visitor: Process) -> Visit:
    """It comes to its end in time, and all that it got and told was right."""
    wait_until(lambda: visitor.popen.poll() is not None, f"the end of {visitor.words}", BOUND)
    visit = found(visitor.output)
    assert visit.wrong == []
    return visit


@pytest.fixture(scope="module")
def worst() -> Iterator[list[float]]:
    """The worst gap of each death of the primary's, in ms; printed once all have happened."""
    worst: list[float] = []
    yield worst
    if worst:
        print(f"\nthe worst gaps at {len(worst)} deaths: median {statistics.median(worst):.0f} ms, {max(worst):.0f} ms")


def die(pair: QEMUPair, *victims: str, moment: int = 0) -> float:
    """
    They are killed, all at once, while an upload, a download, echoes and an idle connection are under way.

    ``victims``: names of the pair's processes. When they die is seeded by ``moment``, and by who they are. The worst
    gap.
    """
    mark = random.Random(f"{victims} {moment}").randrange(100_000, 2_000_000)
    processes: list[Process] = [getattr(pair, name) for name in victims]
    with pair.visiting("everything", MB, mark) as visitor:
        visitor.wait_for_output("under way")
        assert "has ended" not in visitor.output
        died = time.monotonic()
        for process in processes:
            process.signal(signal.SIGKILL)
        gaps = finished(visitor).gaps_ms(died, SOON)
    print(f"after {mark} bytes either way, the worst gaps: {in_words(gaps)}")
    assert pair.visit("bodies", 2).wrong == []
    return max(gaps.values())


def goes_on(colo: Colo | None, qemu: GuestQEMU, how: str) -> None:
    """It is the survivor; its QEMU was told so, and runs."""
    assert colo is not None
    assert state(colo) == how
    assert counters(colo, "object qemu0")["lost_heartbeats"] == 1
    wait_until(lambda: qemu.migration() == "completed", f"the end of COLO in the {qemu.name}")
    assert qemu.qmp.execute("query-status", {})["status"] == "running"
    assert qemu.qmp.named("COLO_EXIT")


@contextlib.contextmanager
def a_pair(folder: Path, files: GuestFiles, **more: Any) -> Iterator[QEMUPair]:
    with QEMUPair(folder, files, BEHIND, **more) as pair, pair.explaining():
        yield pair


def spoke(sniffer: Process) -> list[str]:
    """Whose guests, in order."""
    return [port for port, *_ in runs(sniffer)]


def survives(pair: QEMUPair, *victims: str, moment: int = 0) -> float:
    """The secondary takes over from the primary's, and nobody speaks but one after the other. The worst gap."""
    with pair.sniffing() as sniffer:
        worst = die(pair, *victims, moment=moment)
        goes_on(pair.secondary_colo, pair.secondary, "taken-over")
        assert spoke(sniffer) == ["primary", "secondary"]
    return worst


@pytest.mark.parametrize("own_secrets", [False, True], ids=["secrets alike", "secrets unlike"])
def test_the_primarys_qemu_dies(own_secrets: bool, colo_guest: GuestFiles, tmp_path: Path, worst: list[float]) -> None:
    with a_pair(tmp_path, colo_guest, own_secrets=own_secrets) as pair:
        worst.append(survives(pair, "primary"))


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_primarys_qemu_dies_while_checkpoints_are_made(
    moment: int, colo_guest: GuestFiles, tmp_path: Path, worst: list[float]
) -> None:
    with a_pair(tmp_path, colo_guest, own_secrets=True, delay=200) as pair:
        worst.append(survives(pair, "primary", moment=moment))


def test_the_primarys_qemu_and_process_die_at_once(colo_guest: GuestFiles, tmp_path: Path, worst: list[float]) -> None:
    with a_pair(tmp_path, colo_guest, own_secrets=True, delay=200) as pair:
        worst.append(survives(pair, "primary", "primary_colo"))


@pytest.mark.parametrize(("victim", "delay"), [("secondary", SELDOM), ("secondary_colo", 200)])
def test_the_primary_goes_on_when_the_secondary_dies(
    victim: str, delay: int, colo_guest: GuestFiles, tmp_path: Path
) -> None:
    with a_pair(tmp_path, colo_guest, delay=delay) as pair, pair.sniffing() as sniffer:
        die(pair, victim)
        goes_on(pair.primary_colo, pair.primary, "alone")
        assert spoke(sniffer) == ["primary"]


def untouched(qemu: GuestQEMU) -> dict[str, Any]:
    """What of a QEMU must stay as it is."""
    network = qemu.qmp.execute("human-monitor-command", {"command-line": "info network"})
    return {
        "COLO": qemu.qmp.execute("query-colo-status", {}),
        "migration": qemu.migration(),
        "runs": qemu.qmp.execute("query-status", {}),
        "objects": qemu.qmp.execute("qom-list", {"path": "/objects"}),
        "netdevs": [line.split(":")[0] for line in network.splitlines()],
    }


def test_the_primarys_process_dies_and_started_again_it_stays_shut(
    colo_guest: GuestFiles, tmp_path: Path, worst: list[float]
) -> None:
    """What its QEMU's guest, which has lived on, says to it then reaches nobody."""
    with a_pair(tmp_path, colo_guest) as pair:
        worst.append(survives(pair, "primary_colo"))
        before = untouched(pair.primary)
        colo = pair.start_colo("primary")
        assert colo is not None
        pair.plug_in("primary")
        with pair.sniffing() as sniffer:
            heard = "must not speak any more"
            wait_until(lambda: heard in colo.qmp("query-colo-replica")["reason"], "word of the survivor")
            wait_until(lambda: counters(colo, "object comp0").get("dropped_hushed"), "the old guest's trying to speak")
            assert pair.visit("bodies", 5).wrong == []
            assert heard in colo_ctl(colo, "status", status=3)
            assert spoke(sniffer) == ["secondary"]
        assert counters(colo, "object qemu0").get("lost_heartbeats", 0) == 0
        assert untouched(pair.primary) == before
