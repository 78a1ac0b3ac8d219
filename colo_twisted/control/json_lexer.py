"""
The tokens of JSON in QEMU's dialect, from bytes that may be cut anywhere.

The dialect is JSON (RFC 8259) and strings in single quotes too, in which ``\\'`` stands for the quote.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

MOST_SHOWN = 100  # bytes of a wrong token in the words about it


class JSONError(ValueError):
    """What came is no JSON; the text is QEMU's."""


@dataclass(frozen=True)
class _State:
    """
    Where in a token the lexer is.

    @ivar run: bytes that change nothing.
    @ivar after: which state another byte leads to; '' where the token ends with it, '!' where it is wrong.
    @ivar may_end: the token may end before a byte that leads nowhere.
    """

    run: re.Pattern[bytes]
    after: dict[int, str]
    may_end: bool = False


def _to(state: str, among: bytes) -> dict[int, str]:
    return dict.fromkeys(among, state)


_NOTHING = re.compile(b"")
_DIGITS = re.compile(rb"[0-9]*")
_EXPONENT = _to("e", b"eE")
_PRINTABLE = bytes(range(0x20, 0xFE))  # 0xFE and 0xFF are in no UTF-8: a client may send them to end a token
_STRUCTURE = b"{}[],:"

_STATES = {
    "-": _State(_NOTHING, _to("0", b"0") | _to("int", b"123456789")),
    "0": _State(_NOTHING, _to(".", b".") | _EXPONENT | _to("!", b"0123456789"), True),
    "int": _State(_DIGITS, _to(".", b".") | _EXPONENT, True),
    ".": _State(_NOTHING, _to("fraction", b"0123456789")),
    "fraction": _State(_DIGITS, _EXPONENT, True),
    "e": _State(_NOTHING, _to("sign", b"+-") | _to("exponent", b"0123456789")),
    "sign": _State(_NOTHING, _to("exponent", b"0123456789")),
    "exponent": _State(_DIGITS, {}, True),
    "word": _State(re.compile(rb"[a-z]*"), {}, True),
    '"': _State(re.compile(rb'[^\x00-\x1f"\\\xfe\xff]*'), _to("", b'"') | _to('"\\', b"\\")),
    '"\\': _State(_NOTHING, _to('"', _PRINTABLE)),
    "'": _State(re.compile(rb"[^\x00-\x1f'\\\xfe\xff]*"), _to("", b"'") | _to("'\\", b"\\")),
    "'\\": _State(_NOTHING, _to("'", _PRINTABLE)),
}
_BEGINNINGS = (
    _to("-", b"-")
    | _to("0", b"0")
    | _to("int", b"123456789")
    | _to("word", b"abcdefghijklmnopqrstuvwxyz")
    | _to('"', b'"')
    | _to("'", b"'")
)
_BLANKS = re.compile(rb"[ \t\r\n]*")
# A whole token, the usual case, at one stroke: what of it is ambiguous, wrong or cut off is left to the states.
_WHOLE = re.compile(
    rb"""[ \t\r\n]*(
        [{}\[\],:]
        | "[^\x00-\x1f"\\\xfe\xff]*(?:\\[\x20-\xfd][^\x00-\x1f"\\\xfe\xff]*)*"
        | '[^\x00-\x1f'\\\xfe\xff]*(?:\\[\x20-\xfd][^\x00-\x1f'\\\xfe\xff]*)*'
        | (?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|[a-z]+)(?=[ \t\r\n{}\[\],:])
    )""",
    re.VERBOSE,
)
_SKIPPED = re.compile(rb"[^\x00-\x08\x0a-\x1f{}\[\],:\xfe\xff]*")  # behind an error


class Lexer:
    """
    Fed with bytes, it is asked for tokens: each byte is looked at once.

    @ivar room: the longest token that may be; a longer one is an error as soon as that is seen.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self._data = b""
        self._seen = 0  # so much of it was looked at
        self._begin = 0  # of the token that isn't whole yet
        self._part = bytearray()  # of that token, from earlier data
        self._state = ""  # of that token; '' between tokens
        self._skipping = False  # what follows an error, up to what a new value may begin behind
        self._dropping = False  # a token that is too long

    @property
    def held(self) -> int:
        """Bytes that aren't part of a token that was given out."""
        return len(self._part) + len(self._data) - self._begin

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._part += self._data[self._begin : self._seen]
        self._data = self._data[self._seen :] + data
        self._begin = self._seen = 0

    def next(self) -> bytes | None:
        """
        The next token: one of ``{}[],:``, a number, a word, or a string in its quotes; None if none is whole.

        Raises JSONError for what can't be one, and skips, as QEMU does, what is meaningless behind it.
        """
        while self._seen < len(self._data):
            if self._state:
                token = self._go_on()
            elif self._skipping:
                self._begin = self._seen = _end(_SKIPPED, self._data, self._seen)
                self._skipping = self._seen == len(self._data)
                continue
            else:
                token = self._start()
            if token is not None:
                return token
        return None

    def _start(self) -> bytes | None:
        whole = _WHOLE.match(self._data, self._seen)
        if whole is not None and len(whole[1]) <= self.room:
            self._begin = self._seen = whole.end()
            return whole[1]
        self._begin = self._seen = _end(_BLANKS, self._data, self._seen)
        if self._seen == len(self._data):
            return None
        self._state = _BEGINNINGS.get(self._data[self._seen], "")
        self._seen += 1
        if not self._state:
            self._fail()
        return None

    def _go_on(self) -> bytes | None:
        state = _STATES[self._state]
        self._seen = _end(state.run, self._data, self._seen)
        self._check_room()
        if self._seen == len(self._data):
            return None
        follows = state.after.get(self._data[self._seen], "" if state.may_end else "!")
        if not follows and state.may_end:
            return self._take()
        self._seen += 1
        if follows == "!":
            self._fail()
        if not follows:
            return self._take()
        self._state = follows
        return None

    def _check_room(self) -> None:
        if not self._dropping and len(self._part) + self._seen - self._begin > self.room:
            self._dropping = bool(self._state)
            self._forget()
            raise JSONError("JSON token size limit exceeded")
        if self._dropping:
            self._forget()

    def _forget(self) -> None:
        self._part.clear()
        self._begin = self._seen

    def _take(self) -> bytes | None:
        self._state = ""
        self._check_room()
        token = None if self._dropping else bytes(self._part) + self._data[self._begin : self._seen]
        self._dropping = False
        self._forget()
        return token

    def _fail(self) -> NoReturn:
        wrong = bytes(self._part[:MOST_SHOWN]) + self._data[self._begin : self._seen][:MOST_SHOWN]
        length = len(self._part) + self._seen - self._begin
        self._forget()
        self._state = ""
        self._skipping = True
        self._dropping = False
        shown = wrong if length <= MOST_SHOWN else wrong[:MOST_SHOWN] + b"..."
        text = shown.decode(errors="replace").replace("\0", "")
        raise JSONError(f"JSON parse error, stray '{text}'")


def _end(pattern: re.Pattern[bytes], data: bytes, at: int) -> int:
    match = pattern.match(data, at)
    assert match is not None  # each pattern matches nothing, too
    return match.end()
