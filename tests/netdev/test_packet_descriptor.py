"""Packets read and written in batches, against a socket that keeps packets apart and one system call at a time."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.netdev.packet_descriptor import PacketDescriptor
from colo_twisted.packets.batch import MAX_FRAME, Batch
from colo_twisted.packets.vnet import TAP_HEADER_SIZE, fit_header, with_vnet_headers
from tests.support.fakes import batch_of, packet

SMALL_BUFFER = 4096  # of a socket: it has room for few packets, and one that is larger is an error
MOST = 4000  # octets of a batch

sizes = st.integers(1, 100) | st.integers(1, 2000) | st.sampled_from((MOST - 5, MOST, MOST + 1, 9000, 60_000))
both_forms = pytest.mark.parametrize("vnet_hdr", [False, True])


@contextmanager
def opened(vnet_hdr: bool, room: int = 1 << 22) -> Iterator[tuple[PacketDescriptor, socket.socket]]:
    """One on a socket that takes so much, and the socket's far end."""
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        for end, size in ((near, room), (far, 1 << 22)):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
        yield PacketDescriptor(near.fileno(), vnet_hdr, MOST), far


def received(far: socket.socket) -> list[bytes]:
    """All that has come."""
    packets = []
    while select.select([far], [], [], 0)[0]:
        packets.append(far.recv(1 << 17))
    return packets


def frame(packet: bytes, vnet_hdr: bool) -> bytes:
    return struct.pack(">II", len(packet), TAP_HEADER_SIZE)[: 8 if vnet_hdr else 4] + packet


def batch_with(packets: list[bytes], vnet_hdr: bool) -> bytes:
    return b"".join(frame(one, vnet_hdr) for one in packets)


def made(size: int, index: int) -> bytes:
    return (b"%d|" % index).ljust(size, b".")[:size]


def expected_batches(packets: list[bytes], most: int, vnet_hdr: bool) -> Iterator[list[bytes]]:
    """What each call is to read."""
    batch: list[bytes] = []
    for one in packets:
        if len(batch) == most or len(batch_with(batch, vnet_hdr)) > MOST:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


class TestReading:
    @given(st.lists(sizes, max_size=30), st.integers(1, 12), st.booleans())
    def test_all_that_came_in_order_and_within_bounds(self, wanted: list[int], most: int, vnet_hdr: bool) -> None:
        sent = [made(size, index) for index, size in enumerate(wanted)]
        with opened(vnet_hdr) as (descriptor, far):
            for one in sent:
                far.send(one)
            for expected in expected_batches(sent, most, vnet_hdr):
                batch = descriptor.read(most)
                assert batch is not None
                assert (batch.data, batch.vnet_hdr) == (batch_with(expected, vnet_hdr), vnet_hdr)
                lengths = [len(frame(one, vnet_hdr)) for one in expected]
                assert batch.places == [sum(lengths[:count]) for count in range(len(lengths) + 1)]
                assert (descriptor.packets, descriptor.octets) == (len(expected), sum(map(len, expected)))
                full = len(expected) == most or len(batch.data) > MOST
                assert descriptor.error == (0 if full else errno.EAGAIN)
            assert descriptor.read(most) is None
            assert (descriptor.packets, descriptor.octets, descriptor.error) == (0, 0, errno.EAGAIN)

    @both_forms
    def test_the_largest_packet_has_room_behind_a_full_share(self, vnet_hdr: bool) -> None:
        prefix = 8 if vnet_hdr else 4
        first, largest = bytes(MOST - prefix), os.urandom(MAX_FRAME)
        with opened(vnet_hdr) as (descriptor, far):
            for one in (first, largest, b"next"):
                far.send(one)
            batch = descriptor.read(10)
            assert batch is not None
            assert batch.data == batch_with([first, largest], vnet_hdr)

    def test_a_batch_stays_as_it_is_when_the_next_is_read(self) -> None:
        with opened(False) as (descriptor, far):
            far.send(b"first")
            first = descriptor.read(10)
            far.send(b"other")
            descriptor.read(10)
            assert first is not None
            assert first.data == frame(b"first", False)

    def test_an_error_ends_it(self) -> None:
        with opened(False) as (descriptor, far):
            far.send(b"never read")
        assert descriptor.read(10) is None
        assert (descriptor.packets, descriptor.error) == (0, errno.EBADF)


