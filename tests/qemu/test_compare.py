"""A colo-compare whose checkpointer is a colo-qemu: when it is synced, what is held, and what a checkpoint lets go."""

from __future__ import annotations

import pytest

from colo_twisted.options.errors import InUse, StartError
from colo_twisted.packets.marker import marker_packet
from colo_twisted.qemu.primary import PrimaryQEMU
from tests.support.compare_bench import PEER, Bench, segment
from tests.support.fake_qemu import FakeQEMU
from tests.support.house import House

QEMU = "-object colo-qemu,id=qemu0,qmp=unix:/nowhere,role=primary"
SET = "migrate-set-parameters"


class WithQEMU(Bench):
    """A bench that runs, and a QEMU that is under COLO."""

    def __init__(self, more: str = "", objects: str = "", mode: str = "primary") -> None:
        super().__init__(f",checkpoint=qemu0{more}", f"{QEMU} {objects}", start=False)
        self.made: PrimaryQEMU = self.house.object("qemu0")
        self.qemu = FakeQEMU(self.clock)
        self.qemu.mode = mode
        self.qemu.plug_in(self.made.monitor)
        self.house.start()
        self.qemu.settle()

    def wait(self, seconds: float) -> list[bytes]:
        out: list[bytes] = []
        for _ in range(round(seconds * 10)):
            out += super().wait(0.1)
            self.qemu.settle()
        return out

    def diverge(self, port: int = 40000) -> None:
        self.open_connection(port)
        assert self.both_differ(port) == []

    def both_differ(self, port: int = 40000) -> list[bytes]:
        out = self.primary(segment(101, b"one", port=port))
        out += self.secondary(segment(101, b"two", port=port))
        self.qemu.settle()
        return out

    def after(self, *steps: object) -> list[bytes]:
        before = len(self.o.packets)
        for step in steps:
            assert callable(step)
            step()
            self.qemu.settle()
        return list(self.o.packets[before:])


def first_made(bench: WithQEMU) -> WithQEMU:
    """The first checkpoint: all know of each other."""
    bench.after(bench.qemu.begins, bench.qemu.runs)
    assert bench.compare.state == "synced"
    bench.qemu.commands()
    return bench


def test_before_its_guest_is_under_colo_it_is_not_synced_and_says_why() -> None:
    bench = WithQEMU(mode="none")
    assert bench.compare.state == "alone"
    assert bench.compare.reason == "colo-qemu 'qemu0': it is not under COLO (query-colo-status says mode none)"
    assert bench.compare.channels()[-1] == ("colo-qemu 'qemu0'", False)
    packet = segment(101, b"anything")
    assert bench.primary(packet) == [packet], "nothing is held for who can't follow"
    bench.qemu.mode = "primary"
    bench.wait(1.1)
    assert bench.compare.state in ("checkpointing", "synced")
    assert bench.compare.channels()[-1] == ("colo-qemu 'qemu0'", True)


def test_what_else_is_missing_is_said_before_that() -> None:
    bench = WithQEMU(mode="none")
    bench.connect(bench.s, False)
    assert bench.compare.reason == (
        "secondary_in is not connected; colo-qemu 'qemu0': it is not under COLO (query-colo-status says mode none)"
    )


def test_when_the_guests_come_under_colo_a_checkpoint_is_made_of_what_there_is() -> None:
    bench = WithQEMU(mode="none")
    bench.qemu.commands()
    bench.qemu.mode = "primary"
    bench.wait(1.1)
    assert SET in bench.qemu.commands()
    bench.after(bench.qemu.begins, bench.qemu.runs)
    assert bench.compare.state == "synced"
    assert bench.compare.counters.checkpoints.counters.done == 1


def test_a_divergence_leads_to_a_checkpoint_and_what_was_held_goes_when_that_is_done() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    assert bench.qemu.commands(SET) == [SET]
    assert bench.after(bench.qemu.begins) == []
    assert bench.after(bench.qemu.runs) == [segment(101, b"one")]
    assert bench.compare.state == "synced"


def test_what_came_after_stop_is_compared_anew() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    bench.after(bench.qemu.begins)
    late = segment(104, b"late")
    assert bench.primary(late) == []
    assert bench.after(bench.qemu.runs) == [segment(101, b"one")]
    assert bench.secondary(late) == [late]


def test_what_stands_in_the_kernels_queues_at_stop_came_before_it() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    waiting = [segment(104, b"in the kernel")]

    def drain() -> None:
        while waiting:
            bench.p.deliver_packets(waiting.pop())

    bench.p.drain = drain
    assert bench.after(bench.qemu.begins) == []
    assert bench.after(bench.qemu.runs) == [segment(101, b"one"), segment(104, b"in the kernel")]


def test_stop_and_resume_heard_at_once_let_nothing_go_before_the_next() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    bench.qemu.begins()
    assert bench.after(bench.qemu.runs) == []
    assert bench.qemu.commands(SET) == [SET, SET]
    assert bench.after(bench.qemu.begins, bench.qemu.runs) == [segment(101, b"one")]


