"""The C library's heap, where each batch comes from and goes to."""

from __future__ import annotations

KEPT = 16 << 20  # bytes


def keep_what_is_freed() -> None:
    """
    Have glibc keep the memory of batches that have left for those that come.

    It gives what is free at its heap's end back to the kernel beyond a bound that begins at 128 KiB, and then each
    batch costs page faults. The bound grows with the largest block that was ever freed (mallopt(3), 'dynamic mmap
    threshold'): here is one, of which no page is touched. With another C library this does nothing.
    """
    block = bytes(KEPT)
    del block
