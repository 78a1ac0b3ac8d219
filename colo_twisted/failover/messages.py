"""
What two colo-peers say to each other, as bytes: no clock, no connection.

Each message is one frame of a net chardev: a 4-byte big-endian length, then at most 69632 bytes::

    offset  size
         0     4  magic: 'COLO'
         4     1  version: 1; the fields behind it are this version's
         5     1  type
         6     8  incarnation: a random number of the sending process, the same as in its HELLO
        14     8  epoch of the sender
        22     8  number: of the checkpoint (BEGIN, DONE, ABORT), of the request (UNPROTECTED, PROTECT_NEW,
                  INVALID), of what is answered (ANSWER), of the beat (HELLO, HEARTBEAT); else 0
        30        body

All numbers are big-endian. The types, their numbers and bodies:

    1 HELLO        the sender's word, below. Each side's first message on each connection, and its answer to the
                   other's first
    2 GOODBYE      empty. An orderly stop: the connection closes now
    3 BEGIN        nonce, 16 bytes, for the marker packet that follows DONE
    4 DONE         list of offsets: length of key (1), key, sequence offset (4), timestamp offset (4)
    5 ABORT        1 the secondary's guest is unchanged, 0 nobody knows
    6 UNPROTECTED  list of keys: length of key (1), key
    7 PROTECT_NEW  empty
    8 INVALID      reason, UTF-8, at most 1024 bytes
    9 ANSWER       type of what is answered (1)
    10 HEARTBEAT   the sender's word
    11 HAND_OVER   reason, as INVALID's: why the sender has given its guest up, as its words say from now on

A word is: role (1) and role when the two were last synced (1): 1 primary, 2 secondary, and for the second 0 never;
flags (1): 1 it has gone on alone since, 2 as a secondary it takes over without an operator, 4 and without a fence, 8 it
has a state file, 16 its guest can follow, and could be heard by the network; vnet headers (1), below; its timeout and
its interval in milliseconds (4, 4); the incarnation of the other side that it knows, or 0 (8); the highest number of a
beat of that one's that has come, or 0 (8); the number by which its state file knows it (8); which time it is that it
has given its guest up, 0 while it hasn't (8); the same of the other side's, where it can't take over for that, else 0
(8); a secret that its beats on the data channels bear (16).
Vnet headers: 1 its end of the mirror's channel carries none, 2 carries them; 4 and 8 the same for the channel of the
secondary's output; neither of two: it has no such channel, or several that differ.

A list begins with one byte: 0 it ends with this message, 1 the next message of that type and number goes
on with it, 2 (UNPROTECTED only, and no entries) all connections that are open. Only lists of one type and
number may be unfinished at a time; messages of other types can come in between.

A message of an unknown type is skipped: a later program may say more. One of another version is refused.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from colo_twisted.packets.batch import MAX_FRAME
from colo_twisted.packets.sequence import Offsets

MAGIC = b"COLO"
VERSION = 1
NONCE_SIZE = 16
MOST_KEY_BYTES = 255
MOST_ENTRIES = 1 << 21  # of one list, over all its messages
MOST_REASON_BYTES = 1024

_VERSION_AT = len(MAGIC)
_NO_EPOCH = 1 << 63
_header = struct.Struct(">4sBBQQQ")
HEADER_SIZE = _header.size
MOST_LIST_BYTES = MAX_FRAME - HEADER_SIZE - 1  # of a list's entries, in one message
_offsets = struct.Struct(">II")
_word = struct.Struct(">BBBBIIQQQQQ16s")
_REST_OF_A_WORD = (
    *("headers", "timeout_ms", "interval_ms", "knows", "echo"),
    *("side", "given_up", "declined", "nonce"),
)
_SOLO, _TAKES_OVER, _UNFENCED, _KEEPS, _FIT = 1, 2, 4, 8, 16

_LAST, _MORE, _ALL = 0, 1, 2


class MessageError(ValueError):
    """What came is no message; the text is one line that says how."""


class VersionError(MessageError):
    """It is a message of another version."""


class Type(enum.IntEnum):
    """What a message is, by its number on the wire."""

    HELLO = 1
    GOODBYE = 2
    BEGIN = 3
    DONE = 4
    ABORT = 5
    UNPROTECTED = 6
    PROTECT_NEW = 7
    INVALID = 8
    ANSWER = 9
    HEARTBEAT = 10
    HAND_OVER = 11


ROLES = {1: "primary", 2: "secondary"}
_ROLE_NUMBERS = {role: number for number, role in ROLES.items()}


@dataclass(frozen=True)
class Message:
    """
    One message, a list joined again.

    Of the fields behind ``number`` a message has those of its type.

    @ivar type: a Type, or the plain number of an unknown one.
    @ivar keys: None means all that are open.
    @ivar answered: the type of what is answered, a plain number.
    """

    type: int
    number: int = 0
    incarnation: int = 0
    epoch: int = 0
    role: str = ""
    was: str = ""
    solo: bool = False
    takes_over: bool = False
    unfenced: bool = False
    keeps: bool = False
    fit: bool = False
    headers: int = 0
    timeout_ms: int = 0
    interval_ms: int = 0
    knows: int = 0
    echo: int = 0
    side: int = 0
    given_up: int = 0
    declined: int = 0
    nonce: bytes = b""
    offsets: Mapping[bytes, Offsets] = field(default_factory=dict)
    unchanged: bool = False
    keys: tuple[bytes, ...] | None = ()
    reason: str = ""
    answered: int = 0


def encode(message: Message) -> list[bytes]:
    """
    The packets that carry a message: one, or for a long list several.

    Raises ValueError for a key over 255 bytes, a list over MOST_ENTRIES, a nonce that isn't 16 bytes.
    """
    head = _header.pack(MAGIC, VERSION, message.type, message.incarnation, message.epoch, message.number)
    return [head + body for body in _bodies(message)]


def _bodies(message: Message) -> Iterable[bytes]:
    if message.type in (Type.HELLO, Type.HEARTBEAT):
        return [_word_of(message)]
    if message.type == Type.BEGIN:
        if len(message.nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce of {len(message.nonce)} bytes")
        return [message.nonce]
    if message.type == Type.DONE:
        return _cut(_key(key) + _offsets.pack(*_unsigned(offsets)) for key, offsets in message.offsets.items())
    if message.type == Type.ABORT:
        return [bytes([message.unchanged])]
    if message.type == Type.UNPROTECTED:
        return [bytes([_ALL])] if message.keys is None else _cut(map(_key, message.keys))
    if message.type in (Type.INVALID, Type.HAND_OVER):
        return [message.reason.encode(errors="replace")[:MOST_REASON_BYTES]]
    if message.type == Type.ANSWER:
        return [bytes([message.answered])]
    return [b""]


def _word_of(message: Message) -> bytes:
    flags = _SOLO * message.solo | _TAKES_OVER * message.takes_over | _UNFENCED * message.unfenced
    flags |= _KEEPS * message.keeps | _FIT * message.fit
    if len(message.nonce) != NONCE_SIZE:
        raise ValueError(f"a secret of {len(message.nonce)} bytes")
    roles = _ROLE_NUMBERS[message.role], _ROLE_NUMBERS.get(message.was, 0)
    times = message.timeout_ms, message.interval_ms
    beats = message.knows, message.echo
    guest = message.side, message.given_up, message.declined
    return _word.pack(*roles, flags, message.headers, *times, *beats, *guest, message.nonce)


def _unsigned(offsets: Offsets) -> tuple[int, int]:
    return offsets.sequence & 0xFFFFFFFF, offsets.timestamp & 0xFFFFFFFF


def _key(key: bytes) -> bytes:
    if len(key) > MOST_KEY_BYTES:
        raise ValueError(f"a key of {len(key)} bytes (allowed: at most {MOST_KEY_BYTES})")
    return bytes([len(key)]) + key


def _cut(entries: Iterable[bytes]) -> list[bytes]:
    """The bodies that carry a list's entries, each whole in one of them."""
    bodies: list[bytes] = []
    parts: list[bytes] = []
    size = count = 0
    for entry in entries:
        if size + len(entry) > MOST_LIST_BYTES:
            bodies.append(bytes([_MORE]) + b"".join(parts))
            parts, size = [], 0
        parts.append(entry)
        size += len(entry)
        count += 1
    if count > MOST_ENTRIES:
        raise ValueError(f"a list of {count} entries (allowed: at most {MOST_ENTRIES})")
    return [*bodies, bytes([_LAST]) + b"".join(parts)]


