"""pcap files: the classic format that Wireshark and tcpdump read (draft-ietf-opsawg-pcap)."""

from __future__ import annotations

import struct

from colo_twisted.packets.batch import Batch

_MAGIC_MICROSECONDS = 0xA1B2C3D4
_LINKTYPE_ETHERNET = 1
_pack_record_header = struct.Struct("=IIII").pack


def file_header(snap_length: int) -> bytes:
    """The 24 bytes at the head of a file whose records hold at most snap_length bytes of a packet."""
    return struct.pack("=IHHiIII", _MAGIC_MICROSECONDS, 2, 4, 0, 0, snap_length, _LINKTYPE_ETHERNET)


def records(batch: Batch, when: float, snap_length: int) -> bytes:
    """A record for each packet, all stamped with ``when`` (seconds since the epoch)."""
    seconds = int(when)
    microseconds = int((when - seconds) * 1_000_000)
    parts: list[bytes] = []
    for packet in batch.packets():
        kept = packet[:snap_length]
        parts += (_pack_record_header(seconds, microseconds, len(kept), len(packet)), kept)
    return b"".join(parts)
