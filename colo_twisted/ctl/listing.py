"""Connections and divergences in lines, packets as hex dumps and as a pcap file. Pure functions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from colo_twisted.ctl.status import divergence_line
from colo_twisted.ctl.words import Paint, lasting, said, sized
from colo_twisted.packets.batch import MAX_FRAME, Batch
from colo_twisted.packets.pcap import file_header, records

_ROW = 16  # bytes in a line of a hex dump
_SIDES = ("primary", "secondary")
_STATE_COLOURS = {"followed": "green", "diverged": "red", "unprotected": "yellow"}

_PRIMARYS = ("followed", "unprotected", "passed", "naming", "diverged", "closing")
_SECONDARYS = ("proposed", "opening", "open", "closed")
STATES = (*_PRIMARYS, *_SECONDARYS)
"""What a connection's state may be; unprotected is one of the secondary's, too."""

CONNECTIONS_HEAD = f"{'STATE':<12} {'HELD PKTS / BYTES':>18} {'IDLE':>12}  CONNECTION"
REWRITTEN_HEAD = f"{'STATE':<12} {'SEQ OFFSET':>12} {'TS OFFSET':>12}  CONNECTION"


def connections_head(row: Mapping[str, Any]) -> str:
    """The heading over a primary's rows, or over a secondary's."""
    return REWRITTEN_HEAD if "sequence-offset" in row else CONNECTIONS_HEAD


def connection_line(row: Mapping[str, Any], paint: Paint) -> str:
    """A connection; its text comes last, for it may be long."""
    state = str(row["state"])
    painted = paint(f"{said(state):<12}", _STATE_COLOURS.get(state, "bold"))
    if "sequence-offset" in row:
        offsets = (signed(row["sequence-offset"]), signed(row.get("timestamp-offset", 0)))
        middle = " ".join(f"{offset:>12}" for offset in offsets)
    else:
        packets, size = row.get("held-packets", 0), row.get("held-bytes", 0)
        held = f"{packets:,} / {sized(size)}" if packets else "-"
        middle = f"{held:>18} {lasting(row.get('idle', 0)):>12}"
    return f"{painted} {middle}  {said(row['connection'])}"


def signed(number: int) -> int:
    """A number modulo 2**32 as the one that is nearest to 0."""
    return (number + (1 << 31)) % (1 << 32) - (1 << 31)


def divergence_lines(divergence: Mapping[str, Any], now: float, numbers: Mapping[str, int] | None = None) -> list[str]:
    """
    A divergence with all that is known of it, without its packets.

    ``numbers`` has the places of its packets in the pcap file, from 1, by side.
    """
    lines = [divergence_line(divergence, now)]
    places = [f"{side}'s is packet {number}" for side, number in (numbers or {}).items()]
    details = [f"of {said(divergence['compare'])}"] if "compare" in divergence else []
    if divergence.get("offset"):
        details.append(f"{divergence['offset']} bytes of the payload are alike")
    return [*lines, f"    {', '.join([*details, *places])}"] if details or places else lines


def packet_lines(divergence: Mapping[str, Any]) -> Iterator[str]:
    """Both packets as hex dumps."""
    for side, packet in packets_of(divergence):
        yield f"    the {side}'s, {len(packet)} bytes:"
        yield from hex_dump(packet, "      ")
    missing = [side for side in _SIDES if side not in divergence]
    if missing:
        yield f"    there is no packet of the {' nor the '.join(missing)}"


def packets_of(divergence: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Which side's, and its bytes from the Ethernet header on."""
    for side in _SIDES:
        if divergence.get(side):
            yield side, base64.b64decode(divergence[side])


def hex_dump(data: bytes, indent: str = "") -> Iterator[str]:
    """'0010  08 00 45 ...  |..E...|', sixteen bytes a line."""
    for at in range(0, len(data), _ROW):
        row = data[at : at + _ROW]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{indent}{at:04x}  {row.hex(' '):<{3 * _ROW - 1}}  |{text}|"


def pcap_numbers(found: Iterable[Mapping[str, Any]]) -> list[dict[str, int]]:
    """For each divergence the numbers, from 1, that its packets have in the file."""
    numbers: list[dict[str, int]] = []
    next_one = 1
    for divergence in found:
        places = {}
        for side, _ in packets_of(divergence):
            places[side] = next_one
            next_one += 1
        numbers.append(places)
    return numbers


def pcap_file(found: Iterable[Mapping[str, Any]], now: float) -> bytes:
    """A pcap file: for each divergence the primary's packet, then the secondary's, at the time when it was met."""
    parts = [file_header(MAX_FRAME)]
    for divergence in found:
        for _, packet in packets_of(divergence):
            parts.append(records(Batch.from_packets([packet]), now - divergence.get("ago", 0.0), MAX_FRAME))
    return b"".join(parts)
