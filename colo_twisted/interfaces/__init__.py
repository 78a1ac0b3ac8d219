"""
What the parts promise each other.

Batches go one way: a netdev or a chardev receives them, a chain takes them through its filters, a
netdev or a chardev sends them. All calls are made in the reactor's thread, once a batch.
"""

from colo_twisted.interfaces.frames import Decoder, Direction, Ended, FrontEnd, IChardev, INetdev
from colo_twisted.interfaces.machine import IMachine, IObjectType
from colo_twisted.interfaces.objects import IChain, IChangeable, IFilter, IObject, IRetiring, IUser
from colo_twisted.interfaces.replicas import (
    ICheckpointed,
    ICheckpointer,
    IColoPeer,
    IComparer,
    ICopy,
    IHypervisor,
    IMirror,
    IWay,
    Outcome,
)

__all__ = [
    "Decoder",
    "Direction",
    "Ended",
    "FrontEnd",
    "IChain",
    "IChangeable",
    "IChardev",
    "ICheckpointed",
    "ICheckpointer",
    "IColoPeer",
    "IComparer",
    "ICopy",
    "IFilter",
    "IHypervisor",
    "IMachine",
    "IMirror",
    "INetdev",
    "IObject",
    "IObjectType",
    "IRetiring",
    "IUser",
    "IWay",
    "Outcome",
]
