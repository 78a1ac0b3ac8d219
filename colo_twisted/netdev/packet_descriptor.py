# cython: annotation_typing=False
"""A descriptor that gives a packet to each read and takes one with each write, as a TAP's; here in batches."""

from __future__ import annotations

from colo_twisted.netdev import calls
from colo_twisted.packets import fields, octets
from colo_twisted.packets.batch import LENGTH_SIZE, MAX_FRAME, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.vnet import TAP_HEADER_SIZE, fit_header

_NO_HEADER = bytes(TAP_HEADER_SIZE)


class PacketDescriptor:
    """
    Reads and writes whole batches.

    With ``vnet_hdr`` its packets begin with a virtio-net header of TAP_HEADER_SIZE bytes.

    @ivar error: the errno that ended the last call; 0 if nothing did.
    @ivar packets: how many packets that call has read or written.
    @ivar octets: and how many bytes, such headers included.
    """

    def __init__(self, fd: int, vnet_hdr: bool, most_octets: int) -> None:
        self.fd = fd
        self.vnet_hdr = vnet_hdr
        self.error = 0
        self.packets = 0
        self.octets = 0
        self._most_octets = most_octets
        # a packet may begin where most_octets are there already
        self._buffer = bytearray(most_octets + LENGTH_SIZE + VNET_LENGTH_SIZE + MAX_FRAME)

    def read(self, most: int) -> Batch | None:
        """What there is: at most so many packets, and none after ``most_octets`` bytes of frames. None for nothing."""
        prefix = LENGTH_SIZE + VNET_LENGTH_SIZE if self.vnet_hdr else LENGTH_SIZE
        buffer = self._buffer
        end = 0
        count = 0
        self.error = 0
        while count < most and end <= self._most_octets:
            size = calls.read_into(self.fd, buffer, end + prefix, MAX_FRAME)
            if size < 0:
                self.error = -size
                break
            fields.put_u32(buffer, end, size)
            if self.vnet_hdr:
                fields.put_u32(buffer, end + LENGTH_SIZE, TAP_HEADER_SIZE)
            end += prefix + size
            count += 1
        self.packets = count
        self.octets = end - prefix * count
        return Batch.counted(octets.beginning(buffer, end), count, self.vnet_hdr) if count else None

    def write(self, data: bytes, at: int, vnet_hdr: bool) -> int:
        """
        Write the frames that begin at ``data[at]``; with ``vnet_hdr`` they are of that form, which needs a descriptor
        of that form.

        Returns where the first begins that was not taken (``error`` says why), or the end.
        """
        before = LENGTH_SIZE + VNET_LENGTH_SIZE if vnet_hdr else LENGTH_SIZE
        as_it_is = vnet_hdr == self.vnet_hdr
        end = len(data)
        count = 0
        octets = 0
        self.error = 0
        while at < end:
            body = at + before
            behind = body + fields.u32(data, at)
            if as_it_is and (not vnet_hdr or fields.u32(data, at + LENGTH_SIZE) == TAP_HEADER_SIZE):
                size = calls.write_from(self.fd, data, body, behind)
            else:
                size = self.write_packet(self._packet(data, at, behind, vnet_hdr))
            if size < 0:
                self.error = -size
                break
            count += 1
            octets += size
            at = behind
        self.packets = count
        self.octets = octets
        return at

    def behind(self, data: bytes, at: int, vnet_hdr: bool) -> int:
        """Where the frame ends that begins at ``data[at]``."""
        return at + (LENGTH_SIZE + VNET_LENGTH_SIZE if vnet_hdr else LENGTH_SIZE) + fields.u32(data, at)

    def packets_of(self, data: bytes, at: int, vnet_hdr: bool) -> list[bytes]:
        """Each frame from ``data[at]`` on as this descriptor takes it."""
        packets = []
        while at < len(data):
            behind = self.behind(data, at, vnet_hdr)
            packets.append(self._packet(data, at, behind, vnet_hdr))
            at = behind
        return packets

    def _packet(self, data: bytes, at: int, behind: int, vnet_hdr: bool) -> bytes:
        """The frame ``data[at:behind]`` as this descriptor takes it."""
        if vnet_hdr:
            return fit_header(fields.piece(data, at, behind))
        body = fields.piece(data, at + LENGTH_SIZE, behind)
        return _NO_HEADER + body if self.vnet_hdr else body

    def write_packet(self, packet: bytes) -> int:
        """Write one packet, of this descriptor's form; how many bytes were taken, or -errno."""
        return calls.write_from(self.fd, packet, 0, len(packet))
