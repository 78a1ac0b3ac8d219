# cython: annotation_typing=False
"""
The chardev wire, incoming: a byte stream cut anywhere becomes batches of whole frames.

The format is QEMU's for its net chardevs and its socket and stream netdevs: a 4-byte big-endian
length L and L bytes; with vnet headers a 4-byte big-endian length V between them, and the first V of
the L bytes are a virtio-net header.
"""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.batch import LENGTH_SIZE, MAX_FRAME, MIN_PACKET, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.ethernet import has_known_type
from colo_twisted.packets.vnet import HEADER_SIZES

_ALIKE = "set vnet_hdr_support alike at both ends"


class FrameDecoder:
    """
    Resumes anywhere, in the middle of a length field too, and never holds more than one frame.

    A stream that breaks the protocol sets ``broken`` to one line saying how; frames before that point
    are still returned, and everything behind it is ignored.
    """

    def __init__(self, vnet_hdr: bool) -> None:
        self.vnet_hdr = vnet_hdr
        self.broken: str | None = None
        self._header = LENGTH_SIZE + VNET_LENGTH_SIZE * vnet_hdr
        self._parts: list[bytes] = []  # the beginning of a frame whose end has not come yet
        self._held = 0  # bytes in _parts
        self._needed = 0  # bytes that must be there before looking again
        self._first = True

    @property
    def held(self) -> int:
        """Bytes of a part frame that wait for the rest of it."""
        return self._held

    def feed(self, data: bytes) -> Batch | None:
        """Take received bytes; return the frames that are whole now, or None if there are none."""
        if self.broken is not None:
            return None
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return None
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        batch = self._whole_frames(data)
        if self._first and len(batch):
            self._first = False
            mismatch = self._mismatch(batch.data[LENGTH_SIZE : batch.places[1]])
            if mismatch is not None:
                self.broken = mismatch
                return None
        return batch if len(batch) else None

    def _whole_frames(self, data: bytes) -> Batch:
        header = self._header
        places = [0]
        at = 0
        end = len(data)
        needed = header
        while end - at >= header:
            length = fields.u32(data, at)
            vnet_length = fields.u32(data, at + LENGTH_SIZE) if self.vnet_hdr else 0
            if length > MAX_FRAME or length - vnet_length < MIN_PACKET or vnet_length not in HEADER_SIZES:
                self.broken = self._why_refused(length, vnet_length, self._first and at == 0)
                return Batch(data[:at], places, self.vnet_hdr)
            needed = header + length
            if at + needed > end:
                break
            at += needed
            places.append(at)
            needed = header
        if at == end:
            return Batch(data, places, self.vnet_hdr)
        self._parts.append(data[at:])
        self._held = end - at
        self._needed = needed
        return Batch(data[:at], places, self.vnet_hdr)

    def _why_refused(self, length: int, vnet_length: int, first: bool) -> str:
        if vnet_length not in HEADER_SIZES:
            why = f"a vnet header of {vnet_length} bytes (allowed: 0, 10, 12, 20)"
            return f"{why}; the peer seems to send none: {_ALIKE}" if first else why
        if length > MAX_FRAME:
            return f"a frame of {length} bytes (allowed: at most {MAX_FRAME})"
        if vnet_length > length:
            return f"a vnet header of {vnet_length} bytes in a frame of {length}"
        return f"a packet of {length - vnet_length} bytes (allowed: at least {MIN_PACKET}, an Ethernet header)"

    def _mismatch(self, body: bytes) -> str | None:
        """
        How the first frame, without its length L, shows that one end sends vnet headers and the other doesn't.

        It must make sense when read the other way, and none as it is read here.
        """
        vnet_length = int.from_bytes(body[:VNET_LENGTH_SIZE], "big")
        as_plain = has_known_type(body)
        as_vnet = vnet_length in HEADER_SIZES and has_known_type(body[VNET_LENGTH_SIZE + vnet_length :])
        if self.vnet_hdr and as_plain and not as_vnet:
            return f"the first packet has no vnet header, and one is expected here; {_ALIKE}"
        if not self.vnet_hdr and as_vnet and not as_plain:
            begins = f"begins with a vnet header of {vnet_length} bytes"
            return f"the first packet {begins}, and none is expected here; {_ALIKE}"
        return None
