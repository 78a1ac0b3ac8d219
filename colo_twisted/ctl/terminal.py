"""Screens one after the other: on a terminal in its alternate screen, elsewhere as plain lines."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import click

from colo_twisted.ctl.console import is_terminal
from colo_twisted.ctl.words import cut

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
_HOME, _END_OF_LINE, _END_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"


class Terminal:
    """Where screens are shown; made by ``of``."""

    def __init__(self, full_screen: bool) -> None:
        self._full_screen = full_screen

    @classmethod
    @contextlib.contextmanager
    def of(cls, documents: bool) -> Iterator[Terminal]:
        """The terminal's alternate screen, where stdout is one and no documents go there; given back at the end."""
        if documents or not is_terminal(sys.stdout):
            yield cls(False)
            return
        before = signal.signal(signal.SIGTERM, _ended)
        click.echo(_ENTER, nl=False, color=True)
        try:
            yield cls(True)
        finally:
            click.echo(_LEAVE, nl=False, color=True)
            signal.signal(signal.SIGTERM, before)

    def show(self, lines: list[str]) -> None:
        """A screen in place of the last one, cut to the terminal's size; or lines, and a blank one."""
        if not self._full_screen:
            click.echo("\n".join([*lines, ""]))
            return
        size = shutil.get_terminal_size()
        shown = [cut(line, size.columns) + _END_OF_LINE for line in lines[: size.lines - 1]]
        click.echo(_HOME + "\n".join(shown) + "\n" + _END_OF_SCREEN, nl=False, color=True)


def _ended(signal_number: int, _: FrameType | None) -> None:
    """So that a terminal is given back whoever ends it."""
    sys.exit(128 + signal_number)
