"""A process that is not a child of this one: when it began, and its end."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


class Processes(Protocol):
    """What the kernel says of processes."""

    def open(self, pid: int) -> int | None:
        """
        A descriptor that can be read from once the process has ended; None if the kernel gives none.

        Raises ProcessLookupError: there is no such process.
        """

    def began(self, pid: int) -> int | None:
        """When it began, as a number that tells it from a later one of the same pid; None if it has ended."""


class KernelProcesses:
    """pidfd_open(2) and proc(5)."""

    def open(self, pid: int) -> int | None:
        try:
            return os.pidfd_open(pid)
        except OSError as error:
            if error.errno in (errno.ESRCH, errno.EINVAL):  # the latter: a thread's number, or none at all
                raise ProcessLookupError from None
            return None  # before Linux 5.3, forbidden by seccomp, too many open files

    def began(self, pid: int) -> int | None:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()  # a name may hold blanks and parentheses
        except (FileNotFoundError, ProcessLookupError):
            return None
        # the first thread may end before the others: only the last one's end is the process's
        has_ended = fields[0] in (b"Z", b"X") and int(fields[17]) <= 1
        return None if has_ended else int(fields[19])


@implementer(IReadDescriptor)
class Ending:
    """A process's descriptor on the reactor."""

    def __init__(self, fd: int, reactor: Any, ended: Callable[[], None]) -> None:
        self._fd = fd
        self._reactor = reactor
        self._ended = ended
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._fd

    def logPrefix(self) -> str:
        return "guest-watch"

    def doRead(self) -> None:
        self.close()
        self._ended()

    def connectionLost(self, reason: Failure) -> None:
        """What the reactor calls where its poller reports the end as a hang-up."""
        if self._fd >= 0:
            self.doRead()

    def close(self) -> None:
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