def written_singly(descriptor: socket.socket, packets: list[bytes]) -> tuple[int, int]:
    """Write until an error, one system call each; how many, and the errno or 0."""
    for index, one in enumerate(packets):
        try:
            descriptor.send(one)
        except OSError as error:
            return index, error.errno or 0
    return len(packets), 0


class TestWriting:
    @given(
        st.lists(st.integers(14, 100) | st.integers(14, 1000), min_size=4, max_size=40),
        st.none() | st.integers(0, 39),
        st.integers(0, 3),
        st.integers(0, 12),
        st.booleans(),
    )
    def test_as_single_calls_would_up_to_the_first_refused(
        self, wanted: list[int], too_large: int | None, skipped: int, before: int, vnet_hdr: bool
    ) -> None:
        """Refused for now, wherever the socket is full; or for good, as one packet is larger than it may be."""
        if too_large is not None:
            wanted[too_large % len(wanted)] = 60_000
        packets = [made(size, index) for index, size in enumerate(wanted)]
        data = batch_with(packets, vnet_hdr)
        at = len(batch_with(packets[:skipped], vnet_hdr))
        with opened(vnet_hdr, SMALL_BUFFER) as (descriptor, far), opened(vnet_hdr, SMALL_BUFFER) as (other, other_far):
            single = socket.socket(fileno=os.dup(other.fd))
            with single:
                for end in (descriptor, other):
                    assert all(end.write_packet(b"before") in (6, -errno.EAGAIN) for _ in range(before))
                count, error = written_singly(single, packets[skipped:])
            stopped = descriptor.write(data, at, vnet_hdr)
            assert stopped == len(batch_with(packets[: skipped + count], vnet_hdr))
            assert descriptor.error == error
            assert descriptor.packets == count
            assert descriptor.octets == sum(map(len, packets[skipped : skipped + count]))
            assert received(far) == received(other_far)
            if error:
                behind = descriptor.behind(data, stopped, vnet_hdr)
                assert data[stopped:behind] == frame(packets[skipped + count], vnet_hdr)
            assert descriptor.packets_of(data, stopped, vnet_hdr) == packets[skipped + count :]

    @given(st.lists(st.tuples(st.sampled_from((0, 10, 12, 20)), st.integers(14, 100)), max_size=10))
    def test_headers_of_any_size_are_made_to_fit(self, kinds: list[tuple[int, int]]) -> None:
        bodies = [(bytes(range(100, 100 + header)) + made(size, header), header) for header, size in kinds]
        frames = [struct.pack(">II", len(body), header) + body for body, header in bodies]
        fitting = [fit_header(one) for one in frames]
        with opened(True) as (descriptor, far):
            assert descriptor.write(b"".join(frames), 0, True) == sum(map(len, frames))
            assert received(far) == fitting
            assert descriptor.octets == sum(map(len, fitting))
            assert descriptor.packets_of(b"".join(frames), 0, True) == fitting

    def test_plain_frames_get_an_empty_header_where_headers_are(self) -> None:
        batch = batch_of(packet("a"), packet("b"))
        with opened(True) as (descriptor, far):
            assert descriptor.write(batch.data, 0, False) == len(batch.data)
            assert received(far) == [bytes(TAP_HEADER_SIZE) + packet("a"), bytes(TAP_HEADER_SIZE) + packet("b")]
            empty: Batch = with_vnet_headers(batch)
            descriptor.write(empty.data, 0, True)
            assert received(far) == [bytes(TAP_HEADER_SIZE) + packet("a"), bytes(TAP_HEADER_SIZE) + packet("b")]
