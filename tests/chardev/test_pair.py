"""The pair: a batch goes over at once; a circle neither recurses, nor starves others, nor grows."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.chardev.pair import MOST_A_TURN, MOST_DEFERRED, PAIR, PairEnd, PairProperties
from colo_twisted.interfaces import FrontEnd
from colo_twisted.interfaces.frames import Ended
from colo_twisted.options import OptionError, StartError, declare
from colo_twisted.options.keyval import split
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import with_vnet_headers
from tests.support.fakes import FakeMachine, batch_of, packet, recording_front_end
from tests.support.house import House, Turns, make

FRAMES = batch_of(packet("one"), packet("two"))


class Pair:
    """Two ends and the turns of the reactor between them."""

    def __init__(self) -> None:
        machine = FakeMachine()
        self.reactor = machine.reactor = Turns()
        ends: tuple[PairEnd, PairEnd] = make(PAIR, "id=a,peer=b", machine)
        self.a, self.b = ends

    def turns(self, most: int = 10_000) -> int:
        """Let turns pass until nothing is left to do; how many it took."""
        for number in range(most):
            if not self.reactor.getDelayedCalls():
                return number
            self.reactor.turn()
        raise AssertionError(f"there is no end to it after {most} turns")


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_one_option_makes_both_ends(pair: Pair) -> None:
    assert (pair.a.id, pair.b.id) == ("a", "b")
    properties = declare.parse(PairProperties, split("id=a,peer=b"))
    assert properties.also_makes() == ("b",)
    assert list(House("-chardev pair,id=a,peer=b").machine.chardevs) == ["a", "b"]


def test_a_pair_with_itself_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"^property 'peer' takes another id than 'id'$"):
        declare.parse(PairProperties, split("id=a,peer=a"))


# delivery


def test_a_batch_is_there_at_once_and_as_it_is_both_ways(pair: Pair) -> None:
    one, at_a, _, pressures_a = recording_front_end()
    other, at_b, _, pressures_b = recording_front_end()
    pair.a.attach(one)
    pair.b.attach(other)
    pair.a.write(FRAMES)
    assert [batch is FRAMES for batch in at_b] == [True]
    pair.b.write(FRAMES)
    assert [batch is FRAMES for batch in at_a] == [True]
    assert pair.reactor.getDelayedCalls() == []
    assert pair.a.backlog == pair.b.backlog == 0
    assert pressures_a == pressures_b == []
    for end in (pair.a, pair.b):
        assert (end.counters.frames_out, end.counters.bytes_out) == (2, len(FRAMES.data))


def test_without_anybody_at_the_other_end_frames_are_dropped_by_name(pair: Pair) -> None:
    pair.a.attach(FrontEnd("a writer"))
    pair.a.write(FRAMES)
    assert pair.a.counters.dropped_no_peer == 2
    pair.b.attach(FrontEnd("one that only writes too"))
    pair.a.write(FRAMES)
    assert pair.a.counters.dropped_no_peer == 4
    assert pair.a.counters.frames_out == 0


def test_nobody_is_dropped_on_a_disconnect(pair: Pair) -> None:
    front_end, received, connections, _ = recording_front_end()
    pair.a.attach(FrontEnd("a writer"))
    pair.b.attach(front_end)
    pair.a.disconnect("a test")
    assert pair.a.connected
    pair.a.write(FRAMES)
    assert received == [FRAMES]
    assert connections == [True]


# coming and going


def test_both_are_told_when_the_second_comes(pair: Pair) -> None:
    one, _, connections_a, _ = recording_front_end()
    other, _, connections_b, _ = recording_front_end()
    pair.a.attach(one)
    assert not pair.a.connected
    assert connections_a == []
    pair.b.attach(other)
    assert pair.a.connected
    assert pair.b.connected
    assert connections_a == connections_b == [True]


def test_the_one_that_stays_is_told_when_the_other_goes_and_comes_again(pair: Pair) -> None:
    one, received, connections, _ = recording_front_end()
    pair.a.attach(one)
    pair.b.attach(FrontEnd("a guest"))
    pair.b.detach()
    assert not pair.a.connected
    assert connections == [True, False]
    pair.b.detach()
    assert connections == [True, False]
    pair.b.attach(FrontEnd("another guest"))
    assert connections == [True, False, True]
    pair.b.write(FRAMES)
    assert received == [FRAMES]


def test_who_stays_can_be_asked_how_it_ended_and_so_can_who_went(pair: Pair) -> None:
    seen: list[tuple[bool, Ended | None]] = []
    pair.a.attach(FrontEnd("a test", connection_changed=lambda connected: seen.append((connected, pair.a.ended))))
    assert (pair.a.ended, pair.b.ended) == (None, None)
    pair.b.detach()
    assert (pair.a.ended, pair.b.ended) == (None, None)
    for _ in range(2):
        pair.b.attach(FrontEnd("a guest"))
        assert (pair.a.ended, pair.b.ended) == (None, None)
        pair.b.close()
        assert (pair.a.ended, pair.b.ended) == (Ended.BY_PEER, Ended.BY_US)
    pair.a.detach()
    assert (pair.a.ended, pair.b.ended) == (Ended.BY_PEER, Ended.BY_US)
    assert seen == [(True, None), (False, Ended.BY_PEER)] * 2


def test_the_last_one_to_go_tells_nobody(pair: Pair) -> None:
    one, _, connections, _ = recording_front_end()
    pair.a.attach(one)
    pair.a.detach()
    assert connections == []
    assert not pair.b.connected


def test_closing_takes_both_front_ends_away(pair: Pair) -> None:
    pair.a.attach(FrontEnd("a writer"))
    front_end, received, connections, _ = recording_front_end()
    pair.b.attach(front_end)
    pair.a.close()
    pair.b.close()
    pair.a.write(FRAMES)
    assert received == []
    assert connections == [True, False]
    assert pair.a.counters.dropped_no_peer == 2


# vnet headers


def test_ends_that_do_not_agree_on_vnet_headers_are_an_error_that_names_both(pair: Pair) -> None:
    pair.a.attach(FrontEnd("filter-mirror 'm0'", vnet_hdr=True))
    with pytest.raises(
        StartError,
        match=r"^chardevs 'b' and 'a' are a pair: vnet_hdr_support must be the same"
        r" for filter-redirector 'f1' and filter-mirror 'm0'$",
    ):
        pair.b.attach(FrontEnd("filter-redirector 'f1'"))
    assert pair.b.front_end is None
    assert not pair.a.connected


def test_such_a_machine_cannot_be_built() -> None:
    with pytest.raises(StartError, match="filter-redirector 'f1' and filter-mirror 'm0'"):
        House(
            "-netdev fake,id=hn0 -chardev pair,id=a,peer=b"
            " -object filter-mirror,id=m0,netdev=hn0,outdev=a,vnet_hdr_support"
            " -object filter-redirector,id=f1,netdev=hn0,indev=b"
        )


@pytest.mark.parametrize("vnet_hdr", [True, False])
def test_frames_come_in_the_form_that_both_ends_named(pair: Pair, vnet_hdr: bool) -> None:
    front_end, received, _, _ = recording_front_end(vnet_hdr)
    pair.a.attach(FrontEnd("a writer", vnet_hdr))
    pair.b.attach(front_end)
    pair.a.write(FRAMES)
    pair.a.write(with_vnet_headers(FRAMES))
    assert [batch.vnet_hdr for batch in received] == [vnet_hdr, vnet_hdr]
    assert [list(batch.packets()) for batch in received] == [list(FRAMES.packets())] * 2


def test_a_frame_that_needs_its_vnet_header_is_dropped_by_name_where_there_are_none(pair: Pair) -> None:
    front_end, received, _, _ = recording_front_end()
    pair.a.attach(FrontEnd("a writer"))
    pair.b.attach(front_end)
    to_be_cut = b"\0\1" + bytes(8)  # gso_type TCPv4
    body = to_be_cut + packet("large")
    frame = len(body).to_bytes(4, "big") + len(to_be_cut).to_bytes(4, "big") + body
    pair.a.write(Batch(frame, [0, len(frame)], vnet_hdr=True))
    assert received == []
    whole = with_vnet_headers(batch_of(packet("small")))
    pair.a.write(Batch(frame + whole.data, [0, len(frame), len(frame) + len(whole.data)], vnet_hdr=True))
    assert [list(batch.packets()) for batch in received] == [[packet("small")]]
    assert pair.a.counters.dropped_needs_vnet_hdr == 2
    assert pair.a.counters.frames_out == 1


# circles


class Echo:
    """A front end that writes everything back where it came from, and so does the one that faces it."""

    def __init__(self, pair: Pair) -> None:
        self.depth = self.deepest = 0
        self.rounds = 0
        self.pair = pair
        pair.a.attach(FrontEnd("one", receive=lambda batch: self.back(pair.a, batch)))
        pair.b.attach(FrontEnd("other", receive=lambda batch: self.back(pair.b, batch)))

    def back(self, end: PairEnd, batch: Batch) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        self.rounds += 1
        end.write(batch)
        self.depth -= 1


def test_a_circle_goes_round_once_a_turn(pair: Pair) -> None:
    echo = Echo(pair)
    pair.a.write(FRAMES)
    for turn in range(1000):
        assert echo.rounds == 2 + 2 * turn
        pair.reactor.turn()
    assert echo.deepest == 2
    assert len(pair.reactor.getDelayedCalls()) == 1


def test_however_much_goes_round_a_turn_delivers_a_bounded_part(pair: Pair) -> None:
    echo = Echo(pair)
    for _ in range(5 * MOST_A_TURN):
        pair.a.write(FRAMES)
    for _ in range(20):
        before = echo.rounds
        pair.reactor.turn()
        assert 0 < echo.rounds - before <= 2 * MOST_A_TURN
        assert len(pair.reactor.getDelayedCalls()) <= 2


def test_what_goes_round_is_bounded_and_the_rest_dropped_by_name(pair: Pair) -> None:
    Echo(pair)
    megabyte = batch_of(*[packet("x", 65536)] * 16)
    for _ in range(100):
        pair.a.write(megabyte)
    kept = MOST_DEFERRED // len(megabyte.data)
    dropped = pair.a.counters.dropped_loop + pair.b.counters.dropped_loop
    assert dropped == 16 * (100 - kept)
    for _ in range(5):
        pair.reactor.turn()
    assert pair.a.counters.dropped_loop + pair.b.counters.dropped_loop == dropped


def test_there_is_room_again_when_a_circle_has_been_opened(pair: Pair) -> None:
    Echo(pair)
    megabyte = batch_of(*[packet("x", 65536)] * 16)
    for _ in range(20):
        pair.a.write(megabyte)
    before = pair.a.counters.dropped_loop
    assert before > 0
    pair.b.detach()
    pair.turns()
    front_end, received, _, _ = recording_front_end()
    pair.b.attach(front_end)
    pair.a.write(megabyte)
    assert received == [megabyte]
    assert pair.a.counters.dropped_loop == before


def test_what_waits_is_dropped_by_name_if_the_other_goes_meanwhile(pair: Pair) -> None:
    echo = Echo(pair)
    pair.a.write(FRAMES)
    assert echo.rounds == 2
    pair.b.detach()
    pair.turns()
    assert echo.rounds == 2
    assert pair.a.counters.dropped_no_peer + pair.b.counters.dropped_no_peer == 2


class Countdown:
    """A front end that answers each packet with one of a smaller number, until none is left."""

    def __init__(self, end: PairEnd) -> None:
        self.end = end
        self.came: list[bytes] = []
        end.attach(FrontEnd(f"the one at {end.id}", receive=self.receive))

    def receive(self, batch: Batch) -> None:
        packets = list(batch.packets())
        self.came += packets
        for one in packets:
            name, count = one[14:].split(b"/")
            if int(count):
                self.end.write(batch_of(packet(b"%s/%d" % (name, int(count) - 1))))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.booleans()), max_size=30))
def test_whatever_answers_cross_all_come_once_and_in_order(writes: list[tuple[str, int, bool]]) -> None:
    pair = Pair()
    fronts = {"a": Countdown(pair.a), "b": Countdown(pair.b)}
    expected: dict[str, list[bytes]] = {"a": [], "b": []}
    numbers = itertools.count()
    for end, answers, turn in writes:
        name = b"%d" % next(numbers)
        (pair.a if end == "a" else pair.b).write(batch_of(packet(b"%s/%d" % (name, answers))))
        for step in range(answers + 1):
            at = "ab"[(end == "a") ^ (step % 2)]
            expected[at].append(packet(b"%s/%d" % (name, answers - step)))
        if turn:
            pair.reactor.turn()
    pair.turns()
    for at, front in fronts.items():
        assert sorted(front.came) == sorted(expected[at])
    if all(answers == 0 for _, answers, _ in writes):
        assert [front.came for front in fronts.values()] == list(expected.values())


@given(st.integers(1, 400), st.integers(1, 400))
def test_what_was_written_during_a_delivery_comes_in_the_order_of_writing(first: int, then: int) -> None:
    """Whatever waits for a turn, what is written after it waits too."""
    pair = Pair()
    came: list[bytes] = []
    numbers = itertools.count()
    written = [packet(f"{number}") for number in range(1 + first + then)]

    def write_next() -> None:
        pair.a.write(batch_of(written[next(numbers)]))

    def receive(batch: Batch) -> None:
        if not came:
            for _ in range(first):
                write_next()
        came.extend(batch.packets())

    pair.a.attach(FrontEnd("a writer"))
    pair.b.attach(FrontEnd("a reader", receive=receive))
    write_next()
    for _ in range(then):
        write_next()
    pair.turns()
    assert came == written


def test_what_waits_for_the_next_turn_can_be_received_at_once(pair: Pair) -> None:
    """A removal does that: what is under way in a circle has gone by before the way is cut."""
    one, other = pair.a, pair.b
    received: list[Batch] = []

    def answer(batch: Batch) -> None:
        received.append(batch)
        if len(received) < 3:
            other.write(batch)  # while a delivery to the other end is under way
            one.write(batch)

    one.attach(FrontEnd("one"))
    other.attach(FrontEnd("other", receive=answer))
    one.write(batch_of(packet("1")))
    assert len(received) == 1
    other.drain()
    assert len(received) > 1
    assert one.filename == "pair:" + other.id
    assert one.peer == "other"
