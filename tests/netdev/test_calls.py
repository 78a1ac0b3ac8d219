"""The system calls on a packet descriptor, in C or plain: the same numbers from both."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from tests.support.inlined import in_use

calls = in_use("colo_twisted.netdev.calls")

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    with near, far:
        yield near, far


@pytest.mark.parametrize("size", [1, 14, 60, 1514, 65_000])
def test_a_packet_is_read_to_where_it_is_to_stand(ends: Ends, size: int) -> None:
    near, far = ends
    sent = os.urandom(size)
    far.send(sent)
    buffer = bytearray(b"-" * (size + 20))
    assert calls.read_into(near.fileno(), buffer, 10, size) == size
    assert buffer == b"-" * 10 + sent + b"-" * 10


def test_no_more_is_read_than_there_is_room_for(ends: Ends) -> None:
    near, far = ends
    far.send(b"abcdef")
    buffer = bytearray(8)
    assert calls.read_into(near.fileno(), buffer, 2, 3) == 3
    assert buffer == b"\0\0abc\0\0\0"


def test_a_part_of_a_buffer_is_written(ends: Ends) -> None:
    near, far = ends
    assert calls.write_from(near.fileno(), b"0123456789", 3, 7) == 4
    assert far.recv(100) == b"3456"


def test_errors_are_negative_numbers(ends: Ends) -> None:
    near, far = ends
    assert calls.read_into(near.fileno(), bytearray(10), 0, 10) == -errno.EAGAIN
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    assert calls.write_from(near.fileno(), bytes(100_000), 0, 100_000) == -errno.EMSGSIZE
    far.close()
    assert calls.write_from(near.fileno(), b"abc", 0, 3) == -errno.EPIPE
    number = os.dup(near.fileno())
    os.close(number)
    assert calls.read_into(number, bytearray(10), 0, 10) == -errno.EBADF
    assert calls.write_from(number, b"abc", 0, 3) == -errno.EBADF
