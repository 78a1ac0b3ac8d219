"""What a process of the pair knows again after it has been started anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from colo_twisted.files import read_file, replace_file

MOST_BYTES = 1 << 16


class StateError(Exception):
    """The state can't be read or kept; the text is one line that names the file and why."""


class StateFile:
    """
    A JSON object in a file, replaced as a whole and on the disk before ``keep`` returns; or without a
    path, in memory only.

    Keys that nobody here knows stay as they are.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.values: dict[str, Any] = {}

    def load(self) -> None:
        """Read what is there; nothing there is nothing known. Raises StateError."""
        if self.path is None:
            return
        try:
            values = json.loads(read_file(self.path, MOST_BYTES))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(f"{self.path} can't be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise StateError(f"{self.path} is no state file (one JSON object): move it away")
        self.values = values

    def keep(self, values: Mapping[str, Any]) -> None:
        """Change some values. Raises StateError, and nothing has changed."""
        changed = {**self.values, **values}
        if self.path is not None:
            try:
                replace_file(self.path, json.dumps(changed).encode() + b"\n")
            except OSError as error:
                raise StateError(f"{self.path} can't be written: {error.strerror}") from None
        self.values = changed
