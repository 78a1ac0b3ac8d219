"""
JSON values from a byte stream, as QEMU's monitor finds them: no newline is needed, and a value may be cut anywhere.

After an error the next value is read again, QEMU's way: what is wrong in a token is said at once, all
else when the brackets round it are closed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from colo_twisted.control.json_lexer import JSONError, Lexer

# The deepest request there is, chardev-add, has 6. QEMU takes 1024; as many would be more than Python's own
# stack takes, here and wherever an id is sent back.
MOST_NESTING = 64
MOST_BYTES = 1 << 20  # of one value; blanks don't count
MOST_TOKENS = 4096  # of one value: each costs far more memory than its bytes, and time while frames wait


_NESTING = {b"{": (1, 0), b"}": (-1, 0), b"[": (0, 1), b"]": (0, -1)}  # braces and brackets that it opens


@dataclass(frozen=True)
class Value:
    """A JSON value that was found."""

    value: Any


class JSONStream:
    """
    Fed with bytes, it is asked for values.

    @ivar most_bytes: of one value; a change counts from the next value on.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._lexer = Lexer(most_bytes)
        self._reset()

    def _reset(self) -> None:
        self._tokens: list[bytes] = []
        self._lexer.room = self.most_bytes
        self._braces = 0  # open ones
        self._brackets = 0

    @property
    def held(self) -> int:
        """Received bytes that were not looked at yet, and those of a token that isn't whole."""
        return self._lexer.held

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._lexer.feed(data)

    def next(self) -> Value | None:
        """
        The next value; None if none is whole.

        Raises JSONError for what isn't one; the next call goes on behind it.
        """
        try:
            return self._next()
        except JSONError:
            self._reset()
            raise

    def _next(self) -> Value | None:
        if not self._tokens:
            self._lexer.room = self.most_bytes
        while (token := self._lexer.next()) is not None:
            self._tokens.append(token)
            self._lexer.room -= len(token)
            if token in _NESTING:
                braces, brackets = _NESTING[token]
                self._braces += braces
                self._brackets += brackets
            if self._braces == self._brackets == 0 or self._braces < 0 or self._brackets < 0:
                tokens = self._tokens
                self._reset()
                return Value(parse(tokens))
            if self._braces + self._brackets > MOST_NESTING:
                raise JSONError("JSON nesting depth limit exceeded")
            if len(self._tokens) > MOST_TOKENS:
                raise JSONError("JSON token count limit exceeded")
        return None


def parse(tokens: list[bytes]) -> Any:
    """The value of all the tokens. Raises JSONError; the first thing wrong counts."""
    return _Parser(tokens).value()


_WORDS = {b"true": True, b"false": False, b"null": None}


class _Parser:
    """Recursive descent; the depth is bounded where tokens are collected."""

    def __init__(self, tokens: list[bytes]) -> None:
        self._rest = iter(tokens)

    def _take(self) -> bytes:
        return next(self._rest, b"")

    def value(self) -> Any:
        return self._value(self._take())

    def _value(self, token: bytes) -> Any:
        if token == b"{":
            return self._object()
        if token == b"[":
            return self._array()
        first = token[:1]
        if first in (b'"', b"'"):
            return string(token)
        if first in b"-0123456789" and first:
            return _number(token)
        if token in _WORDS:
            return _WORDS[token]
        if first.isalpha():
            raise JSONError(f"JSON parse error, invalid keyword '{token[:100].decode()}'")
        raise JSONError("JSON parse error, expecting value")

    def _object(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        token = self._take()
        while token != b"}":
            key = self._value(token)
            if not isinstance(key, str):
                raise JSONError("JSON parse error, key is not a string in object")
            if self._take() != b":":
                raise JSONError("JSON parse error, missing : in object pair")
            value = self.value()
            if key in made:
                raise JSONError("JSON parse error, duplicate key")
            made[key] = value
            token = self._take()
            if token == b",":
                token = self._not(b"}")
            elif token != b"}":
                raise JSONError("JSON parse error, expected separator in dict")
        return made

    def _array(self) -> list[Any]:
        made: list[Any] = []
        token = self._take()
        while token != b"]":
            made.append(self._value(token))
            token = self._take()
            if token == b",":
                token = self._not(b"]")
            elif token != b"]":
                raise JSONError("JSON parse error, expected separator in list")
        return made

    def _not(self, end: bytes) -> bytes:
        """The token behind a comma."""
        token = self._take()
        if token == end:
            raise JSONError("JSON parse error, expecting value")
        return token


def _number(token: bytes) -> int | float:
    """As QEMU's: an integer if 64 bits hold it, else floating point."""
    if token.strip(b"-0123456789") == b"" and len(token) <= 20:
        whole = int(token)
        if -(1 << 63) <= whole < 1 << 64:
            return whole
    number = float(token)
    if math.isinf(number):
        raise JSONError(f"JSON parse error, number '{token[:100].decode()}' is out of range")
    return number


_ESCAPE = re.compile(r"\\(u.{0,4}|.)", re.DOTALL)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "/": "/", "\\": "\\", '"': '"', "'": "'"}
_HEX = re.compile("u[0-9a-fA-F]{4}")
_HALF = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")  # of a pair


def string(token: bytes) -> str:
    """What a string token in its quotes says. Raises JSONError."""
    try:
        text = token[1:-1].decode()
    except UnicodeDecodeError:
        raise JSONError("JSON parse error, invalid UTF-8 sequence in string") from None
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_unescaped, text)
    half = _HALF.search(text)
    if half is not None:
        raise JSONError(f"JSON parse error, \\u{ord(half[0]):04x} is not a valid Unicode character")
    return text.encode("utf-16", "surrogatepass").decode("utf-16")  # joins the pairs


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if escape in _SHORT:
        return _SHORT[escape]
    if escape[0] != "u":
        raise JSONError("JSON parse error, invalid escape sequence in string")
    if not _HEX.fullmatch(escape):
        raise JSONError(f"JSON parse error, \\{escape} is not a valid Unicode character")
    return chr(int(escape[1:], 16))
