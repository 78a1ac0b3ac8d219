"""
The virtio-net header (virtio 1.2, section 5.1.6), put on and fitted; packets.finishing takes it off.

Its fields are in the host's byte order here: that is how a TAP gives and takes them.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch

HEADER_SIZES = frozenset((0, 10, 12, 20))  # none; plain; with num_buffers; with a hash report
TAP_HEADER_SIZE = 10  # what our TAPs use

# in the header, all but the first two of 16 bits
GSO_TYPE_AT = 1
GSO_SIZE_AT = 4
CSUM_START_AT = 6
CSUM_OFFSET_AT = 8

NEEDS_CSUM = 1  # in the flags, its first byte
GSO_NONE = 0
GSO_TCPV4 = 1
GSO_TCPV6 = 4
GSO_ECN = 0x80  # beside one of them

_lengths_at = struct.Struct(">II").unpack_from


def with_vnet_headers(batch: Batch) -> Batch:
    """The batch in the form that carries vnet headers; each gets one of length 0, as QEMU sends."""
    if batch.vnet_hdr:
        return batch
    data, places = batch.data, batch.places
    no_header = bytes(VNET_LENGTH_SIZE)
    parts: list[bytes] = []
    for start, end in pairwise(places):
        parts += (data[start : start + LENGTH_SIZE], no_header, data[start + LENGTH_SIZE : end])
    return Batch(b"".join(parts), [place + VNET_LENGTH_SIZE * i for i, place in enumerate(places)], True)


def fit_header(frame: bytes) -> bytes:
    """One frame of the form with vnet headers as a TAP takes it: header of TAP_HEADER_SIZE bytes, then the packet."""
    _, vnet_length = _lengths_at(frame)
    body = LENGTH_SIZE + VNET_LENGTH_SIZE
    header = frame[body : body + vnet_length][:TAP_HEADER_SIZE].ljust(TAP_HEADER_SIZE, b"\0")
    return header + frame[body + vnet_length :]
