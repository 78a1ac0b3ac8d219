"""
The kernel's side of a TAP: /dev/net/tun (Linux, Documentation/networking/tuntap.rst) and netdevice(7).

``ITun`` is what a netdev needs of it; ``KernelTun`` is the real one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
from dataclasses import dataclass

from zope.interface import Attribute, Interface, implementer

from colo_twisted.netdev.packet_descriptor import PacketDescriptor
from colo_twisted.options.errors import StartError
from colo_twisted.packets.vnet import TAP_HEADER_SIZE

DEVICE = "/dev/net/tun"

# linux/if_tun.h
_TUNSETIFF = 0x400454CA
_TUNGETIFF = 0x800454D2
_TUNSETOFFLOAD = 0x400454D0
_TUNSETSNDBUF = 0x400454D4
_TUNSETCARRIER = 0x400454E2
_TUNSETVNETHDRSZ = 0x400454D8
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000
_TUN_F_CSUM = 0x01
_TUN_F_TSO4 = 0x02
_TUN_F_TSO6 = 0x04
_TUN_F_TSO_ECN = 0x08
_OFFLOADS = _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6 | _TUN_F_TSO_ECN

# linux/sockios.h, linux/if.h, linux/if_arp.h
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCSIFHWADDR = 0x8924
_SIOCGIFINDEX = 0x8933
_SIOCSIFTXQLEN = 0x8943
_SIOCBRADDIF = 0x89A2
_IFF_UP = 0x1
_ARPHRD_ETHER = 1

_IFREQ_SIZE = 40


@dataclass(frozen=True)
class OpenedTap:
    """A TAP's descriptor, the name the kernel gave it, and whether its packets have a virtio-net header."""

    fd: int
    name: str
    vnet_hdr: bool


class ITun(Interface):
    """What the kernel does for a TAP. Every method raises OSError."""

    header_size: int = Attribute("Bytes of the virtio-net header before each packet of a TAP that has them.")

    def open(name: str, vnet_hdr: bool) -> OpenedTap:
        """Make a TAP, or take over a persistent one; ``name`` may hold one %d for the kernel to fill."""

    def packets(opened: OpenedTap, most_octets: int) -> PacketDescriptor:
        """What reads and writes its packets, at most so many bytes in a batch and one packet more."""

    def adopt(fd: int) -> OpenedTap:
        """Take over a descriptor of a TAP that somebody else opened."""

    def set_offloads(fd: int, on: bool) -> None:
        """Allow or forbid partial checksums and segments to be cut, for what is read."""

    def set_send_buffer(fd: int, size: int) -> None:
        """How many bytes of packets that were written may be on their way through the kernel."""

    def set_carrier(fd: int, on: bool) -> None:
        """Whether the interface's user sees a carrier."""

    def takes_packets(fd: int) -> bool:
        """Whether the interface is up, in whichever network namespace, and the kernel takes a packet for it now."""

    def set_queue(name: str, length: int) -> None:
        """How many packets the kernel keeps until they are read; it drops those beyond."""

    def set_address(name: str, address: bytes) -> None:
        """The interface's Ethernet address, six bytes."""

    def add_to_bridge(name: str, bridge: str) -> None:
        """Make the interface a port of a bridge, and bring it up."""

    def is_up(name: str) -> bool:
        """Whether the interface is up, in this network namespace."""


