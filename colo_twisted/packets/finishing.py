# cython: annotation_typing=False
"""
What a sender left to its network card, done: checksums filled in, large TCP segments cut (virtio 1.2, 5.1.6.2).

Frames with vnet headers go in, frames without come out, as they would stand on a wire.
"""

from __future__ import annotations

from colo_twisted.packets import fields, octets, sequence
from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.ip import V4_CHECKSUM_AT, V4_ID_AT, V4_TOTAL_LENGTH_AT, V6_HEADER, V6_PAYLOAD_LENGTH_AT
from colo_twisted.packets.kinds import TCP
from colo_twisted.packets.tcp import CHECKSUM_AT, CWR, FIN, FLAGS_AT, PSH, SEQ_AT
from colo_twisted.packets.vnet import (
    CSUM_OFFSET_AT,
    CSUM_START_AT,
    GSO_ECN,
    GSO_SIZE_AT,
    GSO_TCPV4,
    GSO_TCPV6,
    GSO_TYPE_AT,
    NEEDS_CSUM,
    TAP_HEADER_SIZE,
    with_vnet_headers,
)

LEAST_GSO_SIZE = 48  # as Linux's tcp_min_snd_mss: each piece has a header of its own, and they shall not add up
MOST_KEPT = 1 << 20  # bytes of room, from one batch to the next


