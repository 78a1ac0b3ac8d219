"""Makes the type known to ``twistd colo``."""

from colo_drop_large import DROP_LARGE

__all__ = ["DROP_LARGE"]