@implementer(ITun)
class KernelTun:
    """/dev/net/tun."""

    header_size = TAP_HEADER_SIZE

    def open(self, name: str, vnet_hdr: bool) -> OpenedTap:
        fd = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            flags = _IFF_TAP | _IFF_NO_PI | (_IFF_VNET_HDR if vnet_hdr else 0)
            request = bytearray(_interface_request(name, struct.pack("=H", flags)))
            fcntl.ioctl(fd, _TUNSETIFF, request)
            return self._opened(fd, bytes(request), vnet_hdr)
        except BaseException:
            os.close(fd)
            raise

    def packets(self, opened: OpenedTap, most_octets: int) -> PacketDescriptor:
        return PacketDescriptor(opened.fd, opened.vnet_hdr, most_octets)

    def adopt(self, fd: int) -> OpenedTap:
        request = bytearray(_IFREQ_SIZE)
        fcntl.ioctl(fd, _TUNGETIFF, request)
        (flags,) = struct.unpack_from("=H", request, 16)
        if not flags & _IFF_TAP or not flags & _IFF_NO_PI:
            raise OSError(errno.EINVAL, "not a TAP without packet information (IFF_TAP and IFF_NO_PI)")
        os.set_blocking(fd, False)
        return self._opened(fd, bytes(request), bool(flags & _IFF_VNET_HDR))

    def _opened(self, fd: int, request: bytes, vnet_hdr: bool) -> OpenedTap:
        if vnet_hdr:
            fcntl.ioctl(fd, _TUNSETVNETHDRSZ, struct.pack("=i", TAP_HEADER_SIZE))
        return OpenedTap(fd, request[:16].rstrip(b"\0").decode(), vnet_hdr)

    def set_offloads(self, fd: int, on: bool) -> None:
        fcntl.ioctl(fd, _TUNSETOFFLOAD, _OFFLOADS if on else 0)

    def set_send_buffer(self, fd: int, size: int) -> None:
        fcntl.ioctl(fd, _TUNSETSNDBUF, struct.pack("=i", size))

    def set_carrier(self, fd: int, on: bool) -> None:
        fcntl.ioctl(fd, _TUNSETCARRIER, struct.pack("=i", on))

    def takes_packets(self, fd: int) -> bool:
        poll = select.poll()  # a TAP that is down isn't writable, since Linux 5.2; a name would be looked for here only
        poll.register(fd, select.POLLOUT)
        return bool(poll.poll(0))

    def set_queue(self, name: str, length: int) -> None:
        _interface_ioctl(_SIOCSIFTXQLEN, _interface_request(name, struct.pack("=i", length)))

    def set_address(self, name: str, address: bytes) -> None:
        _interface_ioctl(_SIOCSIFHWADDR, _interface_request(name, struct.pack("=H6s", _ARPHRD_ETHER, address)))

    def add_to_bridge(self, name: str, bridge: str) -> None:
        index = struct.unpack_from("=i", _interface_ioctl(_SIOCGIFINDEX, _interface_request(name)), 16)[0]
        _interface_ioctl(_SIOCBRADDIF, _interface_request(bridge, struct.pack("=i", index)))
        flags = struct.unpack_from("=H", _interface_ioctl(_SIOCGIFFLAGS, _interface_request(name)), 16)[0]
        _interface_ioctl(_SIOCSIFFLAGS, _interface_request(name, struct.pack("=H", flags | _IFF_UP)))

    def is_up(self, name: str) -> bool:
        flags = _interface_ioctl(_SIOCGIFFLAGS, _interface_request(name))
        return bool(struct.unpack_from("=H", flags, 16)[0] & _IFF_UP)


def _interface_request(name: str, data: bytes = b"") -> bytes:
    """A struct ifreq: 16 bytes of name, then the request's data."""
    return (name.encode().ljust(16, b"\0") + data).ljust(_IFREQ_SIZE, b"\0")


def _interface_ioctl(number: int, request: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control.fileno(), number, request)


def interface_exists(name: str) -> bool:
    """Whether this network namespace has an interface of that name."""
    try:
        socket.if_nametoindex(name)
    except OSError:
        return False
    return True


def explain(what: str, error: OSError) -> StartError:
    """A StartError in an operator's words: what failed, and what to do where that is known."""
    hints = {
        errno.EBUSY: "another process has it open",
        errno.EPERM: "root (CAP_NET_ADMIN) is needed",
        errno.EACCES: "root (CAP_NET_ADMIN) is needed",
        errno.EINVAL: "an interface of that name may exist that is no TAP, or a TAP of another kind",
        errno.ENOENT: f"there is no {DEVICE}; is the kernel's tun module loaded?",
        errno.ENOTTY: "that is no TAP",
        errno.EBADFD: "no TAP belongs to it yet",
    }
    usual = os.strerror(error.errno) if error.errno else str(error)
    reason = error.strerror or usual
    hint = hints.get(error.errno or 0) if reason == usual else None
    return StartError(f"{what}: {reason}" + (f" ({hint})" if hint else ""))
