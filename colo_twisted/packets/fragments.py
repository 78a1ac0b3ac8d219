# cython: annotation_typing=False
"""
Fragments of IPv4 (RFC 791, RFC 815) and IPv6 (RFC 8200 section 4.5, RFC 5722), put together to be compared.

The frames are kept beside the parts: what is compared whole is released as it came.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import OrderedDict
from typing import NamedTuple

from colo_twisted.packets import fields
from colo_twisted.packets.fields import Bytes
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.ip import (
    PROTOCOL_AUTHENTICATION,
    PROTOCOL_FRAGMENT,
    V4_FRAGMENT_AT,
    V4_TOTAL_LENGTH_AT,
    V6_FRAGMENT_HEADER,
    V6_HEADER,
    V6_NEXT_HEADER_AT,
    V6_PAYLOAD_LENGTH_AT,
)

LARGEST = 65535  # bytes: IPv4's total length, IPv6's payload length
# the largest packet, cut for the smallest MTU that every host takes (576: 552 bytes a part), makes 119; each twice
MOST_FRAGMENTS = 256
COST = 256  # bytes that a fragment, or a packet, takes beside its frame and its part


class Whole(NamedTuple):
    """
    What a packet's last missing part made.

    ``packet`` is one Ethernet packet, as if it had never been cut, for Headers.parse; an IPv4 header's checksum is
    the first fragment's. ``frames`` are the fragments' in the order in which they came.
    """

    packet: bytes
    frames: list[bytes]


class Incomplete:
    """A packet of which parts are missing. ``header`` is Ethernet's and IP's, once the first fragment is there."""

    __slots__ = ("deadline", "fragments", "frames", "header", "held_bytes", "parts", "refused", "size", "total")

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.fragments = 0
        self.frames: list[bytes] = []
        self.header = b""
        self.held_bytes = COST
        self.parts: list[tuple[int, bytes]] = []  # by place, in order; they don't overlap
        self.refused = False  # its parts can't be put together: those still to come are not kept
        self.size = 0  # bytes in parts
        self.total = -1  # bytes that it has; -1 until the last fragment is there

    def lay(self, at: int, part: bytes, whole_parts: bool) -> bool:
        """
        Put a part at its place; False if it contradicts what is there.

        Bytes that are there already must be the same; with ``whole_parts`` an overlap must be another copy of one part.
        """
        end = at + len(part)
        index = bisect(self.parts, (at,))
        if index and self.parts[index - 1][0] + len(self.parts[index - 1][1]) > at:
            index -= 1
        gaps = []
        reached = at
        for start, known in self.parts[index:]:
            if start >= end:
                break
            first, behind = max(start, at), min(start + len(known), end)
            if known[first - start : behind - start] != part[first - at : behind - at]:
                return False
            if whole_parts and (start != at or len(known) != len(part)):
                return False
            if start > reached:
                gaps.append((reached, part[reached - at : start - at]))
            reached = behind
        if reached < end:
            gaps.append((reached, part[reached - at :]))
        for gap in gaps:
            insort(self.parts, gap)
            self.size += len(gap[1])
        return True

    def note_end(self, end: int, last: bool) -> bool:
        """Take note of where a part ends; False if that contradicts what is known of the packet's end."""
        if last:
            reached = 0
            if self.parts:
                start, part = self.parts[len(self.parts) - 1]
                reached = start + len(part)
            if self.total not in (-1, end) or end < reached:
                return False
            self.total = end
        return self.total < 0 or end <= self.total

    def packet(self) -> bytes:
        """The whole of it."""
        return self.header + b"".join([part for _, part in self.parts])


