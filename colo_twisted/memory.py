"""
Memory that was freed stays the process's.

glibc gives the end of its heap back to the kernel as soon as some hundred KiB of it are free, and batches of frames
free as much thousands of times a second. Each page must then be had anew, and zeroed: a quarter of a secondary's time.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

KEPT_FREE = 16 << 20  # bytes at the heap's end
LARGE = 4 << 20  # bytes: what is as large is mapped for itself, and given back when it is freed

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt(3)
OPERATORS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
"""The environment variables by which an operator says otherwise."""


def keep_freed(libc: Any = None) -> bool:
    """Let the C library keep it, for the whole process; whether it does. Others than glibc have no such setting."""
    mallopt = getattr(libc or ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in OPERATORS):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_FREE) and mallopt(_MMAP_THRESHOLD, LARGE))
