"""The properties that every option with a link shares, and what is checked of them."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from colo_twisted.link.reach import LinkOptions
from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Duration

LONGEST_UNIX_PATH = 107  # sun_path less its final zero (unix(7))


@dataclass(frozen=True, kw_only=True)
class ServerOrClient(Properties):
    """Who of the two listens, and how the other one tries."""

    server: bool = prop(Boolean(), "listen instead of connecting", default=False)
    reconnect: int | None = prop(
        Duration("s", 0, 86400),
        "client: longest delay between tries (1 unless set); 0: none after a loss",
        default=None,
    )
    reconnect_ms: int | None = prop(
        Duration("ms", 0, 86400000), "the same in milliseconds", default=None, name="reconnect-ms"
    )

    def check(self) -> None:
        if self.reconnect is not None and self.reconnect_ms is not None:
            raise OptionError("properties 'reconnect' and 'reconnect-ms' exclude each other")
        if self.server and (self.reconnect or self.reconnect_ms):
            name = "reconnect" if self.reconnect else "reconnect-ms"
            raise OptionError(f"property '{name}' is for clients (server=off)")

    @property
    def reconnect_seconds(self) -> float:
        """The longest delay between tries, for LinkOptions."""
        if self.reconnect_ms is not None:
            return self.reconnect_ms / 1000
        return LinkOptions.reconnect if self.reconnect is None else float(self.reconnect)


def link_claims(fd: int | None, server_path: str | None = None, abstract: bool = False) -> tuple[str, ...]:
    """What only one link can have, for Properties.claims."""
    if fd is not None:
        return (f"descriptor {fd}",)
    return (f"unix socket {'@' if abstract else ''}{server_path}",) if server_path is not None else ()


def check_unix_path(name: str, path: str | None) -> None:
    """Raise OptionError for a path that the kernel can't bind or connect to."""
    if path is not None and len(os.fsencode(path)) > LONGEST_UNIX_PATH:
        raise OptionError(f"property '{name}' takes at most {LONGEST_UNIX_PATH} bytes")


def check_folder(name: str, path: str) -> None:
    """Raise OptionError where the folder that a file is to be made in isn't there."""
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise OptionError(f"property '{name}': there is no folder {folder}")


def check_socket(name: str, fd: int | None) -> None:
    """Raise OptionError unless this process inherited a socket as that descriptor."""
    if fd is None:
        return
    try:
        is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        raise OptionError(f"property '{name}': this process has no descriptor {fd}") from None
    if not is_socket:
        raise OptionError(f"property '{name}': descriptor {fd} is not a socket")