class Finishing:
    """
    The room that batches are finished in, one after the other.

    @ivar left_out: frames of the last that can't be finished: segments that aren't TCP's, fields that lie outside.
    """

    def __init__(self) -> None:
        self.left_out = 0
        self._out = bytearray()
        self._end = 0  # of what stands there
        self._count = 0  # of frames there
        self._headers = Headers()

    def finished(self, batch: Batch) -> Batch:
        """The frames of a batch with vnet headers, in the form without."""
        data = batch.data
        self.left_out = 0
        self._end = 0
        self._count = 0
        self._make_room(len(data))
        at = 0
        while at < len(data):
            header = at + LENGTH_SIZE + VNET_LENGTH_SIZE
            packet = header + fields.u32(data, at + LENGTH_SIZE)
            at = header + fields.u32(data, at)
            if packet - header < TAP_HEADER_SIZE:
                self._put(data, packet, at)
            elif data[header + GSO_TYPE_AT]:
                self.left_out += not self._cut(data, header, packet, at)
            elif data[header] & NEEDS_CSUM:
                self.left_out += not self._finish(data, header, packet, at)
            else:
                self._put(data, packet, at)
        done = Batch.counted(octets.beginning(self._out, self._end), self._count, False)
        if len(self._out) > MOST_KEPT:
            self._out = bytearray()
        return done

    def _make_room(self, size: int) -> None:
        missing = self._end + size - len(self._out)
        if missing > 0:
            self._out.extend(bytes(max(missing, len(self._out))))

    def _put(self, data: bytes, start: int, end: int) -> int:
        """Append the packet ``data[start:end]`` as a frame; where it stands."""
        at = self._begin(end - start)
        octets.copy(self._out, at, data, start, end)
        return at

    def _begin(self, size: int) -> int:
        """Append a frame for a packet of so many bytes; where that is to stand."""
        self._make_room(LENGTH_SIZE + size)
        at = self._end + LENGTH_SIZE
        fields.put_u32(self._out, self._end, size)
        self._end = at + size
        self._count += 1
        return at

    def _finish(self, data: bytes, header: int, packet: int, end: int) -> bool:
        """Append a packet whose checksum field holds the pseudo-header's sum; False if the field lies outside."""
        start = octets.native_u16(data, header + CSUM_START_AT)
        field = start + octets.native_u16(data, header + CSUM_OFFSET_AT)
        if field + 2 > end - packet:
            return False
        at = self._put(data, packet, end)
        # UDP spells a sum of zero as ones (RFC 768); for TCP the two mean the same
        fields.put_u16(self._out, at + field, (0xFFFF - octets.sum16(self._out, at + start, self._end)) or 0xFFFF)
        return True

    def _cut(self, data: bytes, header: int, packet: int, end: int) -> bool:
        """Append a large TCP segment in pieces; False if it isn't one that can be cut."""
        size = octets.native_u16(data, header + GSO_SIZE_AT)
        if not self._is_large_segment(data, header, packet, end) or size < LEAST_GSO_SIZE:
            return False
        at = self._headers.payload
        index = 0
        while True:
            self._put_piece(data, at, min(at + size, end), end, index)
            at += size
            index += 1
            if at >= end:
                return True

    def _is_large_segment(self, data: bytes, header: int, packet: int, end: int) -> bool:
        """Look at its headers; whether they and the virtio-net header agree that this is one."""
        headers = self._headers
        kind = data[header + GSO_TYPE_AT] & ~GSO_ECN
        return (
            (data[header] & NEEDS_CSUM) != 0
            and headers.parse(data, packet, end) == TCP
            and kind == (GSO_TCPV4 if headers.version == 4 else GSO_TCPV6)
            and headers.end == end
            and headers.transport - packet == octets.native_u16(data, header + CSUM_START_AT)
            and octets.native_u16(data, header + CSUM_OFFSET_AT) == CHECKSUM_AT
        )

    def _put_piece(self, data: bytes, start: int, behind: int, end: int, index: int) -> None:
        """Append the segment with the payload ``data[start:behind]``; the large one's ends at ``end``."""
        headers = self._headers
        out = self._out
        before = headers.payload - headers.start
        at = self._begin(before + behind - start)
        octets.copy(out, at, data, headers.start, headers.payload)
        octets.copy(out, at + before, data, start, behind)
        self._put_network(at + headers.network - headers.start, index)
        transport = at + headers.transport - headers.start
        fields.put_u32(out, transport + SEQ_AT, sequence.add(headers.seq, start - headers.payload))
        flags = headers.flags
        if index:
            flags &= ~CWR
        if behind < end:
            flags &= ~(FIN | PSH)
        out[transport + FLAGS_AT] = flags
        # the field holds the pseudo-header's sum, of which the large segment's length is a part
        sums = octets.sum16(out, transport, self._end) + (self._end - transport)
        sums += 0xFFFF - (end - headers.transport)
        sums = (sums & 0xFFFF) + (sums >> 16)
        fields.put_u16(out, transport + CHECKSUM_AT, 0xFFFF - ((sums & 0xFFFF) + (sums >> 16)))

    def _put_network(self, network: int, index: int) -> None:
        """Length, identification and checksum of the IP header of the last piece."""
        headers = self._headers
        out = self._out
        if headers.version == 6:
            fields.put_u16(out, network + V6_PAYLOAD_LENGTH_AT, self._end - network - V6_HEADER)
            return
        fields.put_u16(out, network + V4_TOTAL_LENGTH_AT, self._end - network)
        fields.put_u16(out, network + V4_ID_AT, (fields.u16(out, network + V4_ID_AT) + index) & 0xFFFF)
        fields.put_u16(out, network + V4_CHECKSUM_AT, 0)
        transport = network + headers.transport - headers.network
        fields.put_u16(out, network + V4_CHECKSUM_AT, 0xFFFF - octets.sum16(out, network, transport))


_finishing = Finishing()  # of all: it returns before anybody else can ask, and room that stays costs no page faults


def without_vnet_headers(batch: Batch) -> tuple[Batch, int]:
    """
    The batch in the form without vnet headers: partial checksums are finished, large TCP segments cut.

    Also how many frames can't stand without their header and are left out (other packets to be cut, or with a
    checksum field outside them).
    """
    if not batch.vnet_hdr:
        return batch, 0
    return _finishing.finished(batch), _finishing.left_out


def in_form(batch: Batch, vnet_hdr: bool) -> tuple[Batch, int]:
    """The batch with or without vnet headers, as asked, itself if it is in that form; and how many are left out."""
    if batch.vnet_hdr == vnet_hdr:
        return batch, 0
    return (with_vnet_headers(batch), 0) if vnet_hdr else without_vnet_headers(batch)
