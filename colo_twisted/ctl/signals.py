"""SIGTERM, and SIGHUP of a session that breaks off, end a command as Ctrl-C does: what it began can be taken back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """
    A signal asks this process to end.

    @ivar status: the exit status, as a shell has it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.status = 128 + number


@contextlib.contextmanager
def ending() -> Iterator[None]:
    """Meanwhile the first of these signals raises Ended, and those that follow do nothing."""
    with _handled(_end):
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Meanwhile these signals do nothing: what runs ends soon by itself."""
    with _handled(_do_nothing):
        yield


@contextlib.contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Signals that are ignored stay so (nohup); afterwards all is as before."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    heard = [number for number, known in before.items() if known is not signal.SIG_IGN]
    try:
        for number in heard:
            signal.signal(number, handler)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _end(number: int, _: FrameType | None) -> None:
    for each in _ENDING:
        if signal.getsignal(each) is _end:
            signal.signal(each, _do_nothing)  # SIG_IGN would make Python complain of one that is due already
    raise Ended(number)


def _do_nothing(number: int, _: FrameType | None) -> None: ...
