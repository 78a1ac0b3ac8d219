"""What can go wrong between colo-ctl and the server: each is one line that names the socket and a remedy."""

from __future__ import annotations

import os
import pwd
import socket
import stat

from colo_twisted.ctl.address import Address, UnixAddress

_OF_A_QEMU = "Parameter 'target' is missing"  # what a QEMU says to our query-stats


class Trouble(Exception):
    """One line for the operator."""


class CannotReach(Trouble):
    """Nobody there; or, if ``forbidden``, somebody whom this user may not talk to: waiting won't help."""

    def __init__(self, text: str, forbidden: bool = False) -> None:
        super().__init__(text)
        self.forbidden = forbidden


class Lost(Trouble):
    """The connection ended, or brought what isn't QMP."""


class TooLate(Trouble):
    """No answer in time."""


class Refused(Trouble):
    """The server's error: its class and its own words."""

    def __init__(self, command: str, error_class: str, description: str) -> None:
        super().__init__(f"{command}: {description}")
        self.command = command
        self.error_class = error_class
        self.description = description

    @property
    def unknown(self) -> bool:
        """Whether it is the command itself that the server doesn't know; a QEMU's query-stats is another one."""
        return self.error_class == "CommandNotFound" or self.description == _OF_A_QEMU


def cannot_reach(address: Address, error: OSError) -> CannotReach:
    """What a failed connect means, and what to do."""
    if isinstance(address, UnixAddress):
        return CannotReach(_unix_trouble(address, error), isinstance(error, PermissionError))
    return CannotReach(_tcp_trouble(address, error))


def _unix_trouble(address: UnixAddress, error: OSError) -> str:
    start = f"start it with -qmp {address},server=on,wait=off, or name its socket with -s or COLO_QMP"
    if isinstance(error, PermissionError):
        return f"permission denied at {address}: {_whose(address.path)}"
    if isinstance(error, FileNotFoundError):
        return f"no colo_twisted listens at {address} (there is no such file): {start}"
    if isinstance(error, ConnectionRefusedError):
        what = "what listened there has gone" if _is_socket(address.path) else "that is no socket"
        return f"no colo_twisted listens at {address} ({what}): {start}"
    if isinstance(error, (BlockingIOError, TimeoutError)):
        return f"too many wait at {address}: is its process stopped, or very busy? Try again"
    return f"cannot connect to {address}: {_words(error)}"


def _tcp_trouble(address: Address, error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        start = f"start it with -qmp {address},server=on,wait=off, or name its socket with -s or COLO_QMP"
        return f"no colo_twisted listens at {address}: {start}"
    if isinstance(error, socket.gaierror):
        return f"there is no host of that name at {address}: {error.strerror}"
    if isinstance(error, TimeoutError):
        return f"nothing answers at {address}: is the host up, and does a firewall let you through?"
    return f"cannot connect to {address}: {_words(error)}"


def _whose(path: str) -> str:
    """Who may use a socket, as far as it can be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return "its folder is not yours to enter; run colo-ctl as the user that twistd colo runs as, or as root"
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:
        owner = f"the user {found.st_uid}"
    mode = stat.S_IMODE(found.st_mode)
    return f"the socket is its owner's (mode {mode:04o}); run colo-ctl as {owner}, or as root"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return True


def _words(error: OSError) -> str:
    return error.strerror or str(error)
