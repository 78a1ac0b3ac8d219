"""
How a connection ended, as the kernel says it.

The kernel tells an error once: to the read, the write or the question (SO_ERROR) that comes first. After that a read
returns nothing, as after a FIN, so a host that is merely unreachable would look like a process that has died. And
Twisted's transports keep no error's number. So what the kernel says is caught where it is said, at the socket.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from colo_twisted.interfaces.frames import Ended
from colo_twisted.link import liveness

PEERS = frozenset((errno.ECONNRESET, errno.EPIPE))
"""What a peer's RST becomes; EPIPE behind its FIN, and on a unix socket whose other end is closed."""

PASSING = frozenset((errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR, errno.ENOBUFS))
"""Errors that end no connection."""


def ended_with(error: int) -> Ended:
    """What an error's number says of the other process: nothing, unless it is known to come from there."""
    return Ended.BY_PEER if error in PEERS else Ended.SILENT


class ObservedSocket:
    """
    A transport's socket that remembers the first thing said of the connection's end.

    @ivar ended: that; None while nothing was said.
    @ivar error: the number of the kernel's error, where that was it.
    @ivar sent: bytes that the kernel has taken.
    """

    def __init__(self, observed: socket.socket) -> None:
        self._socket = observed
        self.ended: Ended | None = None
        self.error: int | None = None
        self.sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    def end(self, ended: Ended) -> None:
        """It is ended here, for this reason, unless it has ended already; the kernel may know that."""
        self.look()
        if self.ended is None:
            self.ended = ended

    def look(self) -> None:
        """Ask the kernel, for those who won't read what is there. (It forgets its error by that.)"""
        if self.ended is not None or self._socket.fileno() == -1:
            return
        closed = liveness.has_closed(self._socket)  # first: with an error that came in between it would seem a FIN
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._failed(error)
        elif closed:
            self.ended = Ended.BY_PEER

    @property
    def reason(self) -> str | None:
        """The kernel's words for its error, if there was one."""
        return os.strerror(self.error) if self.error is not None else None

    def _failed(self, error: int | None) -> None:
        if self.ended is None and error is not None and error not in PASSING:
            self.error = error
            self.ended = ended_with(error)

    # what somebody else has read of it

    def failed(self, error: int | None) -> bool:
        """A read has ended with this error; whether that ends the connection."""
        self._failed(error)
        return error not in PASSING

    def closed_by_peer(self) -> None:
        """A read has brought nothing: a FIN."""
        if self.ended is None:
            self.ended = Ended.BY_PEER

    # what a transport calls

    def recv(self, size: int) -> bytes:
        """As socket's; nothing is a FIN."""
        try:
            data = self._socket.recv(size)
        except OSError as error:
            self._failed(error.errno)
            raise
        if not data:
            self.closed_by_peer()
        return data

    def recvmsg(self, size: int, ancillary_size: int = 0, flags: int = 0) -> tuple[bytes, list[Any], int, Any]:
        """As socket's; nothing is a FIN."""
        try:
            received = self._socket.recvmsg(size, ancillary_size, flags)
        except OSError as error:
            self._failed(error.errno)
            raise
        if not received[0]:
            self.closed_by_peer()
        return received

    def send(self, data: bytes) -> int:
        """As socket's."""
        try:
            sent = self._socket.send(data)
        except OSError as error:
            self._failed(error.errno)
            raise
        self.sent += sent
        return sent

    def shutdown(self, how: int) -> None:
        """As socket's, and the last moment to ask: a transport may close on what epoll says, without a read."""
        self.end(Ended.BY_US)
        self._socket.shutdown(how)

    def close(self) -> None:
        """As socket's, and the last moment to ask, where it isn't shut down before."""
        self.end(Ended.BY_US)
        self._socket.close()
