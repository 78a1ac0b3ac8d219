"""
Whether the other end of a socket still lives, asked of the kernel.

An idle TCP connection is probed by keep-alive. One with unacknowledged data isn't (tcp(7)), and
TCP_USER_TIMEOUT would also end a peer that lives but doesn't read, such as a QEMU that is stopped; so
for that the kernel's own retransmission counters are read.
"""

from __future__ import annotations

import select
import socket
import struct

IDLE_SECONDS = 2  # silence before the first keep-alive probe
PROBE_SECONDS = 1
PROBES = 3  # unanswered ones that make a peer dead
HURRIED_IDLE_SECONDS = 1  # the same while another peer waits for the place
SILENT_MS = 5000  # unanswered retransmissions for so long make a peer dead

# struct tcp_info (linux/tcp.h): retransmits and probes are its third and fourth bytes, last_ack_recv its 13th word
_RETRANSMITS_PROBES = struct.Struct("=xxBB")
_LAST_ACK_RECEIVED = struct.Struct("=56xI")
_TCP_INFO_SIZE = 60


def is_tcp(connection: socket.socket) -> bool:
    return connection.family in (socket.AF_INET, socket.AF_INET6)


def keep_alive(connection: socket.socket, idle_seconds: int = IDLE_SECONDS) -> None:
    """Have the kernel probe the peer of a TCP connection when it has been silent that long."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)


def is_dead(connection: socket.socket) -> bool:
    """Whether a TCP peer has let data or window probes go unanswered for SILENT_MS."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
    retransmits, probes = _RETRANSMITS_PROBES.unpack_from(info)
    (last_ack_ms,) = _LAST_ACK_RECEIVED.unpack_from(info)
    return bool(max(retransmits, probes) >= PROBES and last_ack_ms >= SILENT_MS)


def has_closed(connection: socket.socket) -> bool:
    """Whether the peer has closed, even if data that it sent before was not read yet."""
    poller = select.poll()
    poller.register(connection.fileno(), select.POLLRDHUP)
    return bool(poller.poll(0))
