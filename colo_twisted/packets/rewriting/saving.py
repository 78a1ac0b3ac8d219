"""
A rewriter's table as bytes, and back: what a survivor's next process needs so that connections go on.

Magic, version, flags, the number of connections, the length of what follows; a record for each; a CRC-32 of all that.
Everything is big-endian. A record: the key and the Ethernet header, each behind a byte for its length, then _RECORD.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from colo_twisted.packets.rewriting.followed import CLOSED, Followed
from colo_twisted.packets.rewriting.following import Following
from colo_twisted.packets.tcp import LARGEST_SCALE

MAGIC = b"COLOtabl"
VERSION = 1

_HEAD = struct.Struct(">8sHHII")
_CRC = struct.Struct(">I")

# of the table
_ALONE = 1
_PROTECTING = 2
_ALL_FOLLOWED = 4

# of a connection, in the order in which they are written
_STANDS = ("unprotected", "isn_known", "learnt", "rcv_known", "ts_seen", "proposed", "guest_offers_scale", "owed")
_FLAGS = (*_STANDS, "leapt", "opens_unprotected")
_SMALL = ("state", "seen", "fins", "client_scale", "guest_scale", "proposed_scale")
_NUMBERED = ("isn", "offset", "sent", "shown", "client_ack", "client_stamp", "rcv_nxt", "ts_newest", "ts_offset")
_LONG = (*_NUMBERED, "proposed_isn", "guest_fin", "client_fin", "window", "leap_from")
_NUMBERS = _SMALL + _LONG
_RECORD = struct.Struct(f">H{len(_SMALL)}B{len(_LONG)}I")


class Table(NamedTuple):
    """A table that was saved."""

    flags: int
    connections: list[Followed]


class TableError(ValueError):
    """What was to be loaded is no table that was saved; says in a line why."""


def saved(following: Following) -> bytes:
    """The table."""
    records = [_record(known) for known in following.all()]
    body = b"".join(records)
    flags = _ALONE * following.alone | _PROTECTING * following.protecting | _ALL_FOLLOWED * following.all_followed
    whole = _HEAD.pack(MAGIC, VERSION, flags, len(records), len(body)) + body
    return whole + _CRC.pack(zlib.crc32(whole))


def _record(known: Followed) -> bytes:
    flags = sum(1 << place for place, name in enumerate(_FLAGS) if getattr(known, name))
    numbers = [getattr(known, name) for name in _NUMBERS]
    parts = (bytes((len(known.key),)), known.key, bytes((len(known.link),)), known.link, _RECORD.pack(flags, *numbers))
    return b"".join(parts)


def read(data: bytes, now: float) -> Table:
    """What was saved; idle times begin anew. Raises TableError."""
    flags, count, body = _checked(data)
    links: dict[bytes, bytes] = {}
    all_known: list[Followed] = []
    at = 0
    try:
        for _ in range(count):
            known, at = _read(body, at, links, now)
            all_known.append(known)
    except (IndexError, struct.error):
        raise TableError("a rewriter's table whose records don't fit its length") from None
    if at != len(body):
        raise TableError(f"a rewriter's table with {len(body) - at} bytes behind its last record")
    return Table(flags, all_known)


def restore(table: Table, following: Following) -> None:
    """Put a saved table into one that is empty."""
    flags, all_known = table
    following.alone = bool(flags & _ALONE)
    following.protecting = bool(flags & _PROTECTING)
    following.all_followed = bool(flags & _ALL_FOLLOWED)
    for known in all_known:
        following.restore(known)
    following.counters.not_followed += len(all_known) - len(following)


def _checked(data: bytes) -> tuple[int, int, bytes]:
    """The table's flags, how many records there are, and these."""
    if len(data) < _HEAD.size + _CRC.size or not data.startswith(MAGIC):
        raise TableError(f"no table of a rewriter ({len(data)} bytes)")
    _, version, flags, count, size = _HEAD.unpack_from(data)
    if version != VERSION:
        raise TableError(f"a rewriter's table of version {version}; this one reads version {VERSION}")
    whole = _HEAD.size + size + _CRC.size
    if len(data) != whole:
        raise TableError(f"a rewriter's table of {len(data)} bytes that says it has {whole}")
    if zlib.crc32(data[: -_CRC.size]) != _CRC.unpack(data[-_CRC.size :])[0]:
        raise TableError("a rewriter's table with a wrong checksum")
    return flags, count, data[_HEAD.size : -_CRC.size]


def _read(body: bytes, at: int, links: dict[bytes, bytes], now: float) -> tuple[Followed, int]:
    """A connection, and where the next one's record begins. Raises IndexError or struct.error."""
    key, at = _read_short(body, at)
    link, at = _read_short(body, at)
    flags, *numbers = _RECORD.unpack_from(body, at)
    known = Followed(key, now)
    known.link = links.setdefault(link, link)
    for place, name in enumerate(_FLAGS):
        setattr(known, name, bool(flags & 1 << place))
    for name, number in zip(_NUMBERS, numbers, strict=True):
        setattr(known, name, number)
    _check(known)
    return known, at + _RECORD.size


def _read_short(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + body[at]
    return body[at + 1 : end], end


def _check(known: Followed) -> None:
    scales = (known.client_scale, known.guest_scale)
    if known.state > CLOSED or max(scales) > LARGEST_SCALE:
        raise TableError("a rewriter's table with a state or a window scale that there isn't")
