"""
802.1Q interfaces: the kernel's where it has them, else a process that tags and untags.

    python vlan.py INTERFACE TAGGED VID

makes a TAP of the name TAGGED, and passes frames between it and INTERFACE, where they bear the tag.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.namespaces import Host

_TUNSETIFF = 0x400454CA  # linux/if_tun.h
_IFF_TAP_NO_PI = 0x1002
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOL_PACKET = 263  # linux/socket.h, linux/if_packet.h
_PACKET_AUXDATA = 8
_TP_STATUS_VLAN_VALID = 0x10
_ETH_P_ALL = 3
_ETH_P_8021Q = 0x8100
_ADDRESSES = 12  # bytes of a packet before the tag


@contextlib.contextmanager
def tagged_interface(host: Host, interface: str, vid: int, folder: Path) -> Iterator[str]:
    """An interface of a host whose frames go out of and come into another with an 802.1Q tag; its name."""
    from tests.support.processes import Process

    name = f"tagged{vid}"
    by_kernel = host.words("ip", "link", "add", "link", interface, "name", name, "type", "vlan", "id", str(vid))
    if subprocess.run(by_kernel, capture_output=True).returncode == 0:
        host.ip(f"link set {name} up")
        yield name
        return
    words = host.words(sys.executable, "-u", __file__, interface, name, str(vid))
    with Process(words, folder / f"{host.name}-{name}.log") as tagger:
        tagger.wait_for_output("ready")
        host.ip(f"link set {name} up")
        yield name


def main(interface: str, tagged: str, vid: str) -> None:
    tag = struct.pack(">HH", _ETH_P_8021Q, int(vid))
    tap = _open_tap(tagged)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as trunk:
        trunk.bind((interface, _ETH_P_ALL))
        trunk.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        trunk.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        print("ready")
        while True:
            ready, _, _ = select.select([tap, trunk.fileno()], [], [])
            if tap in ready:
                packet = os.read(tap, 1 << 16)
                with contextlib.suppress(OSError):  # an interface that is down
                    trunk.send(packet[:_ADDRESSES] + tag + packet[_ADDRESSES:])
            if trunk.fileno() in ready:
                _untag(trunk, tap, int(vid))


def _untag(trunk: socket.socket, tap: int, vid: int) -> None:
    """The kernel has taken the tag off what comes in, and says so beside it."""
    packet, said, _, sender = trunk.recvmsg(1 << 16, 256)
    status, *_, tci, _ = struct.unpack("=IIIHHHH", said[0][2][:20])
    if sender[2] != socket.PACKET_OUTGOING and status & _TP_STATUS_VLAN_VALID and tci & 0xFFF == vid:
        with contextlib.suppress(OSError):
            os.write(tap, packet)


def _open_tap(name: str) -> int:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("=16sH22x", name.encode(), _IFF_TAP_NO_PI))
    return tap


if __name__ == "__main__":
    main(*sys.argv[1:])