class Reader:
    """Makes messages from packets, one sender's in order, and joins lists that were cut."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._unfinished: tuple[int, int] | None = None  # type and number
        self._entries: list[bytes] = []
        self._offsets: dict[bytes, Offsets] = {}
        self._count = 0

    def read(self, packet: bytes) -> Message | None:
        """
        The message that is whole with this packet; None if more of its list is to come.

        Raises MessageError; VersionError if it is of another version.
        """
        head = _read_header(packet)
        body = packet[HEADER_SIZE:]
        if head.type in (Type.DONE, Type.UNPROTECTED):
            return self._join(head, body)
        return _with(head, **_fields(head.type, body))

    def _join(self, head: Message, body: bytes) -> Message | None:
        if not body:
            raise MessageError(f"{_name(head.type)} of 0 bytes (allowed: at least 1)")
        if self._unfinished not in (None, (head.type, head.number)):
            assert self._unfinished is not None
            kind, number = self._unfinished
            raise MessageError(
                f"{_name(head.type)} {head.number} while the list of {_name(kind)} {number} is unfinished"
            )
        if body[0] == _ALL and head.type == Type.UNPROTECTED:
            if len(body) > 1 or self._unfinished is not None:
                raise MessageError("UNPROTECTED names single connections, and all")
            return _with(head, keys=None)
        if body[0] not in (_LAST, _MORE):
            raise MessageError(f"{_name(head.type)} begins with {body[0]} (allowed: 0, 1, UNPROTECTED also 2)")
        self._take(head.type, body)
        if body[0] == _MORE:
            self._unfinished = (head.type, head.number)
            return None
        whole = _with(head, keys=tuple(self._entries), offsets=self._offsets)
        self._forget()
        return whole

    def _take(self, kind: int, body: bytes) -> None:
        for key, behind in _keys(kind, body, _offsets.size if kind == Type.DONE else 0):
            self._count += 1
            if self._count > MOST_ENTRIES:
                raise MessageError(f"a list of more than {MOST_ENTRIES} entries in {_name(kind)}")
            if kind == Type.DONE:
                self._offsets[key] = Offsets(*_offsets.unpack_from(body, behind))
            else:
                self._entries.append(key)


def _keys(kind: int, body: bytes, size_behind: int) -> Iterator[tuple[bytes, int]]:
    """Each entry's key, and where in the body that ends."""
    at = 1
    end = len(body)
    while at < end:
        behind = at + 1 + body[at]
        if behind + size_behind > end:
            raise MessageError(f"{_name(kind)} ends within an entry of its list")
        yield body[at + 1 : behind], behind
        at = behind + size_behind


