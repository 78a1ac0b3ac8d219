"""What the kernel does for a TAP; the one in memory, for other tests, passes the same tests."""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from colo_twisted.netdev.tun import KernelTun, OpenedTap, explain, interface_exists
from colo_twisted.packets.vnet import TAP_HEADER_SIZE
from tests.support.memory_tun import MemoryTun
from tests.support.namespaces import need, run

MARKER = bytes.fromhex("ffffffffffff 525400000001 88b5") + b"a packet of this test".ljust(46, b"\0")
PREFIX = f"ct{os.getpid() % 1_000_000}"


class TunContract:
    """What every provider of ITun does."""

    tun: Any

    @pytest.fixture
    def opened(self) -> Iterator[OpenedTap]:
        tap = self.tun.open(f"{PREFIX}t%d", False)
        yield tap
        os.close(tap.fd)

    def far_end(self, tap: OpenedTap) -> socket.socket:
        """A socket that sees what is written to the TAP, and sends what can be read from it."""
        raise AssertionError("a subclass knows")

    def test_the_name_is_numbered(self, opened: OpenedTap) -> None:
        assert opened.name.startswith(f"{PREFIX}t")
        assert opened.name[-1].isdigit()

    def test_reading_an_empty_one_would_block(self, opened: OpenedTap) -> None:
        with pytest.raises(BlockingIOError):
            _read_marker(opened.fd, once=True)

    def test_packets_pass_both_ways(self, opened: OpenedTap) -> None:
        with self.far_end(opened) as far:
            os.write(opened.fd, MARKER)
            assert _receive_marker(far) == MARKER
            far.send(MARKER)
            assert _read_marker(opened.fd) == MARKER

    def test_vnet_headers_stand_before_packets(self) -> None:
        tap = self.tun.open(f"{PREFIX}v%d", True)
        try:
            assert tap.vnet_hdr
            assert self.tun.header_size == TAP_HEADER_SIZE
            with self.far_end(tap) as far:
                far.send(self.as_far_end_sends(MARKER))
                assert _read_marker(tap.fd)[TAP_HEADER_SIZE:] == MARKER
        finally:
            os.close(tap.fd)

    def as_far_end_sends(self, packet: bytes) -> bytes:
        return packet

    def test_a_name_in_use_is_busy(self, opened: OpenedTap) -> None:
        with pytest.raises(OSError, match="busy"):
            self.tun.open(opened.name, False)

    def test_a_descriptor_is_adopted_with_its_name(self, opened: OpenedTap) -> None:
        assert self.tun.adopt(opened.fd) == opened

    def test_another_descriptor_is_refused(self) -> None:
        reader, writer = os.pipe()
        with pytest.raises(OSError, match=r".+"):
            self.tun.adopt(reader)
        os.close(reader)
        os.close(writer)

    def test_settings_are_taken(self, opened: OpenedTap) -> None:
        self.tun.set_offloads(opened.fd, True)
        self.tun.set_offloads(opened.fd, False)
        self.tun.set_send_buffer(opened.fd, 1 << 20)
        self.tun.set_address(opened.name, bytes.fromhex("525400abcdef"))
        self.tun.set_queue(opened.name, 5000)

    def set_up(self, tap: OpenedTap, up: bool) -> None:
        raise AssertionError("a subclass knows")

    def test_one_that_is_down_takes_no_packets(self, opened: OpenedTap) -> None:
        self.set_up(opened, True)
        assert self.tun.takes_packets(opened.fd)
        self.set_up(opened, False)
        assert not self.tun.takes_packets(opened.fd)

    def test_a_missing_bridge_is_an_error(self, opened: OpenedTap) -> None:
        with pytest.raises(OSError, match=r".+"):
            self.tun.add_to_bridge(opened.name, "nosuchbridge0")


class TestMemoryTun(TunContract):
    @pytest.fixture(autouse=True)
    def _tun(self) -> Iterator[None]:
        self.tun = MemoryTun()
        yield
        self.tun.close()

    def far_end(self, tap: OpenedTap) -> socket.socket:
        return self.tun.far_ends[tap.name].dup()  # type: ignore[no-any-return]

    def as_far_end_sends(self, packet: bytes) -> bytes:
        return bytes(TAP_HEADER_SIZE) + packet

    def set_up(self, tap: OpenedTap, up: bool) -> None:
        self.tun.up = up


class TestKernelTun(TunContract):
    @pytest.fixture(autouse=True)
    def _tun(self) -> None:
        need("ip")
        self.tun = KernelTun()

    def far_end(self, tap: OpenedTap) -> socket.socket:
        run("ip", "link", "set", tap.name, "up")
        far = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        far.bind((tap.name, 0x88B5))
        return far

    def set_up(self, tap: OpenedTap, up: bool) -> None:
        run("ip", "link", "set", tap.name, "up" if up else "down")

    def test_an_interface_is_found_and_its_state_seen(self, opened: OpenedTap) -> None:
        assert interface_exists(opened.name)
        assert not interface_exists("nosuchinterface")
        assert not self.tun.is_up(opened.name)
        run("ip", "link", "set", opened.name, "up")
        assert self.tun.is_up(opened.name)

    def test_the_address_is_the_interfaces(self, opened: OpenedTap) -> None:
        self.tun.set_address(opened.name, bytes.fromhex("525400abcdef"))
        assert "52:54:00:ab:cd:ef" in run("ip", "link", "show", opened.name)

    def test_a_bridge_gets_a_port_that_is_up(self, opened: OpenedTap) -> None:
        bridge = f"{PREFIX}br"
        run("ip", "link", "add", bridge, "type", "bridge")
        try:
            self.tun.add_to_bridge(opened.name, bridge)
            assert f"master {bridge}" in run("ip", "link", "show", opened.name)
            assert self.tun.is_up(opened.name)
        finally:
            run("ip", "link", "del", bridge)

    def test_a_tun_without_ethernet_is_refused(self) -> None:
        import fcntl
        import struct

        fd = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"", 0x0001 | 0x1000))  # IFF_TUN
            with pytest.raises(OSError, match="not a TAP"):
                self.tun.adopt(fd)
        finally:
            os.close(fd)

    def test_an_interface_that_is_no_tap_is_refused(self) -> None:
        with pytest.raises(OSError, match=r".+") as caught:
            self.tun.open("lo", False)
        assert "may exist that is no TAP" in str(explain("TAP lo", caught.value))


def test_explanations_say_what_to_do() -> None:
    assert "root" in str(explain("x", OSError(errno.EPERM, "")))
    assert "another process" in str(explain("x", OSError(errno.EBUSY, "")))
    assert "modul" in str(explain("x", OSError(errno.ENOENT, "")))
    assert str(explain("x", OSError(errno.ENOSPC, ""))) == "x: No space left on device"


def _read_marker(fd: int, once: bool = False) -> bytes:
    """The next packet that isn't the kernel's own chatter."""
    while True:
        if not once:
            assert select.select([fd], [], [], 5)[0], "nothing to read"
        packet = os.read(fd, 65536)
        if b"a packet of this test" in packet:
            return packet


def _receive_marker(far: socket.socket) -> bytes:
    while True:
        assert select.select([far], [], [], 5)[0], "nothing to receive"
        packet = far.recv(65536)
        if b"a packet of this test" in packet:
            return packet