def test_what_left_unheld_after_stop_makes_another_one_needful() -> None:
    """
    A connection that was open before: it is protected from this checkpoint on, and what it says between STOP and DONE
    has left by then. Its client may acknowledge that before the new secondary's guest has said it.
    """
    bench = WithQEMU(mode="none")
    assert bench.primary(segment(101, b"before")) == [segment(101, b"before")]
    bench.qemu.mode = "primary"
    bench.wait(1.1)
    bench.qemu.commands()
    bench.after(bench.qemu.begins)
    unheld = segment(107, b"unheld")
    assert bench.primary(unheld) == [unheld]
    bench.after(bench.qemu.runs)
    assert bench.qemu.commands(SET) == [SET]
    held = segment(113, b"held")
    assert bench.primary(held) == []
    assert bench.after(bench.qemu.begins, bench.qemu.runs) == [held]
    bench.wait(1.0)
    assert bench.qemu.commands(SET) == [], "and no further one"


def test_an_operators_pause_lets_nothing_go() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    assert bench.after(bench.qemu.pauses, bench.qemu.runs) == []
    assert bench.compare.state == "checkpointing"


def test_one_that_qemu_makes_by_itself_lets_go_what_waits_by_then() -> None:
    bench = first_made(WithQEMU(",compare_timeout=10s"))
    bench.open_connection()
    one = segment(101, b"one")
    assert bench.primary(one) == []
    assert bench.after(bench.qemu.begins) == []
    assert bench.after(bench.qemu.runs) == [one]
    assert bench.compare.counters.checkpoints.counters.unasked == 1


def test_with_a_colo_peer_the_secondary_has_its_word_before_and_after() -> None:
    bench = WithQEMU("", PEER)
    peer = bench.house.object("peer0")
    peer.answer()
    for _ in range(2):
        bench.qemu.settle()
        peer.answer()
    bench.after(bench.qemu.begins, bench.qemu.runs)
    peer.answer()
    peer.answer()
    bench.secondary(marker_packet(peer.nonce))
    assert bench.compare.state == "synced"
    peer.asked.clear()
    bench.diverge()
    bench.qemu.commands()
    assert peer.asked == [("begin",)]
    peer.answer()
    bench.qemu.settle()
    assert bench.qemu.commands(SET) == [SET]
    assert bench.after(bench.qemu.begins, bench.qemu.runs) == []
    assert peer.asked == [("begin",), ("done",)]
    bench.secondary(marker_packet(peer.nonce))
    assert bench.after(peer.answer) == [segment(101, b"one")]


def test_colo_that_ends_there_ends_the_hold() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    assert bench.after(bench.qemu.exits) == [segment(101, b"one")]
    assert (
        bench.compare.reason
        == "colo-qemu 'qemu0': COLO has ended there (COLO_EXIT: error); what is held goes after compare_timeout"
    )
    bench.wait(4)
    assert bench.compare.state == "alone"


def test_a_qemu_that_hangs_holds_nobody_for_good() -> None:
    bench = first_made(WithQEMU())
    bench.diverge()
    bench.qemu.hangs = True
    bench.both_differ()
    assert bench.wait(12) != []
    assert bench.compare.reason == "colo-qemu 'qemu0': its QMP socket is not connected"


def test_a_comparer_that_runs_alone_by_an_operators_word_has_told_its_qemu() -> None:
    bench = first_made(WithQEMU())
    bench.machine.colo.lose_heartbeat()
    bench.qemu.settle()
    assert "x-colo-lost-heartbeat" in bench.qemu.commands()
    assert bench.compare.state == "alone"
    bench.wait(3)
    assert bench.compare.state == "alone"


# lines that don't go together


def test_it_can_not_be_removed_before_the_comparer() -> None:
    bench = WithQEMU()
    with pytest.raises(InUse, match="comp0"):
        bench.machine.remove("object", "qemu0")
    bench.machine.remove("object", "comp0")
    assert bench.made.watchers == []
    bench.machine.remove("object", "qemu0")
    bench.qemu.settle()
    assert bench.qemu.line is None
    bench.wait(3)
    assert bench.qemu.connects == 1


def test_a_secondarys_qemu_makes_no_checkpoints() -> None:
    chardevs = " ".join(f"-chardev fake,id={id}" for id in "pso")
    with pytest.raises(StartError) as caught:
        House(
            f"{chardevs} -object colo-qemu,id=qemu0,qmp=unix:/nowhere,role=secondary"
            " -object colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o,checkpoint=qemu0"
        ).start()
    assert str(caught.value) == (
        "colo-compare 'comp0': property 'checkpoint': 'qemu0' makes no checkpoints"
        " (a checkpoint-command does, and a colo-qemu with role=primary)"
    )
