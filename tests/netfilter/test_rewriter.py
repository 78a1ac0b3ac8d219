"""filter-rewriter on its chain: both ways, a checkpoint in between, and what is forgotten in time."""

from __future__ import annotations

import struct

import pytest

from colo_twisted.interfaces import Direction
from colo_twisted.options.errors import OptionError
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.marker import marker_packet
from colo_twisted.packets.page import Page
from colo_twisted.packets.sequence import Offsets
from tests.support.fakes import batch_of, packet
from tests.support.house import House
from tests.support.replicas import CLIENT, GUEST
from tests.support.segments import ACK, RST, SYN, Address, Segment
from tests.support.strategies import Frame, batch_of_frames, frames_of

CABLE = "-netdev fake,id=hn0 -netdev fake,id=guest -device e1000,netdev=hn0,guest=guest"
OTHER = packet("not TCP", 1000)
MARKER = marker_packet(b"n" * 16)
KEY = GUEST.ip + CLIENT.ip + struct.pack(">HH", GUEST.port, CLIENT.port)
OUT = Segment(5001, 101, payload=b"answer").packet(GUEST, CLIENT)


def a_house(properties: str = "", more: str = "") -> House:
    return House(f"{CABLE} -object filter-rewriter,id=rew0,netdev=hn0,queue=all{properties}{more}").start()


def from_client(house: House, segment: Segment) -> None:
    house.netdev("hn0").receive(batch_of(segment.packet(CLIENT, GUEST)))


def from_guest(house: House, segment: Segment) -> None:
    house.netdev("guest").receive(batch_of(segment.packet(GUEST, CLIENT)))


def opened(house: House) -> House:
    """A client's connection; the secondary's ISN is 5000, the primary's 3000."""
    from_client(house, Segment(100, flags=SYN))
    from_guest(house, Segment(5000, 101, SYN | ACK))
    from_client(house, Segment(101, 3001))
    return house


def last(house: House, netdev: str) -> Segment:
    segment = Segment.of(house.netdev(netdev).packets[-1])
    assert segment is not None
    return segment


def test_acks_are_rewritten_towards_the_guest_and_seq_from_it() -> None:
    house = opened(a_house())
    assert last(house, "guest").ack == 5001
    from_guest(house, Segment(5001, 101, payload=b"answer"))
    assert last(house, "hn0") == Segment(3001, 101, payload=b"answer")
    counters = house.object("rew0").counters
    assert (counters.connections, counters.learnt, counters.rewritten_ack, counters.rewritten_seq) == (1, 1, 1, 1)


@pytest.mark.parametrize("queue", ["rx", "tx"])
def test_one_direction_alone_is_refused(queue: str) -> None:
    with pytest.raises(OptionError, match=rf"property 'queue' takes all only: .*; got '{queue}'"):
        House(f"{CABLE} -object filter-rewriter,id=rew0,netdev=hn0,queue={queue}")


def test_unless_set_it_follows_a_million_connections_and_keeps_64_megabytes() -> None:
    rewriter = a_house().object("rew0")
    assert rewriter.max_connections == 1048576
    assert rewriter.directions == frozenset(Direction)


@pytest.mark.parametrize("properties", ["", ",vnet_hdr_support=on", ",vnet_hdr_support=off"])
def test_vnet_headers_stay_whatever_the_property_says(properties: str) -> None:
    house = opened(a_house(properties))
    frame = Frame(OUT, bytes(10))
    house.netdev("guest").receive(batch_of_frames([frame, Frame(OTHER, b"\1" * 12)], True))
    (sent, other) = frames_of(house.netdev("hn0").sent[-1])
    assert (sent.header, len(sent.packet)) == (bytes(10), len(OUT))
    assert other == Frame(OTHER, b"\1" * 12)


def test_a_batch_in_which_nothing_changes_passes_as_the_same_object() -> None:
    house = a_house()
    batch = batch_of(OTHER, OUT)
    house.netdev("guest").receive(batch)
    assert house.netdev("hn0").sent[-1] is batch


