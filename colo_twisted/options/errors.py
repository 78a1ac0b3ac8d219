"""What can be wrong with what an operator wrote, or with the machine that it names: one line each."""

from __future__ import annotations


def _one_line(text: str) -> str:
    """The text with whatever can't be printed (a line's end, a terminal's commands) spelt out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class _OneLineError(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(_one_line(text))


class OptionError(_OneLineError):
    """An option can't be taken; the text is one line that names it, the property and what is allowed."""


class StartError(_OneLineError):
    """Something that the options name can't be opened; the text is one line that names it and why."""
