"""Which of the two builds runs: compiled by Cython, or plain Python."""

from __future__ import annotations

from colo_twisted.packets import headers


def compiled() -> bool:
    """Whether the modules that have a .pxd beside them are compiled; they all are, or none is."""
    return not str(headers.__file__).endswith(".py")