def test_an_owed_ack_goes_to_the_guest_past_the_filters_behind_it_only() -> None:
    house = House(
        f"{CABLE} -chardev fake,id=before -chardev fake,id=after"
        " -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=before"
        " -object filter-rewriter,id=rew0,netdev=hn0"
        " -object filter-mirror,id=m1,netdev=hn0,queue=tx,outdev=after"
    ).start()
    opened(house)
    from_client(house, Segment(101, 3001 + 6))
    seen = len(house.chardev("before").packets)
    from_guest(house, Segment(5001, 101, payload=b"answer"))
    assert last(house, "guest").ack == 5007
    assert house.chardev("after").packets[-1] == house.netdev("guest").packets[-1]
    assert len(house.chardev("before").packets) == seen


def test_while_off_it_is_passed_by() -> None:
    house = a_house(",status=off")
    opened(house)
    assert last(house, "guest").ack == 3001
    house.object("rew0").end_checkpoint({}, MARKER)
    assert MARKER not in house.netdev("hn0").packets


# time


def test_the_timer_runs_only_while_there_is_something_to_expire() -> None:
    house = a_house()
    assert house.reactor.getDelayedCalls() == []
    from_client(house, Segment(100, flags=SYN))
    assert len(house.reactor.getDelayedCalls()) == 1
    house.reactor.pump([1.0] * 64)
    assert house.reactor.getDelayedCalls() == []
    counters = house.object("rew0").counters
    assert (counters.connections, counters.expired) == (0, 1)


def test_stopping_ends_the_timer() -> None:
    house = opened(a_house())
    house.machine.stopService()
    assert house.reactor.getDelayedCalls() == []


def test_max_connections() -> None:
    house = opened(a_house(",max_connections=1"))
    rewriter = house.object("rew0")
    other = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + 1)
    house.netdev("guest").receive(batch_of(Segment(9, 9).packet(GUEST, other)))
    assert (rewriter.counters.connections, rewriter.counters.not_followed) == (1, 1)


# checkpoints


def test_a_checkpoint_stops_both_ways_and_then_the_marker_goes_first() -> None:
    house = opened(a_house())
    rewriter, hn0, guest = house.object("rew0"), house.netdev("hn0"), house.netdev("guest")
    sent, given = len(hn0.packets), len(guest.packets)
    rewriter.begin_checkpoint()
    house.netdev("guest").receive(batch_of(OUT, OTHER))
    from_client(house, Segment(101, 3001))
    assert (len(hn0.packets), len(guest.packets)) == (sent, given)
    rewriter.end_checkpoint({KEY: Offsets(7, 0)}, MARKER)
    assert hn0.packets[sent:] == [MARKER], "what the guest sent before is of another state"
    assert last(house, "guest").ack == 3008
    from_guest(house, Segment(3008, 101))
    assert last(house, "hn0").seq == 3001
    assert (rewriter.counters.kept, rewriter.counters.dropped_superseded) == (3, 2)


def test_offsets_that_are_not_zero_are_what_a_checkpoint_of_this_guest_carries() -> None:
    house = opened(a_house())
    other = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + 1)
    house.netdev("guest").receive(batch_of(Segment(9, 9).packet(GUEST, other)))
    assert house.object("rew0").offsets() == {KEY: Offsets(2000, 0)}


def test_an_abort_with_the_guest_unchanged_lets_all_go_with_the_old_offsets() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    house.netdev("guest").receive(batch_of(OUT, OTHER))
    from_client(house, Segment(101, 3001, payload=b"more"))
    rewriter.abort_checkpoint(True)
    first = Segment.of(house.netdev("hn0").packets[-2])
    assert first is not None
    assert first.seq == 3001
    assert house.netdev("hn0").packets[-1] == OTHER
    assert last(house, "guest") == Segment(101, 5001, payload=b"more")
    from_guest(house, Segment(5007, 105))
    assert last(house, "hn0").seq == 3007


def test_an_abort_with_the_guest_unknown_keeps_it_stopped_until_the_next_checkpoint() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    counted = len(house.netdev("hn0").packets), len(house.netdev("guest").packets)
    rewriter.begin_checkpoint()
    from_client(house, Segment(101, 3001))
    rewriter.abort_checkpoint(False)
    from_client(house, Segment(101, 3001))
    house.netdev("guest").receive(batch_of(OUT))
    assert (len(house.netdev("hn0").packets), len(house.netdev("guest").packets)) == counted
    assert rewriter.counters.dropped_invalid == 3
    rewriter.begin_checkpoint()
    from_client(house, Segment(101, 3001))
    rewriter.end_checkpoint({}, MARKER)
    assert last(house, "guest").ack == 3001
    assert house.netdev("hn0").packets[-1] == MARKER


