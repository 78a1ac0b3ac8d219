"""Where a QMP server listens: ``/path``, ``unix:/path`` or ``tcp:HOST:PORT``."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass

DEFAULT = "/run/colo/qmp.sock"
_MOST_PATH = 107  # bytes of a unix socket's path: sockaddr_un has 108 with the one that ends it


@dataclass(frozen=True)
class UnixAddress:
    """A unix socket's file."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def connect(self, timeout: float) -> socket.socket:
        """A connected socket. Raises OSError."""
        connecting = socket.socket(socket.AF_UNIX)
        try:
            connecting.settimeout(timeout)
            connecting.connect(self.path)
        except BaseException:
            connecting.close()
            raise
        return connecting


@dataclass(frozen=True)
class TCPAddress:
    """A host, by name or address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"

    def connect(self, timeout: float) -> socket.socket:
        """A connected socket. Raises OSError."""
        connected = socket.create_connection((self.host, self.port), timeout)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected


Address = UnixAddress | TCPAddress


def parse_address(text: str) -> Address:
    """The address that a text names. Raises ValueError, whose message says what is allowed."""
    if text.startswith("tcp:"):
        match = re.fullmatch(r"tcp:(?:\[([^\[\]]+)\]|([^:\[\]]+)):([0-9]{1,5})", text)
        if match is None or not 0 < int(match[3]) < 65536:
            raise ValueError(f"'{text}' is not of the form tcp:HOST:PORT (an IPv6 host in brackets)")
        return TCPAddress(match[1] or match[2], int(match[3]))
    path = text.removeprefix("unix:")
    if not path or "\0" in path or len(os.fsencode(path)) > _MOST_PATH:
        raise ValueError(f"'{path}' is no path of a unix socket: 1 to {_MOST_PATH} bytes")
    return UnixAddress(path)
