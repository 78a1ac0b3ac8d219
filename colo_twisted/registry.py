"""Every type that an option can name: ours, and what other packages add as Twisted plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger
from twisted.plugin import getPlugins
from zope.interface import Invalid
from zope.interface.verify import verifyObject

from colo_twisted.chardev.null import NULL
from colo_twisted.chardev.pair import PAIR
from colo_twisted.chardev.socket import SOCKET
from colo_twisted.checkpoint.command import CHECKPOINT_COMMAND
from colo_twisted.compare.compare import COLO_COMPARE
from colo_twisted.compare.passthrough import COLO_PASSTHROUGH
from colo_twisted.control.monitor import CONTROL
from colo_twisted.failover.peer import COLO_PEER
from colo_twisted.interfaces import IObjectType
from colo_twisted.iothread import IOTHREAD
from colo_twisted.netdev import stream
from colo_twisted.netdev.device import DEVICES
from colo_twisted.netdev.tap import TAP
from colo_twisted.netfilter.buffer import BUFFER
from colo_twisted.netfilter.drop import DROP
from colo_twisted.netfilter.dump import DUMP
from colo_twisted.netfilter.mirror import MIRROR
from colo_twisted.netfilter.redirector import REDIRECTOR
from colo_twisted.netfilter.rewriter import REWRITER
from colo_twisted.options.declare import ObjectType
from colo_twisted.options.errors import OptionError, UnknownType
from colo_twisted.qemu.colo_qemu import COLO_QEMU

_NOT_HERE = {
    "filter-replay": "record and replay is QEMU's own",
}

_log = Logger("colo_twisted")

_OURS: dict[str, tuple[ObjectType, ...]] = {
    "chardev": (SOCKET, PAIR, NULL),
    "netdev": (TAP, stream.SOCKET, stream.STREAM),
    "device": DEVICES,
    "mon": (CONTROL,),
    "object": (
        MIRROR,
        REDIRECTOR,
        REWRITER,
        DROP,
        BUFFER,
        DUMP,
        COLO_COMPARE,
        COLO_PASSTHROUGH,
        COLO_PEER,
        CHECKPOINT_COMMAND,
        COLO_QEMU,
        IOTHREAD,
    ),
}


class Registry:
    """Finds types. Other packages are looked at only for a name that isn't ours: that takes time."""

    def find(self, option: str, name: str) -> IObjectType:
        """The type of that name. Raises OptionError."""
        for ours in _OURS[option]:
            if ours.name == name:
                return ours
        if name in _NOT_HERE:
            raise OptionError(f"the type '{name}' is not available: {_NOT_HERE[name]}")
        known = self.all(option)
        if name not in known:
            raise UnknownType(option, name, known)
        return known[name]

    def all(self, option: str) -> Mapping[str, IObjectType]:
        """All types of an option by name."""
        known: dict[str, IObjectType] = {ours.name: ours for ours in _OURS[option]}
        if option == "object":
            plugins: Any = getPlugins(IObjectType)
            known = {plugin.name: plugin for plugin in plugins if _is_whole(plugin)} | known
        return known


def _is_whole(plugin: Any) -> bool:
    """Whether a plugin keeps what it promises; another package's mistake must not keep ours from working."""
    try:
        verifyObject(IObjectType, plugin)
    except Invalid as error:
        _log.warn("left out a broken plugin: {error}", error=str(error))
        return False
    return True