def test_what_a_guest_says_once_it_has_turned_is_kept_until_the_checkpoint_ends() -> None:
    house = opened(a_house())
    rewriter, hn0 = house.object("rew0"), house.netdev("hn0")
    sent = len(hn0.packets)
    rewriter.begin_checkpoint()
    house.netdev("guest").receive(batch_of(OUT, OTHER))
    rewriter.guest_turned()
    from_guest(house, Segment(3001, 101, payload=b"new"))
    rewriter.begin_checkpoint()
    from_client(house, Segment(101, 3001, payload=b"more"))
    rewriter.end_checkpoint({}, MARKER)
    assert hn0.packets[sent] == MARKER
    assert [Segment.of(packet) for packet in hn0.packets[sent + 1 :]] == [Segment(3001, 101, payload=b"new")]
    assert last(house, "guest") == Segment(101, 3001, payload=b"more")
    assert rewriter.counters.dropped_superseded == 2


def test_the_next_checkpoint_has_a_turn_of_its_own() -> None:
    house = opened(a_house())
    rewriter, hn0 = house.object("rew0"), house.netdev("hn0")
    for _ in range(2):
        rewriter.begin_checkpoint()
        rewriter.guest_turned()
        rewriter.end_checkpoint({}, MARKER)
    sent = len(hn0.packets)
    rewriter.begin_checkpoint()
    house.netdev("guest").receive(batch_of(OUT))
    rewriter.end_checkpoint({}, MARKER)
    assert hn0.packets[sent:] == [MARKER]


def test_a_checkpoint_that_nobody_waits_for_ends_without_a_marker() -> None:
    house = opened(a_house())
    rewriter, sent = house.object("rew0"), len(house.netdev("hn0").packets)
    rewriter.begin_checkpoint()
    rewriter.end_checkpoint({}, None)
    assert len(house.netdev("hn0").packets) == sent
    from_guest(house, Segment(3001, 101, payload=b"new"))
    assert last(house, "hn0").seq == 3001


def test_a_failover_in_the_middle_takes_a_guest_that_has_turned_as_the_new_one() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    rewriter.guest_turned()
    from_guest(house, Segment(3001, 101, payload=b"new"))
    rewriter.fail_over()
    assert last(house, "hn0") == Segment(3001, 101, payload=b"new")


def test_what_waits_has_a_bound_each_way() -> None:
    house = a_house(",max_backlog=128K")
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    for netdev in ("hn0", "guest"):
        for _ in range(140):
            house.netdev(netdev).receive(batch_of(OTHER))
    assert (rewriter.counters.kept, rewriter.counters.dropped_backlog) == (260, 20)
    rewriter.abort_checkpoint(True)
    assert len(house.netdev("guest").packets) == len(house.netdev("hn0").packets) == 130


def test_stopping_in_a_checkpoint_drops_what_waits_by_name() -> None:
    house = a_house()
    house.object("rew0").begin_checkpoint()
    house.netdev("hn0").receive(batch_of(OTHER))
    house.machine.stopService()
    assert house.object("rew0").counters.dropped_stopped == 1
    assert house.netdev("guest").sent == []


def test_protection_is_remembered() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.unprotect([KEY])
    assert rewriter.unprotected() == [KEY]
    rewriter.begin_checkpoint()
    rewriter.end_checkpoint({}, MARKER)
    assert rewriter.unprotected() == []
    rewriter.unprotect(None)
    rewriter.protect_new()
    assert rewriter.unprotected() == [KEY]


def test_a_failover_lets_known_connections_go_on() -> None:
    house = opened(a_house())
    house.object("rew0").fail_over()
    house.netdev("guest").receive(Batch.from_packets([OUT]))
    assert last(house, "hn0").seq == 3001


def test_a_failover_takes_a_guest_that_was_stopped_as_it_is() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    rewriter.abort_checkpoint(False)
    rewriter.fail_over()
    from_guest(house, Segment(5001, 101, payload=b"answer"))
    assert last(house, "hn0").seq == 3001


# while all else runs on


def stopped(house: House) -> House:
    """A checkpoint has begun; a segment of either way waits for its end."""
    house.object("rew0").begin_checkpoint()
    house.netdev("guest").receive(batch_of(OUT, OTHER))
    from_client(house, Segment(101, 3001, payload=b"more"))
    return house


