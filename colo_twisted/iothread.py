"""``-object iothread``: stands in people's command lines; here everything runs in the reactor's thread."""

from __future__ import annotations

from dataclasses import dataclass

from zope.interface import implementer

from colo_twisted.counters import Counters
from colo_twisted.interfaces import IMachine, IObject
from colo_twisted.options.declare import ObjectType, Properties, prop
from colo_twisted.options.kinds import Ignored


@dataclass(frozen=True, kw_only=True)
class IOThreadProperties(Properties):
    """QEMU's."""

    poll_max_ns: str | None = prop(Ignored(), "taken", default=None, name="poll-max-ns")
    poll_grow: str | None = prop(Ignored(), "taken", default=None, name="poll-grow")
    poll_shrink: str | None = prop(Ignored(), "taken", default=None, name="poll-shrink")
    thread_pool_min: str | None = prop(Ignored(), "taken", default=None, name="thread-pool-min")
    thread_pool_max: str | None = prop(Ignored(), "taken", default=None, name="thread-pool-max")
    aio_max_batch: str | None = prop(Ignored(), "taken", default=None, name="aio-max-batch")


@implementer(IObject)
class IOThread:
    """A name that other options may refer to."""

    def __init__(self, properties: IOThreadProperties, machine: IMachine) -> None:
        self.id = properties.id
        self.counters = Counters()

    def open(self) -> None:
        """There is no thread."""

    start = stop = close = open


IOTHREAD = ObjectType("iothread", "taken for QEMU's sake", IOThreadProperties, IOThread)
