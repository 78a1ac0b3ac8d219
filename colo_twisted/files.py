"""Files that outlive a process: their owner alone may know, or say, what stands in them."""

from __future__ import annotations

import contextlib
import errno
import os
import stat


def replace_file(path: str, data: bytes) -> None:
    """
    The file is the old one or the new one, whenever the power fails; mode 0600. Raises OSError.

    It is written beside the old one, under a name that is made anew: what stands there is not followed, nor kept.
    """
    new = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    with open(new, "xb", opener=_only_the_owners) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(new, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _only_the_owners(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def read_file(path: str, most: int) -> bytes:
    """What stands in a regular file of at most so many bytes. Raises OSError, and waits for nobody."""
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        if found.st_size > most:
            raise OSError(errno.EFBIG, f"it is larger than {most} bytes")
        return file.read(most)


def _without_waiting(path: str, flags: int) -> int:
    """Opened, a pipe would wait for who writes to it."""
    return os.open(path, flags | os.O_NONBLOCK)
