# cython: annotation_typing=False
"""A batch: a run of whole frames, exactly as they stand on the chardev wire."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from colo_twisted.packets import fields

LENGTH_SIZE = 4  # the big-endian length that precedes each frame
VNET_LENGTH_SIZE = 4  # the big-endian vnet header length behind it, where frames carry vnet headers
MAX_FRAME = 4096 + 65536  # the largest length on the wire: QEMU's NET_BUFSIZE
MIN_PACKET = 14  # an Ethernet header: two addresses and a type

_pack_length = struct.Struct(">I").pack


class Batch:
    """
    Whole frames in one immutable buffer.

    ``data`` is what the chardev wire carries, frame behind frame. With ``vnet_hdr`` each frame is a length L, a vnet
    header length V, then L bytes of which the first V are the virtio-net header; without it a length L, then L bytes.
    """

    __slots__ = ("_count", "_places", "data", "vnet_hdr")

    def __init__(self, data: bytes, places: list[int], vnet_hdr: bool) -> None:
        self.data = data
        self.vnet_hdr = vnet_hdr
        self._count = len(places) - 1
        self._places: list[int] | None = places

    @classmethod
    def counted(cls, data: bytes, count: int, vnet_hdr: bool) -> Batch:
        """So many frames, whose places nobody has noted: most ways through the house don't ask for them."""
        batch: Batch = cls.__new__(cls)
        batch.fill(data, count, vnet_hdr)
        return batch

    def fill(self, data: bytes, count: int, vnet_hdr: bool) -> None:
        """What ``counted`` makes of a new one; for nobody else."""
        self.data = data
        self.vnet_hdr = vnet_hdr
        self._count = count
        self._places = None

    @property
    def places(self) -> list[int]:
        """Where the frames stand: frame i is ``data[places[i]:places[i + 1]]``, so there is one entry more."""
        if self._places is None:
            self._places = self._find_places()
        return self._places

    def _find_places(self) -> list[int]:
        data = self.data
        header = LENGTH_SIZE + VNET_LENGTH_SIZE if self.vnet_hdr else LENGTH_SIZE
        places = [0]
        at = 0
        for _ in range(self._count):
            at += header + fields.u32(data, at)
            places.append(at)
        return places

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Batch of {len(self)} frames, {len(self.data)} bytes, vnet_hdr={self.vnet_hdr}>"

    @classmethod
    def from_packets(cls, packets: Iterable[bytes]) -> Batch:
        """Frame Ethernet packets (bytes without any length or vnet header) as a batch without vnet headers."""
        parts: list[bytes] = []
        places = [0]
        end = 0
        for packet in packets:
            parts += (_pack_length(len(packet)), packet)
            end += LENGTH_SIZE + len(packet)
            places.append(end)
        return cls(b"".join(parts), places, False)

    def packets(self) -> Iterator[bytes]:
        """Each frame's Ethernet packet, without lengths and vnet header."""
        data = self.data
        places = self.places
        for index in range(len(places) - 1):
            start = places[index] + LENGTH_SIZE
            if self.vnet_hdr:
                start += VNET_LENGTH_SIZE + int.from_bytes(data[start : start + VNET_LENGTH_SIZE], "big")
            yield data[start : places[index + 1]]

    @property
    def packet_bytes(self) -> int:
        """The frames' bytes less their length fields (a vnet header counts)."""
        return len(self.data) - len(self) * (LENGTH_SIZE + VNET_LENGTH_SIZE * self.vnet_hdr)


def framed(packet: bytes, vnet_hdr: bool) -> bytes:
    """The frame of one Ethernet packet; with ``vnet_hdr`` in that form, its vnet header being of length 0."""
    return _pack_length(len(packet)) + b"\0\0\0\0" * vnet_hdr + packet
