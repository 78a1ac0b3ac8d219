"""What happens while the proxy runs, as those outside are told: one class each, and who listens."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from twisted.logger import Logger

_log = Logger("colo_twisted")


@dataclass(frozen=True)
class Event:
    """
    Something that happened.

    @cvar name: QMP's name for it.
    @cvar like: the fields in which two of them agree that count as alike: of those only so many are told a second.
    """

    name: ClassVar[str]
    like: ClassVar[tuple[str, ...]] = ()

    @property
    def data(self) -> dict[str, Any]:
        """The fields in QMP's spelling; those that are None are left out."""
        values = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name.replace("_", "-"): value for name, value in values if value is not None}


@dataclass(frozen=True)
class ChardevConnected(Event):
    """A chardev's peer is there; ``peer`` is its name, as far as it has one."""

    name = "COLO_CHARDEV_CONNECTED"
    like = ("id",)
    id: str
    peer: str


@dataclass(frozen=True)
class ChardevDisconnected(Event):
    """A chardev's peer has gone."""

    name = "COLO_CHARDEV_DISCONNECTED"
    like = ("id",)
    id: str


@dataclass(frozen=True)
class NetdevStreamConnected(Event):
    """As QEMU's: a stream netdev's far end is there; ``addr`` in the form of QEMU's SocketAddress."""

    name = "NETDEV_STREAM_CONNECTED"
    like = ("netdev_id",)
    netdev_id: str
    addr: Mapping[str, Any]


@dataclass(frozen=True)
class NetdevStreamDisconnected(Event):
    """As QEMU's: a stream netdev's far end has gone."""

    name = "NETDEV_STREAM_DISCONNECTED"
    like = ("netdev_id",)
    netdev_id: str


@dataclass(frozen=True)
class Divergence(Event):
    """A comparer met a difference; ``sequence`` is the TCP sequence number, 0 where there is none."""

    name = "COLO_DIVERGENCE"
    like = ("id",)
    id: str
    kind: str
    connection: str
    sequence: int
    description: str


@dataclass(frozen=True)
class CheckpointRequested(Event):
    """A comparer asked for a checkpoint."""

    name = "COLO_CHECKPOINT_REQUESTED"
    like = ("id",)
    id: str
    reason: str


@dataclass(frozen=True)
class CheckpointDone(Event):
    """A checkpoint has ended: ``outcome`` is done, unchanged or failed."""

    name = "COLO_CHECKPOINT_DONE"
    like = ("id", "outcome")
    id: str
    number: int
    outcome: str
    duration_ms: int


@dataclass(frozen=True)
class ReplicaState(Event):
    """The replica's state has changed, as the object ``id`` sees it."""

    name = "COLO_REPLICA_STATE"
    like = ("id",)
    id: str
    state: str
    reason: str


@dataclass(frozen=True)
class Failover(Event):
    """This side goes on without the other: ``mode`` is what it was, primary or secondary."""

    name = "COLO_FAILOVER"
    mode: str
    reason: str


@dataclass(frozen=True)
class ColoExit(Event):
    """As QEMU's: COLO mode has ended, by request or error."""

    name = "COLO_EXIT"
    mode: str
    reason: str


@dataclass(frozen=True)
class DeviceDeleted(Event):
    """As QEMU's: a device is gone."""

    name = "DEVICE_DELETED"
    like = ("path",)
    device: str | None
    path: str


@dataclass(frozen=True)
class Shutdown(Event):
    """As QEMU's: the process ends, in order."""

    name = "SHUTDOWN"
    guest: bool
    reason: str


ALL_EVENTS: tuple[type[Event], ...] = (
    ChardevConnected,
    ChardevDisconnected,
    NetdevStreamConnected,
    NetdevStreamDisconnected,
    Divergence,
    CheckpointRequested,
    CheckpointDone,
    ReplicaState,
    Failover,
    ColoExit,
    DeviceDeleted,
    Shutdown,
)


class Events:
    """Tells everybody who listens; nobody hears what happened before."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[Event], None]] = []

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Have every event told; the listener must not raise, and may unsubscribe."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[Event], None]) -> None:
        """Harmless for one who doesn't listen."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def emit(self, event: Event) -> None:
        """Tell it. A listener that raises harms nobody: what happens in the data path goes on."""
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                _log.failure("a listener failed on {name}", name=event.name)
