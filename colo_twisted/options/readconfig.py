"""
QEMU's configuration files for ``-readconfig``::

    # a comment
    [chardev "mirror0"]
      backend = "socket"
      port = "9003"
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import Pairs

_GROUP = re.compile(r'\[\s*([a-z-]+)\s*(?:"([^"]*)")?\s*\]')
_VALUE = re.compile(r'([A-Za-z0-9_.-]+)\s*=\s*"([^"]*)"')


@dataclass
class Section:
    """One group of a file: its option's name (without dash), its pairs (an id first), and its line."""

    option: str
    line: int
    pairs: Pairs = field(default_factory=list)


def read_sections(text: str, name: str) -> list[Section]:
    """The groups in order. Raises OptionError, naming file and line."""
    sections: list[Section] = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if group := _GROUP.fullmatch(line):
            sections.append(Section(group[1], number))
            if group[2] is not None:
                sections[-1].pairs.append(("id", group[2]))
        elif not (value := _VALUE.fullmatch(line)):
            raise OptionError(f'{name}:{number}: expected [group "id"], or key = "value"; got {line!r}')
        elif not sections:
            raise OptionError(f"{name}:{number}: '{value[1]}' stands before the first [group]")
        else:
            sections[-1].pairs.append((value[1], value[2]))
    return sections
