"""
JSON objects from a byte stream, whole or cut anywhere, with any blanks between them.

The server's own json_stream is strict about a client's requests, which are small, and slow; answers may have
megabytes. Here brackets are counted, and json does the rest.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}"]', re.DOTALL)
_NOT_BLANK = re.compile(rb"\S")
_MOST = 1 << 28  # bytes of one object: no answer has so many


class NotJSON(ValueError):
    """What came isn't a stream of JSON objects."""


class JSONObjects:
    """Fed with bytes, it gives the objects that are whole."""

    def __init__(self) -> None:
        self._data = bytearray()  # from the first byte of the object that isn't whole
        self._at = 0  # looked at so far
        self._depth = 0  # braces open there

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The objects that end in this piece. Raises NotJSON."""
        self._data += data
        ends = list(self._ends())
        found = [_parsed(self._data[start:end]) for start, end in zip([0, *ends], ends)]
        if ends:
            del self._data[: ends[-1]]
            self._at -= ends[-1]
        first = _NOT_BLANK.search(self._data)
        if first is not None and first[0] != b"{":
            raise NotJSON("no JSON object begins there")
        if len(self._data) > _MOST:
            raise NotJSON("an object has no end")
        return found

    def _ends(self) -> list[int]:
        """Where objects end, in what wasn't looked at yet."""
        ends: list[int] = []
        for token in _TOKEN.finditer(self._data, self._at):
            if token[0] == b'"':  # a string that isn't whole
                self._at = token.start()
                return ends
            self._depth += (token[0] == b"{") - (token[0] == b"}")
            if self._depth <= 0 and token[0] == b"}":
                self._depth = 0
                ends.append(token.end())
        self._at = len(self._data)
        return ends


def _parsed(data: bytearray) -> dict[str, Any]:
    """What begins with a brace and ends with one is an object, or nothing."""
    try:
        value: dict[str, Any] = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotJSON(str(error)) from None
    return value
