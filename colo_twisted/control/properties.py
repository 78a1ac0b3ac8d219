"""What ``-mon`` takes."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.kinds import Boolean, Identifier, Only, Reference


@dataclass(frozen=True, kw_only=True)
class MonitorProperties(Properties):
    """QEMU's, and ``insecure``. The id is the chardev's unless one is given."""

    id: str = prop(Identifier(), "its name in messages and counters (the chardev's unless set)", default="")
    chardev: str = prop(Reference("chardev"), "the socket at which it speaks")
    mode: str = prop(Only("control", why="it speaks QMP; QEMU's prompt for people is not here"), "QMP")
    pretty: bool = prop(Boolean(), "answers are indented", default=False)
    insecure: bool = prop(Boolean(), "other hosts may connect, without encryption or password", default=False)

    def __post_init__(self) -> None:
        if not self.id:
            object.__setattr__(self, "id", self.chardev)
