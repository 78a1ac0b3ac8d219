"""What can be wrong with what an operator wrote, or with the machine that it names: one line each."""

from __future__ import annotations


class OptionError(Exception):
    """An option can't be taken; the text is one line that names it, the property and what is allowed."""


class StartError(Exception):
    """Something that the options name can't be opened; the text is one line that names it and why."""
