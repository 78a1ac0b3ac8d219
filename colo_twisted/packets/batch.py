# cython: annotation_typing=False
"""A batch: a run of whole frames, exactly as they stand on the chardev wire, with their places beside it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

LENGTH_SIZE = 4  # the big-endian length that precedes each frame
VNET_LENGTH_SIZE = 4  # the big-endian vnet header length behind it, where frames carry vnet headers
MAX_FRAME = 4096 + 65536  # the largest length on the wire: QEMU's NET_BUFSIZE
MIN_PACKET = 14  # an Ethernet header: two addresses and a type

_pack_length = struct.Struct(">I").pack


class Batch:
    """
    Whole frames in one immutable buffer.

    ``data`` is what the chardev wire carries, frame behind frame. Frame i is
    ``data[places[i]:places[i + 1]]``, so ``places`` has one entry more than there are frames. With
    ``vnet_hdr`` each frame is a length L, a vnet header length V, then L bytes of which the first V
    are the virtio-net header; without it a length L, then L bytes.
    """

    __slots__ = ("data", "places", "vnet_hdr")

    def __init__(self, data: bytes, places: list[int], vnet_hdr: bool) -> None:
        self.data = data
        self.places = places
        self.vnet_hdr = vnet_hdr

    def __len__(self) -> int:
        return len(self.places) - 1

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
