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
from colo_twisted.packets.vnet import HEADER_SIZES, TAP_HEADER_SIZE

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
        self.count = 0  # frames that were whole in what came last

    @property
    def held(self) -> int:
        """Bytes of a part frame that wait for the rest of it."""
        return self._held

    def feed(self, data: bytes) -> Batch | None:
        """Take received bytes; return the frames that are whole now, or None if there are none."""
        if self.broken is not None:
            return None
        begun = b""
        if self._held:
            self._held += len(data)
            if self._held < self._needed:
                self._parts.append(data)
                return None
            begun = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        batch = self._whole_frames(begun, data)
        return None if batch is None else self.approved(batch)

    def begun(self) -> bytes:
        """The beginning of a frame that has come; whoever uses ``measure`` puts it before what comes."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def measure(self, data: bytes) -> int:
        """How many bytes of ``data`` are whole frames, ``count`` of them. What is behind them has begun."""
        self._parts.clear()
        self._held = 0
        self.count = 0
        return 0 if self.broken is not None else self._measure(data, data, 0)

    def approved(self, batch: Batch) -> Batch | None:
        """The batch, unless it is a stream's first, and shows that the other end frames otherwise."""
        if self._first:
            self._first = False
            mismatch = self._mismatch(batch.data[LENGTH_SIZE : batch.places[1]])
            if mismatch is not None:
                self.broken = mismatch
                return None
        return batch

    def _whole_frames(self, begun: bytes, data: bytes) -> Batch | None:
        """The frames that are whole, the first of which began with ``begun``."""
        at = self.count = 0
        if begun:
            first = begun + data[: self._header] if len(begun) < self._header else begun
            needed = self._size_at(first, 0)
            if needed < 0:
                return None
            at = needed - len(begun)
            if at > len(data):
                self._hold(begun + data, 0, needed)
                return None
            self.count = 1
        at = self._measure(data, data, at)
        return Batch.counted(_joined(begun, data, at), self.count, self.vnet_hdr) if self.count else None

    def _measure(self, data: bytes, octets: bytes, at: int) -> int:
        """Where the whole frames from ``data[at]`` on end; ``count`` is that many more, and the rest is held."""
        end = len(data)
        count = 0
        needed = self._header
        while end - at >= self._header:
            needed = self._size_at(octets, at)
            if needed < 0 or at + needed > end:
                break
            at += needed
            count += 1
            needed = self._header
        self.count += count
        if needed > 0 and at < end:
            self._hold(data, at, needed)
        return at

    def _size_at(self, octets: bytes, at: int) -> int:
        """How long the frame there is, the fields before it included; -1 if it can be none, which breaks all."""
        length = fields.u32(octets, at)
        vnet_length = 0
        if self.vnet_hdr:
            vnet_length = fields.u32(octets, at + LENGTH_SIZE)
            if vnet_length != TAP_HEADER_SIZE and vnet_length not in HEADER_SIZES:
                self.broken = self._why_refused(length, vnet_length, self._first and at == 0)
                return -1
        if length > MAX_FRAME or length - vnet_length < MIN_PACKET:
            self.broken = self._why_refused(length, vnet_length, self._first and at == 0)
            return -1
        return self._header + length

    def _hold(self, data: bytes, start: int, needed: int) -> None:
        """Keep ``data[start:]``, the beginning of a frame; look again when there are so many bytes."""
        part = data[start:]
        self._parts.append(part)
        self._held = len(part)
        self._needed = needed

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


def _joined(begun: bytes, data: bytes, end: int) -> bytes:
    """``begun + data[:end]``, copied once at most."""
    if begun:
        return b"".join((begun, memoryview(data)[:end]))
    return data if end == len(data) else data[:end]
