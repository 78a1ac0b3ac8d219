"""The place of the one peer: who gets it, who waits, who is refused, and who follows."""

from __future__ import annotations

import gc
import socket
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from colo_twisted.link import liveness
from colo_twisted.link.link import MOST_WAITING, WATCH_SECONDS, Link
from colo_twisted.link.peer import Peer
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import with_vnet_headers
from tests.support.fakes import batch_of, packet
from tests.support.sockets import SocketTransport, a_link, arrive

FRAME = batch_of(packet("hello"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def link(clock: Clock) -> Link:
    return a_link(clock)


@pytest.fixture
def transports() -> Iterator[list[SocketTransport]]:
    made: list[SocketTransport] = []
    yield made
    for transport in made:
        transport.close()


def goes(peer: Peer) -> None:
    peer.connectionLost(Failure(ConnectionDone()))


def test_first_peer_gets_the_place(link: Link) -> None:
    changes: list[bool] = []
    link.connection_changed = changes.append
    assert not link.connected
    peer, _ = arrive(link)
    assert link.peer is peer
    assert link.connected
    assert changes == [True]
    assert link.counters.connects == 1


def test_frames_go_both_ways(link: Link) -> None:
    received: list[Batch] = []
    link.deliver_to(received.append)
    peer, transport = arrive(link)
    link.write(FRAME)
    assert transport.value() == FRAME.data
    peer.dataReceived(FRAME.data + FRAME.data[:3])
    assert [list(batch.packets()) for batch in received] == [[packet("hello")]]
    counters = link.counters
    assert (counters.frames_in, counters.frames_out, counters.bytes_out) == (1, 1, len(FRAME.data))


def test_frames_go_out_in_the_links_form(link: Link) -> None:
    link.deliver_to(None, vnet_hdr=True)
    _, transport = arrive(link)
    link.write(FRAME)
    assert transport.value() == with_vnet_headers(FRAME).data


def test_frame_that_needs_its_header_is_dropped_by_name(link: Link) -> None:
    to_be_cut = b"\0\1" + bytes(8)  # gso_type TCPv4
    body = to_be_cut + packet("x" * 40)
    frame = Batch(len(body).to_bytes(4, "big") + b"\0\0\0\x0a" + body, [0, 8 + len(body)], True)
    _, transport = arrive(link)
    link.write(frame)
    assert transport.value() == b""
    assert link.counters.dropped_needs_vnet_hdr == 1


def test_a_batch_of_which_nothing_is_left_waits_nowhere(link: Link) -> None:
    body = b"\0\1" + bytes(8) + packet("x" * 40)
    frame = Batch(len(body).to_bytes(4, "big") + b"\0\0\0\x0a" + body, [0, 8 + len(body)], True)
    peer, _ = arrive(link)
    peer.pauseProducing()
    for _ in range(10):
        link.write(frame)
    assert len(peer._waiting) == 0


def test_without_a_peer_frames_are_dropped_by_name(link: Link) -> None:
    link.write(FRAME)
    assert link.counters.dropped_no_peer == 1


def test_unread_bytes_are_discarded_and_counted(link: Link) -> None:
    peer, transport = arrive(link)
    peer.dataReceived(b"\xff" * 100)
    assert link.connected
    assert not transport.disconnecting
    assert link.counters.dropped_unread_bytes == 100


def test_further_clients_wait_unread(link: Link) -> None:
    first, _ = arrive(link)
    _, waiting = arrive(link)
    assert link.peer is first
    assert waiting.producerState == "paused"
    assert not waiting.disconnecting


def test_a_waiting_one_follows_with_what_it_sent(link: Link) -> None:
    changes: list[bool] = []
    link.connection_changed = changes.append
    received: list[Batch] = []
    link.deliver_to(received.append)
    first, _ = arrive(link)
    second, transport = arrive(link)
    goes(first)
    assert link.peer is second
    assert transport.producerState == "producing"
    assert changes == [True, False, True]
    second.dataReceived(FRAME.data)
    assert len(received) == 1


def test_one_that_left_while_waiting_is_passed_over(link: Link) -> None:
    first, _ = arrive(link)
    _, gone = arrive(link)
    third, _ = arrive(link)
    gone.far_end.send(b"data before the end must not hide it")
    gone.far_end.close()
    goes(first)
    assert link.peer is third
    assert gone.aborted
    assert link.counters.probes == 1


def test_a_probe_is_noticed_while_the_place_is_taken(link: Link, clock: Clock) -> None:
    arrive(link)
    _, probe = arrive(link)
    probe.far_end.close()
    clock.advance(WATCH_SECONDS)
    assert probe.aborted
    assert link.counters.probes == 1
    assert link.counters.connects == 1


def test_more_than_the_most_are_refused(link: Link) -> None:
    arrive(link)
    for _ in range(MOST_WAITING):
        arrive(link)
    _, refused = arrive(link)
    assert refused.aborted
    assert link.counters.refused == 1


def test_probes_that_left_make_room(link: Link) -> None:
    arrive(link)
    for _ in range(MOST_WAITING):
        arrive(link)[1].far_end.close()
    _, live = arrive(link)
    assert not live.aborted
    assert link.counters.probes == MOST_WAITING
    assert link.counters.refused == 0


def test_a_thousand_probes_take_nothing(link: Link) -> None:
    peer, _ = arrive(link)

    def probe() -> None:
        one, transport = arrive(link)
        transport.far_end.close()
        goes(one)
        transport.socket.close()

    for _ in range(10):
        probe()
    gc.collect()
    tracemalloc.start()
    for _ in range(1000):
        probe()
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert link.peer is peer
    assert link.counters.probes == 1010
    assert grown < 20_000


def test_a_waiting_client_makes_the_first_be_asked_for_life(link: Link, transports: list[SocketTransport]) -> None:
    transport = SocketTransport(socket.AF_INET)
    transports.append(transport)
    arrive(link, transport)

    def idle() -> int:
        return transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)

    assert transport.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert idle() == liveness.IDLE_SECONDS
    arrive(link)
    assert idle() == liveness.HURRIED_IDLE_SECONDS


def test_nodelay_is_set_on_tcp(link: Link, transports: list[SocketTransport]) -> None:
    transport = SocketTransport(socket.AF_INET)
    transports.append(transport)
    arrive(link, transport)
    assert transport.nodelay is True


def test_a_dead_peer_loses_the_place(
    link: Link, clock: Clock, transports: list[SocketTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = SocketTransport(socket.AF_INET)
    transports.append(transport)
    arrive(link, transport)
    clock.advance(WATCH_SECONDS)
    assert link.connected
    monkeypatch.setattr(liveness, "is_dead", lambda connection: True)
    clock.advance(WATCH_SECONDS)
    assert not link.connected
    assert transport.aborted
    assert link.counters.dead_peers == 1


def test_nothing_is_watched_when_nobody_is_there(link: Link, clock: Clock) -> None:
    peer, _ = arrive(link)
    goes(peer)
    assert clock.getDelayedCalls() == []


def test_a_protocol_error_costs_the_place(link: Link) -> None:
    link.deliver_to(lambda batch: None)
    peer, transport = arrive(link)
    peer.dataReceived(b"\xff\xff\xff\xff")
    assert transport.aborted
    assert not link.connected
    assert link.counters.protocol_errors == 1
    peer.dataReceived(FRAME.data)  # what a transport had read already
    goes(peer)
    assert link.counters.disconnects == 1
    assert link.counters.frames_in == 0


def test_disconnect_frees_the_place_at_once(link: Link) -> None:
    changes: list[bool] = []
    link.connection_changed = changes.append
    peer, transport = arrive(link)
    peer.pauseProducing()
    link.write(FRAME)
    link.disconnect("too slow")
    link.write(FRAME)
    assert transport.aborted
    assert changes == [True, False]
    assert link.counters.dropped_disconnect_bytes == len(FRAME.data)
    assert link.counters.dropped_no_peer == 1
    goes(peer)
    assert changes == [True, False]
    assert link.counters.disconnects == 1


def test_disconnect_without_a_peer_does_nothing(link: Link) -> None:
    link.disconnect("nobody")
    assert link.counters.disconnects == 0


@pytest.mark.parametrize("how", ["lost", "disconnected"])
def test_pressure_ends_with_its_peer(link: Link, how: str) -> None:
    pressures: list[bool] = []
    link.pressure_changed = pressures.append
    peer, _ = arrive(link)
    peer.pauseProducing()
    if how == "lost":
        goes(peer)
    else:
        link.disconnect("a test")
    assert pressures == [True, False]


def test_when_connected_fires_with_the_first_peer(link: Link) -> None:
    fired: list[None] = []
    link.when_connected().addCallback(fired.append)
    assert fired == []
    arrive(link)
    assert fired == [None]
    link.when_connected().addCallback(fired.append)
    assert fired == [None, None]


def test_before_start_the_kernel_keeps_what_comes(clock: Clock) -> None:
    link = a_link(clock)
    link._started = False
    _, transport = arrive(link)
    assert transport.producerState == "paused"
    link.start()
    assert transport.producerState == "producing"


def test_close_lets_the_peer_take_what_was_written(link: Link, clock: Clock) -> None:
    peer, transport = arrive(link)
    peer.pauseProducing()
    link.write(FRAME)
    done: list[Any] = []
    link.close().addCallback(done.append)
    assert not transport.disconnecting
    peer.resumeProducing()
    assert transport.value() == FRAME.data
    assert transport.disconnecting
    assert done == []
    goes(peer)
    assert len(done) == 1
    assert clock.getDelayedCalls() == []


def test_close_waits_no_longer_than_a_second_for_a_stuck_peer(link: Link, clock: Clock) -> None:
    peer, transport = arrive(link)
    peer.pauseProducing()
    link.write(FRAME)
    link.close()
    clock.advance(1)
    assert transport.aborted
    goes(peer)
    assert link.counters.dropped_disconnect_bytes == len(FRAME.data)


def test_a_peer_that_comes_while_closing_is_sent_away(link: Link) -> None:
    arrive(link)
    link.close()
    _, late = arrive(link)
    assert late.aborted


def test_close_without_anything_open_is_harmless(link: Link) -> None:
    done: list[Any] = []
    link.close().addCallback(done.append)
    assert len(done) == 1
