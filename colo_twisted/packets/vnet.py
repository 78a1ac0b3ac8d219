"""
The virtio-net header (virtio 1.2, section 5.1.6), and batches with and without it.

Its fields are in the host's byte order here: that is how a TAP gives and takes them.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from colo_twisted.packets.batch import LENGTH_SIZE, VNET_LENGTH_SIZE, Batch
from colo_twisted.packets.checksum import finish_checksum

HEADER_SIZES = frozenset((0, 10, 12, 20))  # none; plain; with num_buffers; with a hash report
TAP_HEADER_SIZE = 10  # what our TAPs use

NEEDS_CSUM = 1
GSO_NONE = 0

_header_at = struct.Struct("=BBHHHH").unpack_from  # flags, gso_type, hdr_len, gso_size, csum_start, csum_offset
_lengths_at = struct.Struct(">II").unpack_from
_pack_lengths = struct.Struct(">II").pack


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


def without_vnet_headers(batch: Batch) -> Batch:
    """
    The batch in the form without vnet headers: partial checksums are finished.

    A packet that can't stand without its header (one to be segmented, or with a checksum field
    outside it) is left out: compare the lengths to count those.
    """
    if not batch.vnet_hdr:
        return batch
    plain = (_plain_packet(batch.data[start:end]) for start, end in pairwise(batch.places))
    return Batch.from_packets(packet for packet in plain if packet is not None)


def in_form(batch: Batch, vnet_hdr: bool) -> Batch:
    """The batch with or without vnet headers, as asked; itself if it is in that form."""
    if batch.vnet_hdr == vnet_hdr:
        return batch
    return with_vnet_headers(batch) if vnet_hdr else without_vnet_headers(batch)


def _plain_packet(frame: bytes) -> bytes | None:
    _, vnet_length = _lengths_at(frame)
    body = LENGTH_SIZE + VNET_LENGTH_SIZE
    packet = frame[body + vnet_length :]
    if not vnet_length:
        return packet
    flags, gso_type, _, _, csum_start, csum_offset = _header_at(frame, body)
    if gso_type != GSO_NONE:
        return None
    if flags & NEEDS_CSUM:
        return finish_checksum(packet, csum_start, csum_offset)
    return packet


def fit_header(frame: bytes) -> bytes:
    """One frame of the form with vnet headers as a TAP takes it: header of TAP_HEADER_SIZE bytes, then the packet."""
    _, vnet_length = _lengths_at(frame)
    body = LENGTH_SIZE + VNET_LENGTH_SIZE
    header = frame[body : body + vnet_length][:TAP_HEADER_SIZE].ljust(TAP_HEADER_SIZE, b"\0")
    return header + frame[body + vnet_length :]


def frame_lengths(size: int) -> bytes:
    """The two lengths before what a TAP with vnet headers gave: size counts its header."""
    return _pack_lengths(size, TAP_HEADER_SIZE)
