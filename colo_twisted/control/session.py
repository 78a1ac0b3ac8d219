"""
One client's conversation: no clock, no connection.

Fed with what the client sends, it hands out what to do next: bytes to send, or a request to carry out.
One request is carried out at a time, and what comes behind it waits as it came, so answers keep the
order of requests whatever each takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colo_twisted.control.errors import COMMAND_NOT_FOUND, QMPError, as_qmp
from colo_twisted.control.json_lexer import JSONError
from colo_twisted.control.json_stream import MOST_BYTES, JSONStream, Value
from colo_twisted.counters import Counters
from colo_twisted.options import json_values
from colo_twisted.options.declare import prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.json_values import TextList

NEGOTIATE = "qmp_capabilities"
MOST_UNKNOWN = 1 << 16  # bytes of a value before the negotiation: anybody may connect, and say nothing whole
MOST_HELD = 1 << 16  # bytes that may wait behind a request before reading is to be paused


@dataclass
class SessionCounters(Counters):
    """What clients asked for."""

    requests: int = 0  # commands that were carried out, or failed
    errors: int = 0  # those of them that failed
    protocol_errors: int = 0  # what was no JSON, no request, or out of turn


@dataclass(frozen=True)
class Request:
    """A command to be carried out; the session waits until it has been given its answer."""

    command: str
    arguments: Mapping[str, Any]
    tag: Mapping[str, Any] = field(default_factory=dict)  # its id, if it has one


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What qmp_capabilities takes."""

    enable: tuple[str, ...] = prop(TextList(), "what to switch on: there is nothing", default=())


class Session:
    """
    What is said to a client, and when.

    @ivar negotiated: whether the client has said qmp_capabilities; before that it gets no events.
    """

    def __init__(self, version: Mapping[str, Any], pretty: bool, counters: SessionCounters) -> None:
        self.negotiated = False
        self._counters = counters
        self._version = version
        self._pretty = pretty
        self._stream = JSONStream(MOST_UNKNOWN)
        self._request: Request | None = None

    def greeting(self) -> bytes:
        """The first thing to send."""
        return self._line({"QMP": {"version": self._version, "capabilities": []}})

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._stream.feed(data)

    @property
    def busy(self) -> bool:
        """Whether a request waits for its answer: there is no step until then."""
        return self._request is not None

    @property
    def full(self) -> bool:
        """Whether reading should pause: a request is carried out, and much waits behind it."""
        return self.busy and self._stream.held > MOST_HELD

    def step(self) -> bytes | Request | None:
        """The next thing to do: send bytes, or carry out a request; None if nothing is left to do for now."""
        if self.busy:
            return None
        tag: Mapping[str, Any] = {}
        try:
            found = self._stream.next()
            if found is None:
                return None
            members = _object(found)
            tag = {"id": members["id"]} if "id" in members else {}
            return self._meet(_request(members, tag))
        except (JSONError, QMPError) as error:
            self._counters.protocol_errors += 1
            return self._error(error if isinstance(error, QMPError) else QMPError(str(error)), tag)

    def answer(self, result: Any) -> bytes:
        """What to send for the request that was carried out. Raises ValueError or TypeError for what isn't JSON."""
        assert self._request is not None
        line = self._line({"return": result, **self._request.tag})
        self._request = None
        return line

    def fail(self, error: QMPError) -> bytes:
        """What to send for the request that could not be carried out."""
        assert self._request is not None
        self._counters.errors += 1
        tag, self._request = self._request.tag, None
        return self._error(error, tag)

    def _meet(self, request: Request) -> bytes | Request:
        if not self.negotiated:
            return self._negotiate(request)
        if request.command == NEGOTIATE:
            raise QMPError("Capabilities negotiation is already complete, command ignored", COMMAND_NOT_FOUND)
        self._counters.requests += 1
        self._request = request
        return request

    def _negotiate(self, request: Request) -> bytes:
        if request.command != NEGOTIATE:
            raise QMPError(f"Expecting capabilities negotiation with '{NEGOTIATE}'", COMMAND_NOT_FOUND)
        try:
            wanted = json_values.read(Capabilities, request.arguments).enable
        except OptionError as error:
            raise as_qmp(error) from None
        for index, name in enumerate(wanted):
            if name != "oob":
                raise QMPError(f"Parameter 'enable[{index}]' does not accept value '{name}'")
        if wanted:
            raise QMPError(f"Capability {', '.join(wanted)} not available")
        self.negotiated = True
        self._stream.most_bytes = MOST_BYTES
        return self._line({"return": {}, **request.tag})

    def _error(self, error: QMPError, tag: Mapping[str, Any]) -> bytes:
        return self._line({**tag, "error": {"class": error.error_class, "desc": error.desc}})

    def _line(self, value: Mapping[str, Any]) -> bytes:
        return encode(value, self._pretty)


def _object(found: Value) -> dict[str, Any]:
    if not isinstance(found.value, dict):
        raise QMPError("QMP input must be a JSON object")
    return found.value


def _request(members: dict[str, Any], tag: Mapping[str, Any]) -> Request:
    """Raises QMPError for the first member that is wrong."""
    for name, value in members.items():
        if name == "execute":
            if not isinstance(value, str):
                raise QMPError("QMP input member 'execute' must be a string")
        elif name == "arguments":
            if not isinstance(value, dict):
                raise QMPError("QMP input member 'arguments' must be an object")
        elif name != "id":
            raise QMPError(f"QMP input member '{name}' is unexpected")
    if "execute" not in members:
        raise QMPError("QMP input lacks member 'execute'")
    return Request(members["execute"], members.get("arguments", {}), tag)


def event(name: str, data: Mapping[str, Any], now: float, pretty: bool = False) -> bytes:
    """What to send to those who have negotiated; ``now`` is when it happened by the wall clock, in seconds."""
    seconds, microseconds = divmod(round(now * 1_000_000), 1_000_000)
    stamp = {"seconds": seconds, "microseconds": microseconds}
    return encode({"timestamp": stamp, "event": name, **({"data": data} if data else {})}, pretty)


_ESCAPE = re.compile(r"\\(?:u([0-9a-f]{4})|.)")


def encode(value: Any, pretty: bool = False) -> bytes:
    """A line for a client: ASCII, escaped as QEMU does. Raises ValueError or TypeError for what isn't JSON."""
    text = json.dumps(value, allow_nan=False, indent=4 if pretty else None)
    if "\\u" in text:
        text = _ESCAPE.sub(lambda escape: f"\\u{escape[1].upper()}" if escape[1] else escape[0], text)
    return text.replace("\x7f", "\\u007F").replace("\n", "\r\n").encode() + b"\r\n"
