"""
A program: a guest whose TCP is the user-space one, with numbers and clocks of its own, and as slow as one likes.

    python -m tests.support.guest INTERFACE MAC ADDRESS --isn N,... --clock N,... [--late MILLISECONDS]

It has the address on an interface that the kernel has none on. On port 80 it is what service.py is, for GET /N and
PUT, and so it is on the ports above, one for each further ISN and clock: a connection to the n-th port has the n-th
ISN, and its first segment shows the n-th clock. All that comes is looked at so many milliseconds later.

Prints a line of JSON whenever a connection has something new: ``at`` (monotonic, in seconds), the ``port`` of the two
that is the guest's, its ``state``, how many bytes it has ``received`` and their ``sha256``, whether it is ``stamped``,
how many segments its PAWS check found ``old``, and the endpoint's ``wrongs``.
"""

from __future__ import annotations

import argparse
import hashlib
import ipaddress
import json
import select
import socket
import struct
import sys
import time
from collections import deque

from tests.support.segments import MODULUS, SYN, Address, Segment, internet_checksum
from tests.support.service import BLOCK, HTTP
from tests.support.tcp import Endpoint

ALL = 3  # ETH_P_ALL
OUTGOING = 4  # PACKET_OUTGOING (packet(7))
SOL_PACKET, PACKET_VNET_HDR = 263, 15
VNET = struct.Struct("=BBHHHH")  # virtio_net_hdr: flags, GSO type, header length, GSO size, checksum from and at
NEEDS_CHECKSUM = 1
SHORTEST = 60  # bytes of an Ethernet packet
ETHERNET, PORTS = 14, 34  # where IP begins, and where the ports of a TCP segment stand behind IPv4 without options