def _read_header(packet: bytes) -> Message:
    if packet[: len(MAGIC)] != MAGIC[: len(packet)] or not packet:
        raise MessageError(f"it does not begin with '{MAGIC.decode()}': the peer is no colo-peer")
    if len(packet) > _VERSION_AT and packet[_VERSION_AT] != VERSION:
        raise VersionError(f"the peer speaks version {packet[_VERSION_AT]} of colo-peer's messages, this is {VERSION}")
    if len(packet) < HEADER_SIZE:
        raise MessageError(f"a message of {len(packet)} bytes (allowed: at least {HEADER_SIZE})")
    _, _, kind, incarnation, epoch, number = _header.unpack_from(packet)
    if epoch >= _NO_EPOCH:
        raise MessageError(f"epoch {epoch} (allowed: below 2**63)")  # else there were none above it
    return Message(kind, number, incarnation, epoch)


def _fields(kind: int, body: bytes) -> Mapping[str, object]:
    """What the body of a message without a list says, by the message's fields. Raises MessageError."""
    if kind in (Type.HELLO, Type.HEARTBEAT):
        return _read_word(kind, body)
    if kind == Type.ABORT:
        return {"unchanged": bool(_one_byte(kind, body, (0, 1)))}
    if kind == Type.ANSWER:
        return {"answered": _one_byte(kind, body, None)}
    if kind in (Type.INVALID, Type.HAND_OVER):
        return {"reason": _text(kind, body)}
    if kind == Type.BEGIN:
        _check_size(kind, body, NONCE_SIZE)
        return {"nonce": body}
    if kind in (Type.GOODBYE, Type.PROTECT_NEW):
        _check_size(kind, body, 0)
    return {}


def _check_size(kind: int, body: bytes, size: int) -> None:
    if len(body) != size:
        raise MessageError(f"{_name(kind)} of {len(body)} bytes (allowed: {size})")


def _one_byte(kind: int, body: bytes, allowed: Sequence[int] | None) -> int:
    _check_size(kind, body, 1)
    if allowed is not None and body[0] not in allowed:
        raise MessageError(f"{_name(kind)} says {body[0]} (allowed: {' or '.join(map(str, allowed))})")
    return body[0]


def _read_word(kind: int, body: bytes) -> Mapping[str, object]:
    _check_size(kind, body, _word.size)
    role, was, flags, *rest = _word.unpack(body)
    if role not in ROLES or was not in (0, *ROLES):
        raise MessageError(f"{_name(kind)} says {role} and {was} (allowed: 1 or 2, and 0 to 2)")
    return {
        "role": ROLES[role],
        "was": ROLES.get(was, ""),
        "solo": bool(flags & _SOLO),
        "takes_over": bool(flags & _TAKES_OVER),
        "unfenced": bool(flags & _UNFENCED),
        "keeps": bool(flags & _KEEPS),
        "fit": bool(flags & _FIT),
        **dict(zip(_REST_OF_A_WORD, rest)),
    }


def _text(kind: int, body: bytes) -> str:
    """Printable, whatever was sent: it goes into the log."""
    if len(body) > MOST_REASON_BYTES:
        raise MessageError(f"{_name(kind)} of {len(body)} bytes (allowed: at most {MOST_REASON_BYTES})")
    return "".join(c if c.isprintable() else "?" for c in body.decode(errors="replace"))


def _with(head: Message, **fields: object) -> Message:
    return Message(head.type, head.number, head.incarnation, head.epoch, **fields)  # type: ignore[arg-type]


def _name(kind: int) -> str:
    return Type(kind).name
