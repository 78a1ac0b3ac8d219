"""The colo-compare object: frames, channels, divergences and what on_divergence says, in memory and on a Clock."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from colo_twisted.interfaces import IComparer, Outcome
from colo_twisted.machine import Machine
from colo_twisted.options.commandline import parse_arguments
from colo_twisted.options.errors import StartError
from colo_twisted.packets.marker import marker_packet
from tests.support.compare_bench import (
    A_LITTLE,
    CHECKPOINTER,
    PEER,
    TIMEOUT,
    TYPES,
    Bench,
    followed,
    segment,
)
from tests.support.fakes import batch_of, packet
from tests.support.segments import ACK, FIN, SYN


def test_it_provides_what_a_comparer_promises() -> None:
    assert IComparer.providedBy(Bench().compare)


def test_a_primarys_packet_goes_out_when_the_secondarys_is_equal() -> None:
    bench = followed()
    bench.open_connection()
    data = segment(101, b"answer")
    assert bench.primary(data) == []
    assert bench.secondary(data) == [data]
    assert bench.counters["divergences"] == 0


def test_before_all_channels_are_up_nothing_is_held() -> None:
    bench = Bench(start=False)
    bench.s.connected = False
    bench.house.start()
    assert bench.compare.following.state == "alone"
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]


def test_a_connection_opened_before_the_secondary_came_is_never_held() -> None:
    bench = Bench(start=False)
    bench.s.connected = False
    bench.house.start()
    bench.primary(segment(100, flags=SYN | ACK))
    bench.connect(bench.s, True)
    assert bench.compare.following.state == "synced"
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]
    assert bench.counters["unprotected_flows"] == 1
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"held", port=40001)) == []


def test_dhcp_passes_by_a_rule_of_its_own() -> None:
    bench = followed()
    ports = (67).to_bytes(2, "big") + (68).to_bytes(2, "big")
    header = bytes.fromhex("4500 0024 0000 0000 4011 0000 0a000002 0a000001")
    dhcp = packet()[:12] + b"\x08\x00" + header + ports + bytes.fromhex("00100000") + b"whatever"
    assert bench.primary(dhcp) == [dhcp]


def test_without_a_checkpointer_a_flow_that_differs_is_let_go_after_compare_timeout() -> None:
    with capturedLogs() as logs:
        bench = followed()
        bench.open_connection()
        one, other = segment(101, b"one"), segment(101, b"two")
        assert bench.primary(one) == []
        assert bench.secondary(other) == []
        assert bench.kinds == ["payload"]
        assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
        assert bench.wait(4 * A_LITTLE) == [one]
    further = segment(104, b"more")
    assert bench.primary(further) == [further]
    lines = [formatEvent(event) for event in logs]
    assert sum("there is no checkpointer" in line for line in lines) == 1
    assert sum("divergence (payload) of TCP 10.0.0.2:80 to 10.0.0.1:40000" in line for line in lines) == 1


def test_a_packet_that_waits_in_vain_is_let_go_after_compare_timeout_in_all() -> None:
    bench = followed()
    bench.open_connection()
    data = segment(101, b"answer")
    bench.primary(data)
    assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
    assert bench.wait(4 * A_LITTLE) == [data]
    assert bench.kinds == ["unmatched"]


def test_on_divergence_release_lets_the_flow_go_at_once_and_others_stay_compared() -> None:
    bench = followed(",on_divergence=release")
    bench.open_connection()
    bench.open_connection(port=40001)
    one, other = segment(101, b"one"), segment(101, b"two")
    bench.primary(one)
    assert bench.secondary(other) == [one]
    assert bench.primary(segment(101, b"held", port=40001)) == []
    assert bench.counters["released_flows"] == 1


def test_a_released_connection_goes_when_the_colo_peer_has_answered() -> None:
    bench = followed(",on_divergence=release", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    assert bench.secondary(segment(101, b"two")) == []
    assert peer.asked[-1] == ("name", 1)
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]


def test_a_connection_met_in_mid_stream_is_named_and_passes() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    data = segment(101, b"answer")
    assert bench.primary(data) == []
    assert peer.asked[-1] == ("name", 1)
    peer.answer()
    assert bench.o.packets == [data]
    assert bench.kinds == []


def test_on_divergence_checkpoint_holds_until_the_checkpoint_is_made() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    checkpointer = bench.house.object("cp0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert checkpointer.is_asked
    assert bench.wait(TIMEOUT + 1) == []
    before = len(bench.o.packets)
    checkpointer.ends()
    assert bench.o.packets[before:] == [one]
    assert bench.counters["checkpoints"] == 1
    further = segment(104, b"more")
    assert bench.both(further) == [further]  # followed again


def test_with_a_colo_peer_the_flush_waits_for_dones_answer_and_the_secondary_for_its_marker() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.open_connection()
    one, late = segment(101, b"one"), segment(104, b"late")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert peer.asked[-1] == ("begin",)
    assert bench.primary(late) == []
    peer.answer()
    checkpointer.ends()
    assert peer.asked[-1] == ("done",)
    bench.secondary(segment(104, b"stale"))  # sent before the checkpoint
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]
    assert bench.secondary(segment(104, b"stale")) == []
    assert bench.secondary(marker_packet(peer.nonce)) == []
    assert bench.secondary(late) == [late]
    assert bench.kinds == ["payload"]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.UNCHANGED])
def test_a_checkpoint_that_fails_is_as_if_there_were_no_checkpointer(outcome: Outcome) -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    before = len(bench.o.packets)
    bench.house.object("cp0").ends(outcome)
    assert bench.o.packets[before:] == [one]
    further = segment(104, b"more")
    assert bench.primary(further) == [further]


def test_isolate_tells_the_secondary_and_runs_alone_when_it_knows() -> None:
    bench = followed(",on_divergence=isolate", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    one = segment(101, b"one")
    bench.primary(one)
    bench.secondary(segment(101, b"two"))
    assert peer.asked[-1] == ("invalidate",)
    assert bench.compare.following.state == "lost"
    assert bench.wait(2 * TIMEOUT) == []
    before = len(bench.o.packets)
    peer.answer()
    assert bench.o.packets[before:] == [one]
    assert bench.compare.following.state == "alone"
    new = segment(100, flags=SYN | ACK, port=40002)
    assert bench.primary(new) == [new]


def test_isolate_without_a_colo_peer_is_refused_at_the_start() -> None:
    with pytest.raises(StartError, match="on_divergence=isolate needs a colo-peer"):
        Bench(",on_divergence=isolate")


@pytest.mark.parametrize("which", ["s", "p"])
def test_a_lost_channel_without_a_colo_peer_lets_all_go_after_compare_timeout(which: str) -> None:
    with capturedLogs() as logs:
        bench = followed()
        bench.open_connection()
        data = segment(101, b"answer")
        bench.primary(data)
        bench.connect(getattr(bench, which), False)
        assert bench.compare.following.state == "lost"
        assert bench.wait(TIMEOUT - 2 * A_LITTLE) == []
        assert bench.wait(4 * A_LITTLE) == [data]
        new = segment(100, flags=SYN | ACK, port=40001)
        assert bench.primary(new) == [new]
    assert bench.kinds == []
    assert sum("becomes unprotected" in formatEvent(event) for event in logs) == 1
    assert bench.counters["losses"] == 1


def test_a_lost_channel_with_a_colo_peer_lets_all_go_when_it_answers_and_says_lost_until_then() -> None:
    with capturedLogs() as logs:
        bench = followed("", PEER)
        peer = bench.house.object("peer0")
        bench.open_connection()
        data = segment(101, b"answer")
        bench.primary(data)
        bench.connect(bench.s, False)
        assert peer.asked[-1] == ("name", None)
        assert bench.wait(3 * TIMEOUT) == []
        before = len(bench.o.packets)
        peer.answer()
        assert bench.o.packets[before:] == [data]
    assert sum("the secondary does not answer" in formatEvent(event) for event in logs) == 1


def test_when_the_channel_is_back_new_connections_are_followed_and_old_ones_not() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.connect(bench.s, False)
    peer.answer()
    bench.connect(bench.s, True)
    assert peer.asked[-1] == ("protect new",)
    peer.answer()
    assert bench.compare.following.state == "synced"
    old = segment(101, b"old")
    assert bench.primary(old) == [old]
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"new", port=40001)) == []


def test_a_channel_that_is_back_before_the_answer_is_joined_after_it() -> None:
    bench = followed("", PEER)
    peer = bench.house.object("peer0")
    bench.connect(bench.s, False)
    bench.connect(bench.s, True)
    assert bench.compare.following.state == "lost"
    peer.answer()
    assert peer.asked[-1] == ("protect new",)
    peer.answer()
    assert bench.compare.following.state == "synced"


def test_with_a_checkpointer_a_secondary_that_is_back_is_followed_after_a_checkpoint() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    checkpointer = bench.house.object("cp0")
    bench.open_connection()
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    bench.connect(bench.s, True)
    assert checkpointer.is_asked
    assert bench.compare.following.state == "joining"
    checkpointer.ends()
    assert bench.compare.following.state == "synced"
    assert bench.primary(segment(101, b"old")) == []  # protected again, from the checkpoint on


def test_a_secondary_that_is_back_is_followed_from_dones_answer_on_with_a_colo_peer_too() -> None:
    """Not only when it has answered that new connections are protected: what is open is held from the flush on."""
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.open_connection()
    bench.connect(bench.s, False)
    peer.answer()
    bench.connect(bench.s, True)
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert bench.compare.following.state == "synced"
    bench.secondary(marker_packet(peer.nonce))
    data = segment(101, b"old")
    assert bench.both(data) == [data]


def test_a_channel_that_is_lost_during_a_checkpoint_leaves_nothing_held_for_good() -> None:
    bench = followed(",checkpoint=cp0", CHECKPOINTER)
    bench.open_connection()
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    bench.connect(bench.s, False)
    bench.wait(TIMEOUT + 1)
    bench.house.object("cp0").ends()
    data = segment(104, b"more")
    assert bench.primary(data) == [data]


def test_what_the_secondary_has_said_before_a_checkpoint_lets_nothing_out_while_it_is_made() -> None:
    bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
    peer = bench.house.object("peer0")
    bench.open_connection()
    bench.open_connection(port=40001)
    ahead = segment(101, b"ahead", port=40001)
    bench.secondary(ahead)
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    peer.answer()  # BEGIN's: the secondary's guest stands still
    assert bench.primary(ahead) == []


def test_a_failed_checkpoint_makes_the_secondary_invalid_and_another_is_asked_for() -> None:
    with capturedLogs() as logs:
        bench = followed(",checkpoint=cp0", f"{PEER} {CHECKPOINTER}")
        peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
        bench.open_connection()
        bench.primary(segment(101, b"one"))
        bench.secondary(segment(101, b"two"))
        peer.answer()
        checkpointer.ends(Outcome.FAILED)
        assert ("abort", False) in peer.asked
        assert ("name", None) in peer.asked
        peer.answer()
        new = segment(100, flags=SYN | ACK, port=40001)
        assert bench.primary(new) == [new]  # nothing waits for a guest that stands still
    assert any("the secondary is invalid until a checkpoint is made" in formatEvent(event) for event in logs)
    bench.wait(11)
    peer.answer()
    assert checkpointer.is_asked
    checkpointer.ends()
    peer.answer()
    assert bench.compare.following.state == "synced"


def test_a_secondary_that_does_not_say_that_it_follows_is_told_of() -> None:
    with capturedLogs() as logs:
        bench = Bench("", PEER)
        bench.wait(TIMEOUT + 1)
    assert bench.compare.following.state == "joining"
    assert sum("the secondary does not say that it follows" in formatEvent(event) for event in logs) == 1


def test_connections_that_began_while_the_secondary_was_asked_to_follow_are_named() -> None:
    bench = Bench("", PEER)
    peer = bench.house.object("peer0")
    syn = segment(100, flags=SYN | ACK)
    assert bench.primary(syn) == [syn]
    peer.answer()
    assert peer.asked[-1] == ("name", 1)
    data = segment(101, b"answer")
    assert bench.primary(data) == [data]


def test_a_rules_connections_are_named_again_after_a_checkpoint() -> None:
    objects = f"{PEER} {CHECKPOINTER} -object colo-passthrough,id=pt0,protocol=tcp,destination-port=80"
    bench = followed(",checkpoint=cp0", objects)
    peer, checkpointer = bench.house.object("peer0"), bench.house.object("cp0")
    bench.primary(segment(100, flags=SYN | ACK))
    assert peer.asked[-1] == ("name", 1)
    peer.answer()
    ping = bytes.fromhex("4500001c 00000000 40010000 0a000002 0a000001 0000000000010001")
    bench.primary(packet()[:12] + b"\x08\x00" + ping)
    bench.wait(TIMEOUT + 1)  # a divergence
    peer.answer()
    checkpointer.ends()
    peer.answer()
    assert peer.asked[-1] == ("name", 1)


def test_a_mirror_without_a_peer_is_a_channel_that_is_down() -> None:
    mirror = "-netdev fake,id=hn0 -chardev fake,id=m -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=m"
    bench = followed("", mirror)
    bench.open_connection()
    bench.connect(bench.house.chardev("m"), False)
    assert bench.compare.following.state == "lost"
    bench.wait(TIMEOUT + 1)
    bench.connect(bench.house.chardev("m"), True)
    assert bench.compare.following.state == "synced"


def test_two_comparers_cannot_have_one_colo_peer() -> None:
    chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p2", "s2", "o2"))
    other = f"{chardevs} -object colo-compare,id=comp1,primary_in=p2,secondary_in=s2,outdev=o2"
    with pytest.raises(StartError, match="colo-peer 'peer0' is another colo-compare's"):
        Bench("", f"{PEER} {other}")


def test_a_step_of_the_wall_clock_expires_nothing() -> None:
    wall, steady = Clock(), Clock()
    chardevs = " ".join(f"-chardev fake,id={id}" for id in ("p", "s", "o"))
    line = f"{chardevs} -object colo-compare,id=comp0,primary_in=p,secondary_in=s,outdev=o"
    machine = Machine(parse_arguments(line.split(), TYPES), wall, steady.seconds)
    machine.privilegedStartService()
    machine.startService()
    ends: Any = machine.chardevs
    for end in ("p", "s"):
        ends[end].deliver(batch_of(segment(100, flags=SYN | ACK)))
    before = len(ends["o"].packets)
    ends["p"].deliver(batch_of(segment(101, b"answer")))
    wall.advance(3600)
    assert len(ends["o"].packets) == before
    steady.advance(TIMEOUT + 1)
    wall.advance(TIMEOUT + 1)
    assert len(ends["o"].packets) == before + 1


def test_a_flow_that_waited_already_is_let_go_before_one_that_differs() -> None:
    bench = followed()
    bench.open_connection()
    bench.open_connection(port=40001)
    bench.primary(segment(101, b"in vain", port=40001))
    bench.wait(TIMEOUT - 0.5)
    bench.primary(segment(101, b"one"))
    bench.secondary(segment(101, b"two"))
    assert bench.wait(1) == [segment(101, b"in vain", port=40001)]


def test_a_colo_peer_that_closes_lets_all_go() -> None:
    bench = followed("", PEER)
    bench.open_connection()
    data = segment(101, b"answer")
    bench.primary(data)
    before = len(bench.o.packets)
    bench.house.object("peer0").come_or_go(False)
    assert bench.o.packets[before:] == [data]


def test_a_secondary_that_falls_silent_is_lost_once_and_followed_when_it_speaks_again() -> None:
    bench = followed()
    bench.fall_silent()
    assert bench.counters["losses"] == 1
    bench.wait(TIMEOUT + 1)
    new = segment(100, flags=SYN | ACK, port=40003)
    assert bench.primary(new) == [new]
    bench.secondary(packet("anything"))
    assert bench.compare.following.state == "synced"
    bench.open_connection(port=40004)


def test_what_is_released_while_outdev_has_no_peer_or_lags_is_dropped_by_name() -> None:
    bench = followed()
    bench.o.connected = False
    bench.primary(packet("passes")[:12] + b"\x08\x06" + bytes(46))
    assert bench.counters["dropped_no_peer"] == 1
    bench.o.connected = True
    bench.o.backlog = 1 << 30
    bench.primary(packet("passes")[:12] + b"\x08\x06" + bytes(46))
    assert bench.counters["dropped_backlog"] == 1


def test_the_ring_of_divergences_is_bounded_and_has_both_packets() -> None:
    bench = followed(",on_divergence=release")
    for port in range(40000, 40200):
        bench.open_connection(port)
        bench.primary(segment(101, b"one", port=port))
        bench.secondary(segment(101, b"two", port=port))
    kept = bench.compare.divergences.kept
    assert len(kept) == 128
    assert kept[-1].packet == segment(101, b"one", port=40199)
    assert kept[-1].other == segment(101, b"two", port=40199)
    assert (kept[-1].seq, kept[-1].offset) == (101, 0)


def test_a_divergence_of_which_there_are_many_does_not_flood_the_log() -> None:
    with capturedLogs() as logs:
        bench = followed(",on_divergence=release")
        for port in range(40000, 40200):
            bench.open_connection(port)
            bench.primary(segment(101, b"one", port=port))
            bench.secondary(segment(101, b"two", port=port))
    assert sum("divergence (" in formatEvent(event) for event in logs) <= 5


def test_a_passthrough_rule_comes_and_goes_while_it_runs() -> None:
    objects = "-object colo-passthrough,id=pt0,protocol=tcp,destination-port=80"
    bench = followed("", objects)
    first = segment(100, flags=SYN | ACK)
    assert bench.primary(first) == [first]
    bench.house.object("pt0").stop()
    bench.open_connection(port=40001)
    assert bench.primary(segment(101, b"held", port=40001)) == []
    before = len(bench.o.packets)
    bench.house.object("pt0").start()
    assert bench.o.packets[before:] == [segment(101, b"held", port=40001)]


def test_nothing_is_left_on_the_clock_when_it_stops() -> None:
    bench = followed("", PEER)
    bench.open_connection()
    bench.primary(segment(101, b"answer", flags=ACK | FIN))
    bench.connect(bench.s, False)
    bench.compare.stop()
    assert not bench.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("more", "objects", "why"),
    [
        (",checkpoint=p0", "-object iothread,id=p0", "makes no checkpoints"),
        (",peer=p0", "-object iothread,id=p0", "is no colo-peer"),
        ("", "-object fake-peer,id=a -object fake-peer,id=b", "must say which colo-peer is its own"),
    ],
)
def test_parts_that_do_not_fit_are_refused_at_the_start(more: str, objects: str, why: str) -> None:
    with pytest.raises(StartError, match=why):
        Bench(more, objects)
