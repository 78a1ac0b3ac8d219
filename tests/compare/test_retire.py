"""A colo-compare that is removed while all else runs, and one that an operator tells that the secondary is gone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent
from zope.interface.verify import verifyObject

from colo_twisted.events import CheckpointDone, ReplicaState
from colo_twisted.interfaces import IRetiring, IUser, Outcome
from colo_twisted.options.errors import InUse
from colo_twisted.packets.marker import marker_packet
from tests.support.compare_bench import CHECKPOINTER, PEER, TIMEOUT, Bench, followed, segment
from tests.support.fakes import batch_of, packet
from tests.support.segments import ACK, SYN, Segment

BOTH = f"{PEER} {CHECKPOINTER}"
MIRROR = "-netdev fake,id=hn0 -chardev fake,id=m -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=m"
ARP = packet()[:12] + b"\x08\x06" + bytes(46)
ONE, OTHER = segment(101, b"one"), segment(101, b"two")


def diverged(bench: Bench) -> Bench:
    bench.open_connection()
    bench.primary(ONE)
    bench.secondary(OTHER)
    return bench


def begun(bench: Bench, answers: int) -> Any:
    """A checkpoint is asked for, and answered so far: begin, make, done."""
    diverged(bench)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    if answers > 0:
        peer.answer()
    if answers > 1:
        checkpointer.ends()
    peer.asked.clear()
    bench.told.clear()
    return peer


# removed


def test_it_says_that_it_has_something_to_do_before() -> None:
    compare = followed().compare
    assert verifyObject(IRetiring, compare)
    assert verifyObject(IUser, compare)


def test_all_that_is_held_goes_in_order_and_once() -> None:
    bench = followed()
    for port in (40000, 40001):
        bench.open_connection(port)
    sent = [segment(101, b"one"), segment(101, b"uno", port=40001), segment(104, b"two"), ARP]
    bench.primary(*sent)
    assert bench.o.packets[-1] == ARP
    assert bench.remove() == sent[:-1]
    assert bench.told[-1] == ReplicaState("comp0", "alone", "this colo-compare was removed")


def test_what_is_owed_is_paid() -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(segment(101, ack=9000))
    (paid,) = bench.remove()
    told = Segment.of(paid)
    assert told is not None
    assert (told.ack, told.payload) == (9000, b"")


@pytest.mark.parametrize("state", ["synced", "lost", "naming"])
def test_the_secondary_is_told_and_nobody_waits_for_its_answer(state: str) -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.primary(ONE)
    if state == "lost":
        bench.connect(bench.s, False)
    held = [ONE]
    if state == "naming":
        held.append(segment(500, b"mid-stream", port=40009))
        bench.primary(held[-1])
    peer.asked.clear()
    assert bench.remove() == held
    assert peer.asked == [("name", None)]
    before = len(bench.o.packets)
    peer.answer()
    assert len(bench.o.packets) == before
    assert bench.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("answers", "asked", "outcome"),
    [(0, ("abort", True), "unchanged"), (1, ("abort", False), "failed"), (2, None, "failed")],
    ids=["beginning", "making", "ending"],
)
def test_a_checkpoint_is_ended_in_order(answers: int, asked: Any, outcome: str) -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer = begun(bench, answers)
    assert bench.remove() == [ONE]
    assert peer.asked == ([asked] if asked else []) + [("name", None)]
    ended, alone = bench.told
    assert isinstance(ended, CheckpointDone)
    assert ended.outcome == outcome
    assert isinstance(alone, ReplicaState)
    assert not bench.house.object("cp0").is_asked
    peer.answer()
    assert bench.clock.getDelayedCalls() == []


def test_a_success_that_comes_with_the_cancel_flushes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    begun(bench, 1)
    checkpointer = bench.house.object("cp0")
    monkeypatch.setattr(checkpointer, "cancel", lambda: checkpointer.ends(Outcome.DONE))
    assert bench.remove() == [ONE]
    assert bench.counters["checkpoints"] == 0


def test_what_still_comes_passes_as_it_came() -> None:
    bench = followed()
    bench.open_connection()
    bench.primary(ONE)
    bench.compare.retire()
    before = len(bench.o.packets)
    more = [segment(104, b"more"), ARP, packet(b"short"), segment(100, flags=SYN | ACK, port=40005)]
    bench.p.deliver(batch_of(*more))
    bench.s.deliver(batch_of(*more))
    assert bench.o.packets[before:] == more
    assert bench.clock.getDelayedCalls() == []


def test_what_has_come_of_a_fragmented_packet_passes_with_the_rest_of_it() -> None:
    header = bytes.fromhex("4500001c00012000401100000a0000020a000001")
    first = packet()[:12] + b"\x08\x00" + header + bytes.fromhex("0035138800100000")
    last = first[:20] + b"\x00\x01" + first[22:]
    bench = followed()
    assert bench.primary(first) == []
    bench.compare.retire()
    bench.primary(last)
    assert bench.o.packets == [first, last]


def test_nobody_who_stays_knows_it_any_more() -> None:
    bench = followed(",checkpoint=cp0", f"{BOTH} {MIRROR}")
    peer, checkpointer, mirror = (bench.house.object(id) for id in ("peer0", "cp0", "m0"))
    bench.remove()
    assert (peer.watchers, mirror.watchers) == ([], [])
    assert bench.compare._objects_changed not in bench.machine.object_watchers
    checkpointer.unasked()
    bench.told.clear()
    peer.come_or_go(False)
    bench.machine.change("m0", "status", False)
    bench.machine.remove("object", "m0")
    assert bench.told == []


def test_it_keeps_what_it_uses_until_it_is_gone() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    assert bench.compare.uses() == ["peer0", "cp0"]
    assert followed().compare.uses() == []
    for id in ("peer0", "cp0"):
        with pytest.raises(InUse):
            bench.machine.remove("object", id)
    bench.remove()
    for id in ("peer0", "cp0"):
        bench.machine.remove("object", id)


def test_another_one_takes_its_place() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer = bench.house.object("peer0")
    bench.remove()
    peer.answer()
    bench.house.add("object", "colo-compare,id=comp1,primary_in=p,secondary_in=s,outdev=o,checkpoint=cp0")
    peer.answer()
    compare = bench.house.object("comp1")
    assert compare.state == "synced"
    bench.open_connection()
    bench.both(ONE, segment(104, b"more"))
    compare.request_checkpoint("a test")
    assert peer.asked[-1] == ("begin",)


def test_a_process_that_stops_hands_over_and_lets_nothing_go() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer = begun(bench, 1)
    before = len(bench.o.packets)
    bench.machine.stopService()
    peer.answer()
    assert len(bench.o.packets) == before
    assert peer.asked == [("abort", False)]


def test_one_that_could_not_be_opened_leaves_nothing() -> None:
    bench = followed("", PEER)
    watchers = list(bench.machine.object_watchers)
    for id in ("p2", "s2", "o2"):
        bench.house.add("chardev", f"fake,id={id}")
    with pytest.raises(Exception, match="another colo-compare's"):
        bench.house.add("object", "colo-compare,id=comp1,primary_in=p2,secondary_in=s2,outdev=o2,peer=peer0")
    assert bench.machine.object_watchers == watchers


def test_a_removal_during_a_checkpoint_of_xens_asks_no_more_and_hears_no_more() -> None:
    xen = "-chardev fake,id=x"
    bench = followed(",notify_dev=x", xen)
    chardev = bench.house.chardev("x")
    diverged(bench)
    assert [message.rstrip() for message in chardev.packets] == [b"DO_CHECKPOINT"]
    receive = chardev.front_end.receive
    assert bench.remove() == [ONE]
    assert bench.clock.getDelayedCalls() == []
    assert chardev.front_end is None
    receive(batch_of(b"COLO_CHECKPOINT"))
    assert len(chardev.packets) == 1
    assert bench.clock.getDelayedCalls() == []


KINDS = ("connection", "primary", "secondary", "both", "spoilt", "datagram", "arp", "answer", "loss", "wait", "make")


@given(
    st.lists(st.sampled_from(KINDS), max_size=40),
    st.sampled_from(("", ",checkpoint=cp0", ",on_divergence=release", ",on_divergence=isolate")),
    st.booleans(),
)
def test_whatever_happened_before_each_frame_of_the_primarys_leaves_once(
    kinds: list[str], more: str, has_peer: bool
) -> None:
    has_peer |= "isolate" in more
    objects = (PEER if has_peer else "") + (f" {CHECKPOINTER}" if "cp0" in more else "")
    bench = Bench(f"{more},ack_commit=off", objects)
    peer: Any = bench.machine.objects.get("peer0")
    sent: list[bytes] = []

    def say(side: str, *packets: bytes) -> None:
        if side == "primary":
            sent.extend(packets)
        getattr(bench, side)(*packets)

    port, seq = 40000, {"primary": 101, "secondary": 101}
    for number, kind in enumerate(kinds):
        text = b"%04d" % number
        if kind == "connection":
            port, seq = port + 1, {"primary": 101, "secondary": 101}
            say("primary", segment(100, flags=SYN | ACK, port=port))
            say("secondary", segment(100, flags=SYN | ACK, port=port))
        elif kind in ("primary", "secondary", "both"):
            for side in ("primary", "secondary") if kind == "both" else (kind,):
                say(side, segment(seq[side], text, port=port))
                seq[side] += 4
        elif kind == "spoilt":
            say("secondary", segment(seq["secondary"], b"spoilt", port=port))
        elif kind == "datagram":
            say("primary", datagram(text))
        elif kind == "arp":
            say("primary", ARP + text)
        elif kind == "answer" and peer is not None:
            peer.answer()
        elif kind == "loss":
            bench.connect(bench.s, not bench.s.connected)
        elif kind == "wait":
            bench.wait(TIMEOUT / 2)
        elif kind == "make" and "cp0" in more and bench.house.object("cp0").is_asked:
            bench.house.object("cp0").ends()
            if peer is not None:
                bench.secondary(marker_packet(peer.nonce))
    bench.remove()
    assert sorted(bench.o.packets) == sorted(sent)


def datagram(payload: bytes) -> bytes:
    header = bytes.fromhex("4500 0020 0000 0000 4011 0000 0a000002 0a000001 0035 1388 000c 0000")
    return packet()[:12] + b"\x08\x00" + header + payload


# alone by an operator's word


@pytest.mark.parametrize("peer", ["", PEER])
def test_all_goes_at_once_and_nothing_is_held_any_more(peer: str) -> None:
    bench = followed("", peer)
    bench.open_connection()
    bench.primary(ONE)
    before = len(bench.o.packets)
    bench.told.clear()
    bench.compare.run_alone("an operator says so")
    assert bench.o.packets[before:] == [ONE]
    assert bench.told == [ReplicaState("comp0", "alone", "an operator says so")]
    assert bench.primary(segment(104, b"more")) == [segment(104, b"more")]
    assert bench.primary(segment(100, flags=SYN | ACK, port=40001)) != []
    assert bench.counters["losses"] == 1


def test_so_it_is_when_it_is_lost_and_the_answer_is_nothing_then() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.primary(ONE)
    bench.connect(bench.s, False)
    assert bench.wait(2 * TIMEOUT) == []
    before = len(bench.o.packets)
    bench.compare.run_alone("an operator says so")
    assert bench.o.packets[before:] == [ONE]
    assert bench.compare.reason == "an operator says so; secondary_in is not connected"
    peer.answer()
    assert bench.compare.state == "alone"
    bench.connect(bench.s, True)
    peer.answer()
    assert bench.compare.state == "synced"


def test_one_that_is_still_there_is_not_joined_until_it_has_been_away() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.compare.run_alone("an operator says so")
    assert peer.asked[-1] == ("name", None)
    peer.answer()
    bench.wait(10)
    assert bench.compare.state == "alone"
    peer.come_or_go(False)
    peer.come_or_go(True)
    assert peer.asked[-1] == ("protect new",)
    peer.answer()
    assert bench.compare.state == "synced"


def test_an_answer_that_it_follows_comes_too_late() -> None:
    bench = Bench("", PEER)
    bench.compare.run_alone("an operator says so")
    bench.house.object("peer0").answer()
    assert bench.compare.state == "alone"


@pytest.mark.parametrize("answers", [0, 1, 2], ids=["beginning", "making", "ending"])
def test_a_checkpoint_is_given_up_and_a_new_secondary_gets_another(answers: int) -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    checkpointer = bench.house.object("cp0")
    peer = begun(bench, answers)
    before = len(bench.o.packets)
    bench.compare.run_alone("an operator says so")
    assert bench.o.packets[before:] == [ONE]
    assert not checkpointer.is_asked
    peer.answer()
    bench.wait(30)
    assert (bench.compare.state, bench.compare.checkpoint_phase) == ("alone", "idle")
    peer.come_or_go(False)
    peer.come_or_go(True)
    assert peer.asked[-1] == ("begin",)
    peer.answer()
    checkpointer.ends()
    peer.answer()
    bench.secondary(marker_packet(peer.nonce))
    assert bench.compare.state == "synced"
    assert bench.both(segment(104, b"more")) == [segment(104, b"more")]


def test_what_is_invalid_is_not_asked_for_again() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer = begun(bench, 1)
    bench.house.object("cp0").ends(Outcome.FAILED)
    bench.compare.run_alone("an operator says so")
    assert not bench.compare._steps._retry.running
    peer.asked.clear()
    bench.wait(30)
    assert peer.asked == []


def test_who_comes_then_is_joined_though_the_one_before_was_invalid() -> None:
    bench = followed(",checkpoint=cp0", BOTH)
    peer = begun(bench, 1)
    bench.connect(bench.s, False)
    bench.house.object("cp0").ends(Outcome.FAILED)
    bench.compare.run_alone("an operator says so")
    peer.answer()
    peer.asked.clear()
    bench.connect(bench.s, True)
    assert peer.asked == [("begin",)]


def test_one_that_was_never_followed_is_heard_though_a_marker_was_awaited_before() -> None:
    bench = Bench(",checkpoint=cp0", BOTH, start=False)
    peer = bench.house.object("peer0")
    bench.s.connected = False
    bench.house.start()
    bench.compare.request_checkpoint("a test")
    peer.answer()
    bench.compare.run_alone("an operator says so")
    bench.connect(bench.s, True)
    peer.answer()
    assert bench.compare.state == "synced"
    bench.open_connection()


def test_what_had_diverged_is_nothing_any_more() -> None:
    bench = diverged(followed())
    bench.compare.run_alone("an operator says so")
    bench.wait(TIMEOUT + 1)
    assert bench.counters["released_flows"] == 0


# a colo-peer that comes later


def test_a_colo_peer_that_comes_later_is_not_used_and_that_is_said_once() -> None:
    bench = followed()
    with capturedLogs() as logs:
        bench.house.add("object", "fake-peer,id=peer9")
        bench.house.add("object", "iothread,id=io0")
    said = [formatEvent(event) for event in logs if "peer9" in (formatEvent(event) or "")]
    assert said == [
        "colo-compare comp0: colo-peer 'peer9' is not used, for it came later than this colo-compare:"
        " colo-ctl del object comp0, then add it again"
    ]
    assert bench.compare.uses() == []
    bench.remove()
    bench.house.add("object", "colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o")
    bench.house.object("peer9").answer()
    assert bench.house.object("comp0").uses() == ["peer9"]


def test_who_has_one_needs_no_other() -> None:
    bench = followed("", PEER)
    with capturedLogs() as logs:
        bench.house.add("object", "fake-peer,id=peer9")
    assert not [event for event in logs if "peer9" in (formatEvent(event) or "")]
