"""A TAP in memory: a pair of sockets that keep packets apart, as the kernel's does."""

from __future__ import annotations

import errno
import os
import socket

from zope.interface import implementer

from colo_twisted.netdev.packet_descriptor import PacketDescriptor
from colo_twisted.netdev.tun import ITun, OpenedTap
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.vnet import TAP_HEADER_SIZE


@implementer(ITun)
class MemoryTun:
    """Remembers what it was asked; ``far_end`` of a name is the interface's own side."""

    header_size = TAP_HEADER_SIZE

    def __init__(self) -> None:
        self.far_ends: dict[str, socket.socket] = {}
        self.offloads: dict[int, bool] = {}
        self.send_buffers: dict[int, int] = {}
        self.addresses: dict[str, bytes] = {}
        self.queues: dict[str, int] = {}
        self.carriers: dict[int, bool] = {}
        self.bridges: dict[str, str] = {}
        self.bridge_names = {"br0"}
        self.up = True  # all its interfaces
        self.read_error = 0  # the errno of each read, if it isn't 0
        self.refused: dict[bytes, int] = {}  # the errno of each write of that packet
        self._adoptable: dict[int, OpenedTap] = {}

    def open(self, name: str, vnet_hdr: bool) -> OpenedTap:
        name = name.replace("%d", str(len(self.far_ends)))
        if name in self.far_ends:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.setblocking(False)
        far.setblocking(False)
        self.far_ends[name] = far
        opened = OpenedTap(near.detach(), name, vnet_hdr)
        self._adoptable[opened.fd] = opened
        return opened

    def packets(self, opened: OpenedTap, most_octets: int) -> PacketDescriptor:
        return RefusingDescriptor(opened.fd, opened.vnet_hdr, most_octets, self)

    def adopt(self, fd: int) -> OpenedTap:
        if fd not in self._adoptable:
            raise OSError(errno.EBADFD, os.strerror(errno.EBADFD))
        return self._adoptable[fd]

    def set_offloads(self, fd: int, on: bool) -> None:
        self.offloads[fd] = on

    def set_send_buffer(self, fd: int, size: int) -> None:
        self.send_buffers[fd] = size

    def set_carrier(self, fd: int, on: bool) -> None:
        self.carriers[fd] = on

    def takes_packets(self, fd: int) -> bool:
        return self.up

    def set_queue(self, name: str, length: int) -> None:
        self.queues[name] = length

    def set_address(self, name: str, address: bytes) -> None:
        self.addresses[name] = address

    def add_to_bridge(self, name: str, bridge: str) -> None:
        if bridge not in self.bridge_names:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        self.bridges[name] = bridge

    def is_up(self, name: str) -> bool:
        return name in self.far_ends

    def close(self) -> None:
        for far in self.far_ends.values():
            far.close()


class RefusingDescriptor(PacketDescriptor):
    """The real one, on a socket; but packets that its MemoryTun refuses end a call with that error."""

    def __init__(self, fd: int, vnet_hdr: bool, most_octets: int, tun: MemoryTun) -> None:
        super().__init__(fd, vnet_hdr, most_octets)
        self._tun = tun

    def read(self, most: int) -> Batch | None:
        if not self._tun.read_error:
            return super().read(most)
        self.error = self._tun.read_error
        self.packets = self.octets = 0
        return None

    def write(self, data: bytes, at: int, vnet_hdr: bool) -> int:
        refused_at, error = self._first_refused(data, at, vnet_hdr)
        stopped = super().write(data[:refused_at], at, vnet_hdr)
        if stopped == refused_at and not self.error:
            self.error = error
        return stopped

    def _first_refused(self, data: bytes, at: int, vnet_hdr: bool) -> tuple[int, int]:
        """Where the first frame begins whose packet is refused, or the end; and the errno, or 0."""
        for packet in self.packets_of(data, at, vnet_hdr):
            if packet in self._tun.refused:
                return at, self._tun.refused[packet]
            at = self.behind(data, at, vnet_hdr)
        return at, 0

    def write_packet(self, packet: bytes) -> int:
        error = self._tun.refused.get(packet)
        return -error if error else super().write_packet(packet)