def answer_at(received: bytearray, at: int) -> tuple[bytes, int]:
    """What is answered to the request that begins there, and where the next one will; nothing if it isn't whole."""
    head, found, _ = bytes(received[at : at + 1000]).partition(b"\r\n\r\n")
    if not found:
        return b"", at
    method, path, *_ = head.split()
    at += len(head) + 4
    if method == b"GET":
        size = int(path.lstrip(b"/"))
        body = (BLOCK * (size // len(BLOCK) + 1))[:size]
    else:
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        if len(received) < at + size:
            return b"", at - len(head) - 4
        body = hashlib.sha256(received[at : at + size]).hexdigest().encode()
        at += size
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body, at


class Served(Endpoint):
    """A connection's end, with what it does for the client; it prints what is new."""

    answered = 0  # bytes of what it received
    old = 0  # segments that were too old by their timestamp
    told = ""

    def serve(self, now: float) -> None:
        """Answer what is whole by now, and close when the client has."""
        if self.state in ("LISTEN", "SYN-RECEIVED", "CLOSED"):
            return
        while self.answered < len(self.received):
            answer, place = answer_at(self.received, self.answered)
            if place == self.answered:
                break
            self.answered = place
            self.send(answer, now)
        if self.fin_received and not self.closing:
            self.close(now)

    def tell(self, now: float) -> None:
        found = {
            "port": self.local.port,
            "state": self.state,
            "received": len(self.received),
            "stamped": self.ts_on,
            "old": self.old,
            "wrongs": self.wrongs,
        }
        if (told := json.dumps(found)) != self.told:
            self.told = told
            sha256 = hashlib.sha256(self.received).hexdigest()
            print(json.dumps({"at": now, "sha256": sha256, **found}), flush=True)

    def _too_old(self, segment: Segment) -> bool:
        old = super()._too_old(segment)
        self.old += old
        return old


class Guest:
    """One host with one address; packets in and out are whole, time an argument."""

    def __init__(self, mac: str, address: str, isns: list[int], clocks: list[int]) -> None:
        self._mac, self._address = mac, address
        self._at = Address.of(mac, address, 0)
        self._unlike = {HTTP + number: both for number, both in enumerate(zip(isns, clocks, strict=True))}
        self._ends: dict[bytes, Served] = {}
        self._out: list[bytes] = []

    def receive(self, packet: bytes, now: float) -> None:
        if packet[12:14] == b"\x08\x06" and packet[20:22] == b"\0\1" and packet[38:42] == self._at.ip:
            self._out.append(self._arp_reply(packet))
        elif packet[12:14] == b"\x08\x00" and packet[14] == 0x45 and packet[23] == 6 and packet[30:34] == self._at.ip:
            self._end_of(packet, now).receive(packet, now)

    def _arp_reply(self, asked: bytes) -> bytes:
        """RFC 826: the two ends change places."""
        sender, mine = asked[22:32], self._at.mac + self._at.ip
        return (sender[:6] + self._at.mac + asked[12:20] + b"\0\2" + mine + sender).ljust(SHORTEST, b"\0")

    def _end_of(self, packet: bytes, now: float) -> Served:
        key = packet[26:30] + packet[PORTS : PORTS + 4]
        if key not in self._ends:
            theirs, mine = struct.unpack_from(">HH", packet, PORTS)
            client = Address(packet[6:12], packet[26:30], theirs)
            isn, clock = self._unlike.get(mine, (0, 0))
            end = Served(
                Address.of(self._mac, self._address, mine),
                client,
                isn=isn,
                clock=(clock - int(now * 1000)) % MODULUS,
            )
            segment = Segment.of(packet)
            if mine in self._unlike and segment is not None and segment.flags & SYN:
                end.listen()
            self._ends[key] = end
        return self._ends[key]

    def take(self, now: float) -> list[bytes]:
        """What time, and what came, make it send."""
        for end in self._ends.values():
            if end.deadline is not None and end.deadline <= now:
                end.tick(now)
            end.serve(now)
            end.tell(now)
            self._out += end.take()
        out, self._out = self._out, []
        return out

    @property
    def deadline(self) -> float | None:
        return min((end.deadline for end in self._ends.values() if end.deadline is not None), default=None)


def whole(frame: bytes) -> bytes:
    """The packet behind a vnet header, its checksum finished."""
    flags, _, _, _, begin, at = VNET.unpack_from(frame)
    packet = frame[VNET.size :]
    if not flags & NEEDS_CHECKSUM:
        return packet
    checksum = struct.pack(">H", internet_checksum(packet[begin:]))
    return packet[: begin + at] + checksum + packet[begin + at + 2 :]


def run(guest: Guest, interface: str, late: float) -> None:
    """For ever; what comes is looked at so many seconds later."""
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    line.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
    line.bind((interface, 0))
    print("serving", flush=True)
    waiting: deque[tuple[float, bytes]] = deque()
    while True:
        due = [when for when in (guest.deadline, waiting[0][0] if waiting else None) if when is not None]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        if select.select([line], [], [], timeout)[0]:
            frame, sender = line.recvfrom(1 << 17)
            if sender[2] != OUTGOING:
                waiting.append((time.monotonic() + late, whole(frame)))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            guest.receive(waiting.popleft()[1], now)
        for packet in guest.take(now):
            line.send(bytes(VNET.size) + packet)


def main(words: list[str]) -> None:
    def numbers(text: str) -> list[int]:
        return [int(each) for each in text.split(",")]

    parser = argparse.ArgumentParser()
    parser.add_argument("interface")
    parser.add_argument("mac")
    parser.add_argument("address", type=lambda text: str(ipaddress.IPv4Address(text)))
    parser.add_argument("--isn", type=numbers, required=True)
    parser.add_argument("--clock", type=numbers, required=True)
    parser.add_argument("--late", type=int, default=0)
    found = parser.parse_args(words)
    run(Guest(found.mac, found.address, found.isn, found.clock), found.interface, found.late / 1000)


if __name__ == "__main__":
    main(sys.argv[1:])