def handed_on(house: House) -> bool:
    """Whether both ways have got it, rewritten and in order."""
    *_, first, second = house.netdev("hn0").packets
    return (
        Segment.of(first) == Segment(3001, 101, payload=b"answer")
        and second == OTHER
        and last(house, "guest") == Segment(101, 5001, payload=b"more")
    )


def test_one_that_is_removed_hands_on_what_waits_for_a_checkpoint() -> None:
    house = stopped(opened(a_house()))
    house.machine.remove("object", "rew0")
    assert handed_on(house)
    assert house.reactor.getDelayedCalls() == []
    from_client(house, Segment(101, 3001, payload=b"more"))
    assert last(house, "guest").ack == 3001, "nobody rewrites any more"


def test_one_that_is_removed_hands_on_what_a_guest_has_said_since_it_turned() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    rewriter.begin_checkpoint()
    rewriter.guest_turned()
    from_guest(house, Segment(3001, 101, payload=b"new"))
    house.machine.remove("object", "rew0")
    assert last(house, "hn0") == Segment(3001, 101, payload=b"new")


def test_one_that_is_removed_hands_on_nothing_of_a_guest_whose_state_is_unknown() -> None:
    house = opened(a_house())
    rewriter = stopped(house).object("rew0")
    rewriter.abort_checkpoint(False)
    counted = len(house.netdev("hn0").packets), len(house.netdev("guest").packets)
    house.machine.remove("object", "rew0")
    assert (len(house.netdev("hn0").packets), len(house.netdev("guest").packets)) == counted


def test_one_that_is_switched_off_hands_on_what_waits_and_on_again_waits_for_the_same_checkpoint() -> None:
    house = stopped(opened(a_house()))
    house.machine.change("rew0", "status", False)
    assert handed_on(house)
    from_guest(house, Segment(5007, 101, payload=b"!"))
    assert last(house, "hn0").seq == 5007, "off: as if it weren't there"
    house.machine.change("rew0", "status", True)
    counted = len(house.netdev("hn0").packets)
    from_guest(house, Segment(5007, 101, payload=b"!"))
    assert len(house.netdev("hn0").packets) == counted
    house.object("rew0").abort_checkpoint(True)
    assert last(house, "hn0").seq == 3007


def test_other_limits_hold_at_once() -> None:
    house = opened(a_house(",max_connections=1"))
    rewriter = house.object("rew0")
    house.machine.change("rew0", "max_connections", 2)
    other = Address(CLIENT.mac, CLIENT.ip, CLIENT.port + 1)
    house.netdev("guest").receive(batch_of(Segment(9, 9).packet(GUEST, other)))
    assert (rewriter.counters.connections, rewriter.counters.not_followed) == (2, 0)
    house.machine.change("rew0", "max_backlog", 1 << 20)
    rewriter.begin_checkpoint()
    for _ in range(140):
        house.netdev("hn0").receive(batch_of(OTHER))
    assert rewriter.counters.dropped_backlog == 0


# what an operator sees


def test_connections_are_listed_piece_by_piece() -> None:
    house = opened(a_house())
    rewriter = house.object("rew0")
    assert rewriter.connections(0, 10) == Page(
        [
            {
                "connection": "TCP 10.0.0.2:80 to 10.0.0.1:40000",
                "state": "open",
                "sequence-offset": 2000,
                "timestamp-offset": 0,
            }
        ],
        1,
    )
    for port in range(3):
        other = Address(CLIENT.mac, CLIENT.ip, port + 1)
        house.netdev("guest").receive(batch_of(Segment(9, 9).packet(GUEST, other)))
    whole = rewriter.connections(0, 10)
    assert (len(whole.rows), whole.total) == (4, 4)
    assert [rewriter.connections(at, 3).rows for at in (0, 3, 6)] == [whole.rows[:3], whole.rows[3:], []]


def test_the_state_of_a_connection_is_a_word() -> None:
    house = a_house()
    rewriter = house.object("rew0")

    def state() -> str:
        (row,) = rewriter.connections(0, 1).rows
        return row["state"]

    from_client(house, Segment(100, flags=SYN))
    assert state() == "proposed"
    from_guest(house, Segment(5000, 101, SYN | ACK))
    assert state() == "opening"
    from_client(house, Segment(101, 3001))
    assert state() == "open"
    rewriter.unprotect([KEY])
    assert state() == "unprotected"
    from_guest(house, Segment(5001, 101, RST | ACK))
    assert state() == "closed"
