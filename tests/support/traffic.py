"""Hosts either side of a ``twistd colo``, and what they send each other through it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.namespaces import Host, Hosts
from tests.support.processes import PATIENCE, Colo, Process, wait_until

LONG = bool(os.environ.get("COLO_LONG"))
CLIENT, GUEST = "10.0.0.1", "10.0.0.2"
MTU = 1500
ETHERNET_HEADER = 14
GUEST_MAC = "52:54:00:00:00:02"
NO_SCRIPTS = "script=no,downscript=no"
# counters that stay at 0 while everything goes well
TROUBLE = ("dropped_", "not_mirrored_", "disconnect", "dead_peers", "protocol_errors", "refused")

_BURST = """
import socket, sys
address, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for number in range(count):
        sender.sendto(number.to_bytes(4, "big").ljust(size, b"."), (address, 9))
"""


@dataclass
class Between:
    """A client, a guest, and the host whose ``twistd colo`` stands between them: its TAPs are lan and e0."""

    hosts: Hosts
    client: Host
    host: Host
    guest: Host
    colo: Colo

    def ping(self, *options: str, address: str = GUEST) -> str:
        """Three echoes from the client, each of which must be answered."""
        said = self.client.run("ping", "-n", "-c3", "-i0.1", "-w10", *options, address)
        assert " 0% packet loss" in said, said
        return said

    def troubles(self) -> dict[str, int]:
        """Each counter that is not 0 and ought to be."""
        return {
            f"{part} {name}": value
            for part, values in self.colo.counters().items()
            for name, value in values.items()
            if name.startswith(TROUBLE)
        }


@contextlib.contextmanager
def between(
    folder: Path, *options: str, tap: str = "", mtu: int = MTU, twistd: tuple[str, ...] = ()
) -> Iterator[Between]:
    """A client and a guest behind the TAPs of a ``twistd colo`` with these options; ``tap`` is added to -netdev's."""
    netdev = ["-netdev", ",".join(filter(None, ("tap,id=hn0,ifname=lan", NO_SCRIPTS, tap)))]
    device = ["-device", f"e1000,id=e0,netdev=hn0,mac={GUEST_MAC}"]
    with Hosts() as hosts:
        client, host, guest = map(hosts.add, ("c", "h", "g"))
        arguments = [*netdev, *device, *options]
        with Colo(arguments, folder, namespace=host.name, twistd=twistd) as colo:
            client.take("lan", host, f"{CLIENT}/24", mtu)
            guest.take("e0", host, f"{GUEST}/24", mtu)
            yield Between(hosts, client, host, guest, colo)


class Reader:
    """Holds the far end of a chardev: a thread reads whatever comes, at once, until the other side closes."""

    def __init__(self, connection: socket.socket, vnet_hdr: bool = False) -> None:
        self._connection = connection
        self._vnet_hdr = vnet_hdr
        self._chunks: deque[bytes] = deque()
        self._rest = b""  # the beginning of a frame
        self._packets: list[bytes] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while chunk := self._connection.recv(1 << 20):
                self._chunks.append(chunk)

    @property
    def packets(self) -> list[bytes]:
        """Those that came whole up to now, without their vnet headers."""
        chunks = [self._chunks.popleft() for _ in range(len(self._chunks))]
        data = b"".join((self._rest, *chunks))
        header = 8 if self._vnet_hdr else 4
        at = 0
        while at + header <= len(data):
            end = at + header + int.from_bytes(data[at : at + 4], "big")
            if end > len(data):
                break
            vnet_length = int.from_bytes(data[at + 4 : at + header], "big")
            self._packets.append(data[at + header + vnet_length : end])
            at = end
        self._rest = data[at:]
        return self._packets

    def wait_for(self, count: int) -> None:
        """Until so many packets are there."""
        try:
            wait_until(lambda: len(self.packets) >= count, f"{count} packets")
        except AssertionError as error:
            raise AssertionError(f"{error}; {len(self.packets)} came") from None


class Website:
    """Files of random bytes, to be served by any host."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sha256: dict[str, str] = {}

    def add(self, name: str, size: int) -> None:
        content = os.urandom(size)
        (self._folder / name).write_bytes(content)
        self._sha256[name] = hashlib.sha256(content).hexdigest()

    def sha256(self, name: str) -> str:
        return self._sha256[name]

    @contextlib.contextmanager
    def served_by(self, host: Host, log: Path) -> Iterator[None]:
        words = host.words(sys.executable, "-u", "-m", "http.server", "80", f"--directory={self._folder}")
        with Process(words, log) as server:
            server.wait_for_output("Serving HTTP")
            yield

    def check_download(self, name: str, host: Host, address: str, timeout: float = 60) -> None:
        """Let a host download a file from an address; it must be whole and right."""
        pipe = f"curl -sS --fail http://{address}/{name} | sha256sum"
        assert host.run("sh", "-c", pipe, timeout=timeout).split()[0] == self._sha256[name]


def counted(host: Host, interface: str, what: str) -> int:
    """One of the kernel's counters of an interface: rx_packets, tx_bytes, ..."""
    return int(host.run("cat", f"/sys/class/net/{interface}/statistics/{what}"))


def burst(sender: Host, address: str, count: int, size: int = 1400) -> None:
    """UDP datagrams numbered from 0, as fast as they go."""
    sender.run(sys.executable, "-c", _BURST, address, str(count), str(size))


def number_of(packet: bytes) -> int | None:
    """The number of a burst's packet; None for any other (ARP)."""
    udp = ETHERNET_HEADER + 20
    if packet[12:14] != b"\x08\x00" or packet[udp - 11] != 17:
        return None
    return int.from_bytes(packet[udp + 8 : udp + 12], "big")


def captured(path: Path) -> list[bytes]:
    """The packets of a pcap file that tcpdump may still be writing: those that are whole."""
    data = path.read_bytes() if path.exists() else b""
    packets: list[bytes] = []
    at = 24  # the file's header
    while at + 16 <= len(data):
        kept, size = struct.unpack_from("=8xII", data, at)
        at += 16
        if at + kept > len(data):
            break
        assert kept == size, "tcpdump cut a packet short"
        packets.append(data[at : at + kept])
        at += kept
    return packets
