"""What a machine consists of, by id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from colo_twisted.interfaces import IChardev, INetdev, IObject
from colo_twisted.netfilter.chain import Chain
from colo_twisted.options.configuration import Definition


@dataclass(frozen=True)
class Device:
    """
    A guest in its place.

    @ivar id: its own, or 'NICn' for a device without one.
    @ivar guest: the netdev whose far end is the guest.
    @ivar made: whether that netdev is a TAP that came with the device, and goes with it.
    """

    id: str
    definition: Definition
    chain: Chain
    guest: INetdev
    made: bool


class Parts:
    """
    Everything there is.

    ``chains`` has one for each netdev that isn't a guest's. ``definitions`` has, by option and id, what each part was
    made of; a chardev that makes two ids stands there twice.
    """

    def __init__(self) -> None:
        self.chardevs: dict[str, IChardev] = {}
        self.netdevs: dict[str, INetdev] = {}
        self.chains: dict[str, Chain] = {}
        self.devices: dict[str, Device] = {}
        self.objects: dict[str, IObject] = {}
        self.monitors: dict[str, Any] = {}
        self.definitions: dict[tuple[str, str], Definition] = {}
