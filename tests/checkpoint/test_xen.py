"""Xen's messages on notify_dev: both forms of frame are read, one is written, over sockets and pairs."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from colo_twisted.checkpoint.xen import LEAST_MESSAGE, MOST_MESSAGE, MessageDecoder, XenCheckpointer
from colo_twisted.interfaces import FrontEnd, ICheckpointer, Outcome
from colo_twisted.packets.batch import Batch
from colo_twisted.reporting import Reporter
from tests.support.fakes import FakeChardev, batch_of
from tests.support.house import House, Turns
from tests.support.sockets import SocketTransport, arrive
from tests.support.strategies import cut

INIT, INIT_ANSWER = b"COLO_USERSPACE_PROXY_INIT", b"COLO_COMPARE_GET_XEN_INIT"
DO, DONE = b"DO_CHECKPOINT", b"COLO_CHECKPOINT"


def framed(message: bytes, header: bytes | None = None) -> bytes:
    """A message on the wire; with a vnet header, even of no bytes, in the 8-byte form."""
    if header is None:
        return struct.pack(">I", len(message)) + message
    return struct.pack(">II", len(header + message), len(header)) + header + message


def decoded(*pieces: bytes) -> list[bytes]:
    decoder = MessageDecoder()
    batches = [decoder.feed(piece) for piece in pieces]
    assert decoder.broken is None
    return [message for batch in batches if batch is not None for message in batch.packets()]


messages = st.sampled_from((INIT, DONE)) | st.text("ABCXYZ_ ", min_size=LEAST_MESSAGE, max_size=50).map(str.encode)
headers = st.none() | st.sampled_from((0, 10, 12, 20)).map(bytes)


@given(st.lists(st.tuples(messages, headers), max_size=6), st.data())
def test_both_forms_are_read_however_the_stream_is_cut(
    given_: list[tuple[bytes, bytes | None]], data: st.DataObject
) -> None:
    stream = b"".join(framed(message, header) for message, header in given_)
    pieces = data.draw(cut(stream))
    assert decoded(*pieces) == [message for message, _ in given_]
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == [message for message, _ in given_]


def test_it_is_asked_in_another_interval() -> None:
    chardev = FakeChardev()
    clock = Clock()
    xen = XenCheckpointer(clock, chardev, "colo-compare 'c'", 3.0, Reporter("colo-compare c"))
    xen.change_repeat(2.0)
    assert clock.getDelayedCalls() == []
    xen.checkpoint(1)
    clock.advance(1)
    xen.change_repeat(1.5)
    clock.advance(0.4)
    assert len(chardev.packets) == 1
    clock.advance(0.2)
    assert len(chardev.packets) == 2
    clock.advance(1.5)
    assert len(chardev.packets) == 3
    xen.cancel()
    assert clock.getDelayedCalls() == []


def test_what_has_come_of_a_message_is_held_and_no_more() -> None:
    decoder = MessageDecoder()
    assert decoder.feed(framed(DONE) + framed(DONE)[:9]) is not None
    assert decoder.held == 9
    assert decoder.feed(framed(DONE)[9:]) is not None
    assert decoder.held == 0


@pytest.mark.parametrize("length", [0, LEAST_MESSAGE - 1, MOST_MESSAGE + 1, 1 << 31])
def test_a_length_out_of_bounds_breaks_the_stream_behind_what_was_good(length: int) -> None:
    decoder = MessageDecoder()
    batch = decoder.feed(framed(DONE) + struct.pack(">I", length))
    assert batch is not None
    assert list(batch.packets()) == [DONE]
    assert decoder.broken == f"a message of {length} bytes (allowed: 4 to 4096)"
    assert decoder.feed(framed(DONE)) is None
    assert decoder.held == 0


@given(st.binary(max_size=200))
def test_any_bytes_are_messages_or_break_the_stream(data: bytes) -> None:
    decoder = MessageDecoder()
    decoder.feed(data)
    assert decoder.held <= len(data)


class Xen:
    """A checkpointer, its chardev and clock, and what came of what was asked."""

    def __init__(self) -> None:
        self.reactor = Turns()
        self.chardev = FakeChardev("notify")
        self.checkpointer = XenCheckpointer(
            self.reactor, self.chardev, "colo-compare 'comp0'", 3.0, Reporter("colo-compare comp0")
        )
        self.outcomes: list[Outcome] = []
        self.unasked = 0
        self.checkpointer.unasked = self.count_unasked

    def count_unasked(self) -> None:
        self.unasked += 1

    def checkpoint(self, number: int = 1) -> None:
        self.checkpointer.checkpoint(number).addCallback(self.outcomes.append)

    def says(self, *messages: bytes) -> None:
        self.chardev.deliver(batch_of(*messages))

    def goes(self) -> None:
        self.chardev.connected = False
        front_end = self.chardev.front_end
        assert front_end is not None
        front_end.connection_changed(False)

    @property
    def heard(self) -> list[bytes]:
        return self.chardev.packets


@pytest.fixture
def xen() -> Xen:
    return Xen()


def test_it_is_a_checkpointer_whose_primary_stands_still(xen: Xen) -> None:
    assert verifyObject(ICheckpointer, xen.checkpointer)
    assert xen.checkpointer.pauses_primary


def test_its_init_is_answered_each_time(xen: Xen) -> None:
    xen.says(INIT)
    xen.says(INIT + b"\0")
    assert xen.heard == [INIT_ANSWER] * 2


def test_a_checkpoint_is_asked_for_and_done_when_it_says_so(xen: Xen) -> None:
    xen.checkpoint()
    assert (xen.heard, xen.outcomes) == ([DO], [])
    xen.says(DONE)
    assert xen.outcomes == [Outcome.DONE]
    assert xen.unasked == 0
    assert xen.reactor.getDelayedCalls() == []


def test_it_asks_again_until_it_is_answered(xen: Xen) -> None:
    xen.checkpoint()
    xen.reactor.pump([2.9, 0.1, 3.0])
    assert xen.heard == [DO] * 3
    xen.says(DONE)
    xen.reactor.pump([3.0] * 3)
    assert xen.heard == [DO] * 3
    assert xen.checkpointer.counters.asked == 3


def test_one_that_nobody_asked_for_is_told(xen: Xen) -> None:
    xen.says(DONE)
    xen.checkpoint()
    xen.says(DONE, DONE)
    assert (xen.unasked, xen.outcomes) == (2, [Outcome.DONE])
    assert (xen.checkpointer.counters.checkpoints, xen.checkpointer.counters.unasked) == (3, 2)


@pytest.mark.parametrize("how", ["cancel", "stop", "goes"])
def test_cancelled_or_disconnected_it_has_failed_and_asks_no_more(xen: Xen, how: str) -> None:
    xen.checkpoint()
    xen.goes() if how == "goes" else getattr(xen.checkpointer, how)()
    assert xen.outcomes == [Outcome.FAILED]
    assert xen.reactor.getDelayedCalls() == []
    xen.checkpointer.cancel()
    assert xen.outcomes == [Outcome.FAILED]


def test_one_that_it_makes_after_a_cancel_is_unasked(xen: Xen) -> None:
    xen.checkpoint()
    xen.checkpointer.cancel()
    xen.says(DONE)
    assert (xen.outcomes, xen.unasked) == ([Outcome.FAILED], 1)


def test_without_a_peer_it_fails_at_once(xen: Xen) -> None:
    xen.chardev.connected = False
    xen.checkpoint()
    assert (xen.outcomes, xen.heard) == ([Outcome.FAILED], [])


def test_a_second_one_at_a_time_is_refused(xen: Xen) -> None:
    xen.checkpoint(1)
    xen.checkpoint(2)
    assert xen.outcomes == [Outcome.FAILED]
    xen.says(DONE)
    assert xen.outcomes == [Outcome.FAILED, Outcome.DONE]


def test_an_unknown_message_is_counted(xen: Xen) -> None:
    xen.says(b"HELLO", b"\0" * 5, INIT)
    assert xen.heard == [INIT_ANSWER]
    assert xen.checkpointer.counters.dropped_unknown == 2


# over real chardevs


@pytest.fixture
def transport() -> Iterator[SocketTransport]:
    transport = SocketTransport()
    yield transport
    transport.close()


def on(house: House, chardev: str) -> XenCheckpointer:
    return XenCheckpointer(house.reactor, house.chardev(chardev), "colo-compare 'comp0'", 3.0, Reporter("comp0"))


@pytest.mark.parametrize("header", [None, b"", bytes(10)], ids=["4-byte", "8-byte", "header"])
def test_over_a_socket_both_forms_are_read_and_the_4_byte_form_is_sent(
    transport: SocketTransport, header: bytes | None
) -> None:
    house = House("-chardev socket,id=notify,path=/nonexistent/socket")
    checkpointer = on(house, "notify")
    house.chardev("notify")._link._started = True
    peer, _ = arrive(house.chardev("notify")._link, transport)
    outcomes: list[Outcome] = []
    checkpointer.checkpoint(1).addCallback(outcomes.append)
    stream = framed(INIT, header) + framed(DONE, header)
    for at in range(len(stream)):
        peer.dataReceived(stream[at : at + 1])
    assert outcomes == [Outcome.DONE]
    assert transport.value() == framed(DO) + framed(INIT_ANSWER)


def test_over_a_socket_what_is_no_message_loses_its_place(transport: SocketTransport) -> None:
    house = House("-chardev socket,id=notify,path=/nonexistent/socket")
    checkpointer = on(house, "notify")
    house.chardev("notify")._link._started = True
    peer, _ = arrive(house.chardev("notify")._link, transport)
    outcomes: list[Outcome] = []
    checkpointer.checkpoint(1).addCallback(outcomes.append)
    peer.dataReceived(b"GET / HTTP/1.1\r\n")
    assert transport.aborted
    assert house.chardev("notify").counters.protocol_errors == 1
    assert outcomes == [Outcome.FAILED]


def test_over_a_pair() -> None:
    house = House("-chardev pair,id=notify,peer=xen")
    checkpointer = on(house, "notify")
    received: list[Batch] = []
    house.chardev("xen").attach(FrontEnd("a test", receive=received.append))
    outcomes: list[Outcome] = []
    checkpointer.checkpoint(1).addCallback(outcomes.append)
    house.chardev("xen").write(batch_of(INIT, DONE))
    house.reactor.advance(0)
    assert [message for batch in received for message in batch.packets()] == [DO, INIT_ANSWER]
    assert outcomes == [Outcome.DONE]
    checkpointer.checkpoint(2).addCallback(outcomes.append)
    house.chardev("xen").detach()
    assert outcomes == [Outcome.DONE, Outcome.FAILED]