class Reassembler:
    """
    Packets of which fragments have come, by who sent them to whom under which identification.

    At most ``most_bytes`` are held, each fragment's upkeep included; beyond that the oldest packets are given up. So
    is a packet whose parts contradict each other, one that would be larger than IP allows, and one of more than
    MOST_FRAGMENTS; what still comes of it is given up until it would have expired (RFC 5722).
    ``given_up`` has the frames of each, until the caller clears it.
    """

    __slots__ = ("_incomplete", "_lifetime", "_most_bytes", "given_up", "held_bytes")

    def __init__(self, most_bytes: int, lifetime: float) -> None:
        self._most_bytes = most_bytes
        self._lifetime = lifetime  # seconds from a packet's first fragment on
        # oldest first. All live equally long, so they also expire in this order
        self._incomplete: OrderedDict[bytes, Incomplete] = OrderedDict()
        self.held_bytes = 0
        self.given_up: list[list[bytes]] = []

    def __len__(self) -> int:
        return len(self._incomplete)

    def add(self, data: bytes, start: int, end: int, headers: Headers, frame: bytes, now: float) -> Whole | None:
        """
        Take the fragment ``data[start:end]``, which ``headers`` has parsed; the packet if nothing of it is missing.

        ``frame`` is kept, to be released as it came.
        """
        key = fragment_key(data, headers)
        packet = self._incomplete.get(key)
        if packet is None:
            packet = self._incomplete[key] = Incomplete(now + self._lifetime)
            self.held_bytes += packet.held_bytes
        if packet.refused:
            self.given_up.append([frame])
        else:
            self._keep(packet, frame, headers)
            if not _take(packet, data, headers):
                self._refuse(packet)
            elif packet.size == packet.total and packet.header:
                del self._incomplete[key]
                self.held_bytes -= packet.held_bytes
                return Whole(packet.packet(), packet.frames)
        while self.held_bytes > self._most_bytes:
            self._give_up_oldest()
        return None

    def expire(self, now: float) -> list[list[bytes]]:
        """Forget packets that were not whole in their lifetime; the frames of each."""
        expired = []
        for key, packet in self._incomplete.items():
            if packet.deadline > now:
                break
            expired.append((key, packet))
        for key, packet in expired:
            del self._incomplete[key]
            self.held_bytes -= packet.held_bytes
        return [packet.frames for _, packet in expired if packet.frames]

    @property
    def next_deadline(self) -> float | None:
        """When to call expire; None while there is nothing."""
        for packet in self._incomplete.values():
            return packet.deadline
        return None

    def _keep(self, packet: Incomplete, frame: bytes, headers: Headers) -> None:
        cost = len(frame) + headers.end - headers.payload + COST
        packet.frames.append(frame)
        packet.held_bytes += cost
        self.held_bytes += cost

    def _refuse(self, packet: Incomplete) -> None:
        self.given_up.append(packet.frames)
        self.held_bytes -= packet.held_bytes - COST
        packet.held_bytes = COST
        packet.refused = True
        packet.frames = []
        packet.parts = []
        packet.header = b""

    def _give_up_oldest(self) -> None:
        _, packet = self._incomplete.popitem(last=False)
        self.held_bytes -= packet.held_bytes
        if packet.frames:
            self.given_up.append(packet.frames)


def fragment_key(data: bytes, headers: Headers) -> bytes:
    """What all fragments of a packet share; in IPv6 only the first one's protocol counts (RFC 8200 section 4.5)."""
    key = headers.connection_key(data)
    if headers.version == 6:
        key = key[: len(key) - 1]
    return key + headers.fragment_id.to_bytes(4, "big")


def _take(packet: Incomplete, data: bytes, headers: Headers) -> bool:
    """Add a fragment's part to its packet; False if they don't fit."""
    at = headers.fragment_offset
    size = headers.end - headers.payload
    packet.fragments += 1
    if packet.fragments > MOST_FRAGMENTS or not size or at + size > LARGEST or (headers.more_fragments and size & 7):
        return False
    if not packet.note_end(at + size, not headers.more_fragments):
        return False
    if not packet.lay(at, data[headers.payload : headers.end], headers.version == 6):
        return False
    if at == 0 and not packet.header:
        packet.header = bytes(_first_header(data, headers))
    return packet.size != packet.total or not packet.header or _set_length(packet, headers)


def _first_header(data: bytes, headers: Headers) -> bytearray:
    """The first fragment's headers, Ethernet's and IP's, as they are when nothing is cut; the length is still its."""
    network = headers.network - headers.start
    if headers.version == 4:
        header = bytearray(data[headers.start : headers.payload])
        fields.put_u16(header, network + V4_FRAGMENT_AT, 0)
        return header
    cut_here = headers.payload - V6_FRAGMENT_HEADER
    header = bytearray(data[headers.start : cut_here])
    header[_last_next_header(header, network)] = data[cut_here]
    return header


def _last_next_header(header: Bytes, network: int) -> int:
    """Where the field stands that names what follows these IPv6 headers, which Headers.parse has walked."""
    field = network + V6_NEXT_HEADER_AT
    at = network + V6_HEADER
    while at < len(header):
        protocol = header[field]
        field = at
        if protocol == PROTOCOL_AUTHENTICATION:
            at += (header[at + 1] + 2) * 4
        elif protocol == PROTOCOL_FRAGMENT:  # an atomic one
            at += V6_FRAGMENT_HEADER
        else:
            at += (header[at + 1] + 1) * 8
    return field


def _set_length(packet: Incomplete, headers: Headers) -> bool:
    """Write the whole's length into its header; False if it is more than IP allows."""
    header = bytearray(packet.header)
    network = headers.network - headers.start
    length = len(header) - network + packet.total
    field = network + V4_TOTAL_LENGTH_AT
    if headers.version == 6:
        length -= V6_HEADER
        field = network + V6_PAYLOAD_LENGTH_AT
    if length > LARGEST:
        return False
    fields.put_u16(header, field, length)
    packet.header = bytes(header)
    return True
