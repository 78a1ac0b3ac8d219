"""QEMU's COLO-proxy outside QEMU, as a Twisted service."""

__version__ = "0.1.0"
