"""
A blocking QMP client on a plain socket.

One command at a time; events that come meanwhile are kept for ``next_event``.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from colo_twisted.ctl.address import Address
from colo_twisted.ctl.errors import Lost, Refused, TooLate, cannot_reach
from colo_twisted.ctl.stream import JSONObjects, NotJSON

CONNECTING = 5.0  # seconds to connect, and to be greeted
ANSWERING = 30.0  # seconds to an answer: a removal waits until what was held has gone
_CHUNK = 1 << 16


class Client:
    """
    A context manager; connected and negotiated when made.

    ``greeting`` is what the server said of itself. Raises CannotReach, TooLate, Lost.
    """

    def __init__(
        self, address: Address, connecting: float = CONNECTING, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = address
        self._monotonic = monotonic
        self._commands = 0
        self._events: deque[dict[str, Any]] = deque()
        self._messages: deque[dict[str, Any]] = deque()
        self._stream = JSONObjects()
        try:
            self._socket = address.connect(connecting)
        except OSError as error:
            raise cannot_reach(address, error) from None
        try:
            self.greeting = self._greeted(connecting)
            self.execute("qmp_capabilities", timeout=connecting)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def _greeted(self, timeout: float) -> dict[str, Any]:
        message = self._next_message(self._monotonic() + timeout)
        if message is None:
            raise TooLate(
                f"{self.address} takes connections but says nothing: is the process stopped or very busy?"
                " (a QEMU's own monitor serves one client at a time)"
            )
        greeting = message.get("QMP")
        if not isinstance(greeting, dict):
            raise Lost(f"{self.address} does not speak QMP (is it a chardev of frames?): name the -qmp socket")
        return greeting

    def execute(
        self, command: str, arguments: Mapping[str, Any] | None = None, timeout: float | None = ANSWERING
    ) -> Any:
        """What a command returns. Raises Refused, TooLate, Lost."""
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = dict(arguments)
        return self.converse(request, timeout)

    def converse(self, request: Mapping[str, Any], timeout: float | None = ANSWERING) -> Any:
        """The same for a whole request; its id is the client's own."""
        self._commands += 1
        number = f"colo-ctl-{self._commands}"
        command = str(request.get("execute", request.get("exec-oob", "")))
        self._send(json.dumps({**request, "id": number}).encode() + b"\n")
        deadline = None if timeout is None else self._monotonic() + timeout
        while True:
            message = self._next_message(deadline)
            if message is None:
                raise TooLate(f"{self.address} has not answered {command} within {timeout:g} s: is it very busy?")
            if "event" in message:
                self._events.append(message)
            elif message.get("id") == number or "id" not in message:  # one that it couldn't read has no id
                return _returned(message, command)

    def next_event(self, timeout: float | None) -> dict[str, Any] | None:
        """The next event, or None if none comes in time (in seconds; None waits for ever). Raises Lost."""
        if self._events:
            return self._events.popleft()
        deadline = None if timeout is None else self._monotonic() + timeout
        while (message := self._next_message(deadline)) is not None:
            if "event" in message:
                return message
        return None

    # bytes

    def _send(self, data: bytes) -> None:
        try:
            self._socket.settimeout(ANSWERING)
            self._socket.sendall(data)
        except TimeoutError:
            raise TooLate(f"{self.address} takes no commands: is the process stopped or very busy?") from None
        except OSError as error:
            raise Lost(f"{self.address} has ended the connection: {error.strerror}") from None

    def _next_message(self, deadline: float | None) -> dict[str, Any] | None:
        """The next JSON object; None at the deadline."""
        while not self._messages:
            data = self._received(deadline)
            if data is None:
                return None
            if not data:
                raise Lost(f"{self.address} has ended the connection: has twistd colo ended? Its log says why")
            self._decode(data)
        return self._messages.popleft()

    def _received(self, deadline: float | None) -> bytes | None:
        """What has come; b'' at the end, None at the deadline."""
        left = None if deadline is None else deadline - self._monotonic()
        if left is not None and left <= 0:
            return None
        try:
            self._socket.settimeout(left)
            return self._socket.recv(_CHUNK)
        except TimeoutError:
            return None
        except ConnectionResetError:
            return b""
        except OSError as error:
            raise Lost(f"{self.address}: {error.strerror}") from None

    def _decode(self, data: bytes) -> None:
        try:
            self._messages.extend(self._stream.feed(data))
        except NotJSON as error:
            raise Lost(f"{self.address} does not speak QMP ({error}): name the -qmp socket") from None


def _returned(message: dict[str, Any], command: str) -> Any:
    error = message.get("error")
    if error is None:
        return message.get("return")
    raise Refused(command, str(error.get("class", "")), str(error.get("desc", "")))
