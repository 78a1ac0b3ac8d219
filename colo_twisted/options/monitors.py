"""
``-qmp``, ``-qmp-pretty`` and ``-mon``: where a QMP client may connect.

``-qmp unix:PATH,...`` and ``-qmp tcp:HOST:PORT,...`` stand for a ``-chardev socket`` and a ``-mon`` on it.
"""

from __future__ import annotations

from colo_twisted.options.errors import OptionError
from colo_twisted.options.keyval import Pairs, split
from colo_twisted.options.kinds import HostPort

QMP_OPTIONS = ("qmp", "qmp-pretty")
_MONITORS = ("insecure", "noinsecure")  # what the monitor takes, not the chardev
_ALLOWED = "unix:PATH or tcp:HOST:PORT, with server=on,wait=off behind it (for a chardev that is there: -mon), or none"


def qmp_pairs(option: str, text: str, number: int) -> tuple[Pairs, Pairs]:
    """
    What a ``-qmp`` or ``-qmp-pretty`` stands for: the pairs of a socket chardev, and those of a monitor.

    ``number`` is how many came before it. Raises OptionError.
    """
    (key, value), *rest = split(text) or [(None, "")]
    id = f"compat_monitor{number}"
    chardev: Pairs = [("id", id), *_address(value if key is None else f"{key}={value}")]
    monitor: Pairs = [("chardev", id), ("mode", "control"), ("pretty", "on" if option == "qmp-pretty" else "off")]
    for key, value in rest:
        (monitor if (key or value) in _MONITORS else chardev).append((key, value))
    return chardev, monitor


def _address(where: str) -> Pairs:
    kind, _, rest = where.partition(":")
    if kind == "unix":
        return [("path", rest)]
    if kind != "tcp":
        raise OptionError(f"takes {_ALLOWED}; got '{where}'")
    try:
        host, port = HostPort().parse(rest)
    except ValueError:
        raise OptionError(f"takes tcp:{HostPort.allowed}; got '{where}'") from None
    return [("port", str(port)), *([("host", host)] if host else [])]
