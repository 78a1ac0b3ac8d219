"""
The wire streams that both sides of a comparison are fed with: TCP/IPv4 from a guest to its clients, framed.

A guest's answers only, for nothing else comes to a comparer: each connection opens with a SYN-ACK, then
come data segments, the connections taking turns. All checksums are right.
"""

from __future__ import annotations

import random
import socket
import struct
from array import array
from dataclasses import dataclass
from itertools import islice, repeat

GUEST = "10.1.0.2"
GUEST_PORT = 80
PRIMARY_ISN, SECONDARY_ISN = 0x10000000, 0x50000000
CLIENT_ISN = 0x20000000
PORTS = 1024  # a client has so many connections, from FIRST_PORT on
FIRST_PORT = 20000
FIRST_CLIENT = 0x0A020000  # 10.2.0.0
MOST = PORTS << 16  # connections

_OPTIONS = struct.pack(">BBH4BBBBB", 2, 4, 1460, 1, 1, 4, 2, 1, 3, 3, 7)  # MSS, SACK permitted, window scale
_SYN_ACK, _ACK = 0x12, 0x10

# Where things stand in a frame on the wire: 4 bytes of length, Ethernet, IPv4 without options, TCP.
_IP = 4 + 14
_IP_CHECKSUM, _SOURCE, _CLIENT = _IP + 10, _IP + 12, _IP + 18  # the low half of the client's address
_TCP = _IP + 20
_PORT, _SEQ, _TCP_CHECKSUM, _PAYLOAD = _TCP + 2, _TCP + 4, _TCP + 16, _TCP + 20


@dataclass(frozen=True)
class Stream:
    """Frames of one size, behind one another."""

    data: bytearray
    frame: int  # bytes of a frame, its length field included

    def __len__(self) -> int:
        """How many frames."""
        return len(self.data) // self.frame


def openings(connections: int, isn: int) -> Stream:
    """A SYN-ACK of each connection."""
    return _stream(_template(_SYN_ACK, _OPTIONS, b""), connections, [isn], connections)


def segments(connections: int, payload: int, count: int) -> Stream:
    """So many data segments of ``payload`` bytes, the connections taking turns; the primary's sequence numbers."""
    rounds = -(-count // connections)
    sequences = [(PRIMARY_ISN + 1 + index * payload) & 0xFFFFFFFF for index in range(rounds)]
    body = random.Random(payload).randbytes(payload)
    return _stream(_template(_ACK, b"", body), connections, sequences, count)


def _template(flags: int, options: bytes, payload: bytes) -> bytes:
    """A frame whose client, port, sequence number and checksums are 0."""
    tcp = struct.pack(
        ">HHIIBBHHH", GUEST_PORT, 0, 0, CLIENT_ISN + 1, (20 + len(options)) << 2, flags, 64240 if options else 502, 0, 0
    )
    tcp += options + payload
    guest, client = socket.inet_aton(GUEST), struct.pack(">I", FIRST_CLIENT)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, socket.IPPROTO_TCP, 0, guest, client)
    ethernet = bytes.fromhex("52a400127801 52a400127866 0800")
    packet = ethernet + ip + tcp
    return struct.pack(">I", len(packet)) + packet


def _stream(template: bytes, connections: int, sequences: list[int], count: int) -> Stream:
    """``count`` frames: each connection's with the first sequence number, each one's with the second, and so on."""
    data = bytearray(template) * count
    rounds = len(sequences)
    clients = array("H", (index // PORTS for index in range(connections)))
    ports = array("H", (FIRST_PORT + index % PORTS for index in range(connections)))
    size = len(template)
    for offset, column in ((_CLIENT, clients), (_PORT, ports)):
        _write_column(data, size, offset, (column * rounds)[:count])
    _write_column(
        data, size, _SEQ, array("I", islice((seq for seq in sequences for _ in repeat(0, connections)), count))
    )
    ip_sum = _words_sum(template[_IP:_TCP])
    checksums = array("H", (-(ip_sum + client) % 0xFFFF for client in clients))
    _write_column(data, size, _IP_CHECKSUM, (checksums * rounds)[:count])
    pseudo = template[_SOURCE:_TCP] + struct.pack(">HH", socket.IPPROTO_TCP, size - _TCP)
    tcp_sum = _words_sum(pseudo) + _words_sum(template[_TCP:])
    sums = [tcp_sum + client + port for client, port in zip(clients, ports)]
    halves = [(seq >> 16) + (seq & 0xFFFF) for seq in sequences]
    _write_column(
        data,
        size,
        _TCP_CHECKSUM,
        array("H", islice((-(half + rest) % 0xFFFF for half in halves for rest in sums), count)),
    )
    return Stream(data, size)


def _words_sum(data: bytes) -> int:
    """The sum of its 16-bit big-endian words, not folded (RFC 1071)."""
    data += bytes(len(data) % 2)
    return sum(struct.unpack(f">{len(data) // 2}H", data))


def _write_column(data: bytearray, stride: int, offset: int, column: array[int]) -> None:
    """Write a number, big-endian, at the same place of each frame."""
    column = column[:]
    column.byteswap()
    raw = column.tobytes()
    for index in range(column.itemsize):
        data[offset + index :: stride] = raw[index :: column.itemsize]
