"""
A socket's bytes as an object that is copied no more.

Compiled modules have these as C (calls.pxd): whoever wants that writes ``calls.receive(...)``.
"""

from __future__ import annotations

import os


def receive(fd: int, begun: bytes, most: int) -> bytes:
    """
    ``begun`` and at most so many bytes more that a socket has; nothing more where its peer has closed.

    Descriptors that come with them over a unix socket the kernel closes. Raises OSError.
    """
    return begun + os.read(fd, most)


def shortened(data: bytes, size: int) -> bytes:
    """The first ``size`` bytes of what ``receive`` gave, and that nobody else has: C may cut it in its place."""
    return data[:size]
