"""What ``-netdev tap`` takes, and what is checked of it before anything is opened."""

from __future__ import annotations

import os
from dataclasses import dataclass

from colo_twisted.netdev import scripts
from colo_twisted.netdev.tun import DEVICE, interface_exists
from colo_twisted.options.declare import Properties, prop
from colo_twisted.options.errors import OptionError
from colo_twisted.options.kinds import Boolean, Ignored, Integer, InterfaceName, Only, OnlyOff, Script, Size
from colo_twisted.packets.batch import MAX_FRAME

_NO_VNET = "the kernel's vhost would pass packets by this process"


@dataclass(frozen=True, kw_only=True)
class TapProperties(Properties):
    """QEMU's properties of a TAP; ``max_backlog`` is ours."""

    ifname: str | None = prop(InterfaceName(), "the interface's name (tap%d unless set)", default=None)
    fd: int | None = prop(Integer(0, 1 << 20), "an inherited descriptor of a TAP instead", default=None)
    script: str | None = prop(Script(), f"brings the interface up ({scripts.IFUP} where it exists)", default=None)
    downscript: str | None = prop(Script(), f"takes it down ({scripts.IFDOWN} where it exists)", default=None)
    br: str | None = prop(
        InterfaceName(), "a bridge to add the interface to; then no script is run unless named", default=None
    )
    vnet_hdr: bool | None = prop(
        Boolean(), "packets have a virtio-net header (if all else on the cable can, unless set)", default=None
    )
    sndbuf: int = prop(
        Size(most=(1 << 31) - 1), "bytes written that may be on their way through the kernel; 0: no limit", default=0
    )
    max_backlog: int = prop(Size(least=MAX_FRAME), "bytes that may wait while the kernel takes none", default=4 << 20)
    vhost: bool = prop(OnlyOff(_NO_VNET), "refused when on", default=False)
    vhostforce: bool = prop(OnlyOff(_NO_VNET), "refused when on", default=False)
    vhostfd: str | None = prop(Only(why=_NO_VNET), "refused", default=None)
    vhostfds: str | None = prop(Only(why=_NO_VNET), "refused", default=None)
    queues: str = prop(Only("1", why="a TAP has one queue here"), "refused otherwise", default="1")
    fds: str | None = prop(Only(why="a TAP has one queue here; use fd="), "refused", default=None)
    helper: str | None = prop(Only(why="use br=, or fd= from a helper of yours"), "refused", default=None)
    poll_us: str | None = prop(Ignored(), "taken", default=None, name="poll-us")

    def check(self) -> None:
        for name in ("ifname", "script", "downscript", "br"):
            if self.fd is not None and getattr(self, name) is not None:
                raise OptionError(f"properties 'fd' and '{name}' exclude each other")

    def claims(self) -> tuple[str, ...]:
        if self.fd is not None:
            return (f"descriptor {self.fd}",)
        return (f"interface {self.ifname}",) if self.ifname and "%" not in self.ifname else ()

    def check_host(self) -> None:
        scripts.check("script", self.script)
        scripts.check("downscript", self.downscript)
        if self.br is not None and not interface_exists(self.br):
            raise OptionError(f"property 'br': there is no bridge {self.br} (ip link add {self.br} type bridge)")
        if self.fd is not None:
            _check_descriptor(self.fd)
        elif not os.path.exists(DEVICE):
            raise OptionError(f"there is no {DEVICE} (modprobe tun)")
        elif not os.access(DEVICE, os.R_OK | os.W_OK):
            raise OptionError(f"{DEVICE} can't be opened: start as root (--uid drops it later), or use fd=")


def _check_descriptor(fd: int) -> None:
    try:
        os.fstat(fd)
    except OSError:
        raise OptionError(f"property 'fd': this process has no descriptor {fd}") from None


def up_script(properties: TapProperties) -> str | None:
    """What is run when the interface is there; by default only for one that nobody else has set up."""
    return _script(properties, properties.script, scripts.IFUP)


def down_script(properties: TapProperties) -> str | None:
    """What is run before it goes."""
    return _script(properties, properties.downscript, scripts.IFDOWN)


def _script(properties: TapProperties, given: str | None, default: str) -> str | None:
    by_default = properties.fd is None and properties.br is None
    return scripts.choose(given, default) if given is not None or by_default else None
