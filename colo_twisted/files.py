"""Files that outlive a process."""

from __future__ import annotations

import os


def replace_file(path: str, data: bytes) -> None:
    """The file is the old one or the new one, whenever the power fails. Raises OSError."""
    new = f"{path}.new"
    with open(new, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
