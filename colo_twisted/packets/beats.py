"""
Beats among frames: an Ethernet packet that two colo-peers send each other over the data channels too.

It bears the local experimental EtherType (IEEE 802, 0x88B5), a destination that no bridge forwards, and a secret that
colo-peer told, so that neither guest nor client can forge it; whoever gets the frames takes it out again.
"""

from __future__ import annotations

import struct

from colo_twisted.packets.batch import Batch

SECRET_SIZE = 16
_HEADER = bytes.fromhex("0180c200000e 02434f4c4f00 88b5") + b"COLO beat\0\0\0"
_beat = struct.Struct(">QQQ?")
_SMALLEST = 60  # an Ethernet packet without its check sequence


def beat_packet(secret: bytes, to: int, number: int, echo: int, confirms: bool) -> bytes:
    """
    A beat for the process whose incarnation is ``to``; the secret is 16 bytes.

    @param confirms: that the other may go on, as far as its sender is concerned.
    """
    return (_HEADER + secret + _beat.pack(to, number, echo, confirms)).ljust(_SMALLEST, b"\0")


def without_beats(batch: Batch, secret: bytes) -> tuple[Batch | None, list[tuple[int, int, int, bool]]]:
    """
    The batch without the beats that bear that secret (None if nothing else is in it), and these.

    Of each beat: to, number, echo, confirms.

    A batch without any, the usual one, is looked through once by the C library, and handed back as it is.
    """
    if secret not in batch.data:
        return batch, []
    begins = _HEADER + secret
    beats: list[tuple[int, int, int, bool]] = []
    parts: list[bytes] = []
    places = [0]
    for index, packet in enumerate(batch.packets()):
        if packet.startswith(begins) and len(packet) >= len(begins) + _beat.size:
            beats.append(_beat.unpack_from(packet, len(begins)))
            continue
        parts.append(batch.data[batch.places[index] : batch.places[index + 1]])
        places.append(places[-1] + len(parts[-1]))
    return (Batch(b"".join(parts), places, batch.vnet_hdr) if parts else None), beats
