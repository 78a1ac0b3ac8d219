"""One program with a colo-compare, the test at all its ends: two guests' packets go in, and what a client gets out."""

from __future__ import annotations

import itertools
import struct
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet

from tests.support.cables import FarEnd
from tests.support.processes import Colo, wait_until
from tests.support.qemu import QEMU
from tests.support.sides import Program

GUEST_MAC, CLIENT_MAC = "52:54:00:00:00:02", "52:54:00:00:00:01"
GUEST, CLIENT = "10.0.0.2", "10.0.0.1"
GUEST6, CLIENT6 = "fd00::2", "fd00::1"
FIRST_PORT, MARKER_PORT = 20000, 7  # clients' ports; the port that only a harness's own packets use
NOTHING_EXPIRES = 600_000  # ms

XEN_INIT, XEN_INIT_ANSWER = b"COLO_USERSPACE_PROXY_INIT", b"COLO_COMPARE_GET_XEN_INIT"
DO_CHECKPOINT, CHECKPOINT_DONE = b"DO_CHECKPOINT", b"COLO_CHECKPOINT"

_numbers = itertools.count()
_frame = struct.Struct(">II")


# packets as guests send them


def from_guest(*layers: Packet | bytes) -> bytes:
    """A packet of the guest's to the client, checksums made."""
    packet = Ether(src=GUEST_MAC, dst=CLIENT_MAC)
    for layer in layers:
        packet /= layer
    return bytes(packet)


class Flow:
    """
    What both guests send to one client's port.

    Each guest numbers its IPv4 packets in its own way, as kernels do, so that two packets with
    the same content still tell whose they are.
    """

    def __init__(self, client_port: int, ip_id: int = 1, version: int = 4, vlans: Iterable[int] = ()) -> None:
        self.port = client_port
        self._ip_ids = itertools.count(ip_id)
        self._version = version
        self._tags = [Dot1Q(vlan=vlan) for vlan in vlans]

    def packet(self, content: Packet | bytes) -> bytes:
        return from_guest(*self._tags, self._ip(), content)

    def of_protocol(self, number: int, content: bytes) -> bytes:
        """An IPv4 packet of another protocol."""
        header = self._ip()
        header.proto = number
        return from_guest(*self._tags, header, content)

    def _ip(self) -> Packet:
        if self._version == 6:
            return IPv6(src=GUEST6, dst=CLIENT6)
        return IP(src=GUEST, dst=CLIENT, id=next(self._ip_ids))

    def segment(
        self,
        flags: str,
        seq: int,
        ack: int = 0,
        payload: bytes = b"",
        *,
        window: int = 65000,
        options: Iterable[tuple[str, object]] = (),
    ) -> bytes:
        header = TCP(sport=80, dport=self.port, flags=flags, window=window, options=list(options))
        header.seq, header.ack = seq % 2**32, ack % 2**32
        return self.packet(header / payload)

    def datagram(self, payload: bytes) -> bytes:
        return self.packet(UDP(sport=53, dport=self.port) / payload)

    def echo_reply(self, number: int, payload: bytes) -> bytes:
        return self.packet(ICMP(type="echo-reply", id=self.port, seq=number) / payload)

    def fragments(self, payload: bytes, size: int) -> list[bytes]:
        """A datagram in fragments, each of at most this many bytes."""
        whole = self._ip()
        whole /= UDP(sport=53, dport=self.port) / payload
        return [from_guest(*self._tags, part) for part in fragment(whole, fragsize=size)]


def arp(number: int, mac: str = GUEST_MAC) -> bytes:
    """What is never compared: it passes from the primary, and is dropped from the secondary."""
    return from_guest(
        ARP(op="is-at", hwsrc=mac, psrc=GUEST, hwdst=CLIENT_MAC, pdst=f"10.9.{number >> 8}.{number & 255}")
    )


# the program


class VnetFarEnd(FarEnd):
    """A far end whose packets carry a vnet header of this length, all zero."""

    def __init__(self, header_size: int) -> None:
        super().__init__(vnet_hdr=True)
        self._header = bytes(header_size)

    def send(self, packets: Iterable[bytes]) -> None:
        size = len(self._header)
        frames = (_frame.pack(size + len(packet), size) + self._header + packet for packet in packets)
        assert self._connection is not None
        self._connection.sendall(b"".join(frames))


class NotifyEnd(FarEnd):
    """A notify_dev's peer: it is sent frames without vnet headers, and may send them with (of length 0)."""

    sends_vnet_headers = False

    def send(self, packets: Iterable[bytes]) -> None:
        if not self.sends_vnet_headers:
            return super().send(packets)
        assert self._connection is not None
        self._connection.sendall(b"".join(_frame.pack(len(message), 0) + message for message in packets))
        return None


class Comparison:
    """
    A program with colo-compare ``comp0``; a context manager.

    @param properties: of comp0, beside its chardevs; compare_timeout is so long that no test meets it,
        unless given.
    @param ours: properties that only ours has, left out for QEMU.
    @param notify: whether the test is its notify_dev's peer.
    @param vnet_header: the size of the vnet headers on its three chardevs; None for none at all.
    @param secondary_in: what properties the socket has by which the secondary's packets come, if it isn't the test's.
    @param more: further arguments of the program.
    """

    def __init__(
        self,
        program: Program,
        folder: Path,
        properties: str = "",
        *,
        ours: str = "ack_commit=off",
        notify: bool = False,
        vnet_header: int | None = None,
        secondary_in: str | None = None,
        more: Iterable[str] = (),
    ) -> None:
        self.program = program
        self.notify = NotifyEnd()
        self.primary, self.secondary, self.out = (self._far_end(vnet_header) for _ in range(3))
        self._ends = {"pri": self.primary, "sec": self.secondary, "out": self.out}
        if notify:
            self._ends["xen"] = self.notify
        if secondary_in is not None:
            del self._ends["sec"]
            more = ["-chardev", f"socket,id=sec,{secondary_in}", *more]
        self._folder = folder
        self._words = self._compare(properties, ours if program is Colo else "", vnet_header is not None)
        self._more = list(more)
        self._ports = itertools.count(FIRST_PORT)
        self._numbers = itertools.count(1)
        self._seen = 0

    @staticmethod
    def _far_end(vnet_header: int | None) -> FarEnd:
        return FarEnd() if vnet_header is None else VnetFarEnd(vnet_header)

    def _compare(self, properties: str, ours: str, vnet_hdr: bool) -> list[str]:
        words = "colo-compare,id=comp0,primary_in=pri,secondary_in=sec,outdev=out,iothread=iothread0"
        if "xen" in self._ends:
            words += ",notify_dev=xen"
        if vnet_hdr:
            words += ",vnet_hdr_support=on"
        if "compare_timeout" not in properties:
            words += f",compare_timeout={NOTHING_EXPIRES}"
        return ["-object", "iothread,id=iothread0", "-object", ",".join(filter(None, (words, properties, ours)))]

    def __enter__(self) -> Comparison:
        sockets = {id: end.plug() for id, end in self._ends.items()}
        chardevs: list[str] = []
        for id, near in sockets.items():
            chardevs += ["-chardev", f"socket,id={id},fd={near.fileno()}"]
        name = f"compare{self.program.__name__}{next(_numbers)}"
        fds = tuple(near.fileno() for near in sockets.values())
        try:
            arguments = [*chardevs, *self._words, *self._more]
            self.process: Colo | QEMU = self.program(arguments, self._folder, name, pass_fds=fds)
        finally:
            for near in sockets.values():
                near.close()
        self.process.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.process.__exit__(None, None, None)
        for end in self._ends.values():
            end.__exit__(None, None, None)

    def flows(self, version: int = 4, vlans: Sequence[int] = ()) -> tuple[Flow, Flow]:
        """One new connection, as the primary's guest and as the secondary's sends on it."""
        port = next(self._ports)
        return Flow(port, 1, version, vlans), Flow(port, 30001, version, vlans)

    def from_primary(self, *packets: bytes) -> list[bytes]:
        """Send as the primary's guest; what came out up to now, since it was last asked."""
        self.primary.send(packets)
        return self._released()

    def from_secondary(self, *packets: bytes) -> list[bytes]:
        """Send as the secondary's guest; what came out up to now, since it was last asked."""
        self.secondary.send(packets)
        return self.settle()

    def settle(self) -> list[bytes]:
        """
        Wait until all that was sent has been looked at; what came out since this was last asked.

        A datagram goes in on both sides: once that is out, what was before it on either side was compared.
        """
        number = next(self._numbers)
        marker = Flow(MARKER_PORT, number).datagram(b"marker %d" % number)
        self.primary.send([marker])
        self.secondary.send([marker])
        self.wait_for_packet(marker)
        return [packet for packet in self._released() if packet != marker]

    def _released(self) -> list[bytes]:
        """A packet that is never compared goes through the output, behind all that was released."""
        last = arp(next(self._numbers), "52:54:00:00:00:99")
        self.primary.send([last])
        self.wait_for_packet(last)
        end = self.out.packets.index(last, self._seen)
        released = self.out.packets[self._seen : end]
        self._seen = end + 1
        return released

    def wait_for_packet(self, packet: bytes) -> None:
        self._wait(lambda: packet in self.out.packets[self._seen :], f"a packet of {len(packet)} bytes")

    def wait_for_notices(self, *messages: bytes) -> None:
        """Until the notify_dev's peer has been sent these and no others; each may have been repeated at once."""

        def there() -> bool:
            return len(self.notices) >= len(messages)

        self._wait(there, f"{len(messages)} different notices")
        assert self.notices == list(messages)

    @property
    def notices(self) -> list[bytes]:
        """What the notify_dev's peer has been sent, repetitions left out."""
        return [message for message, _ in itertools.groupby(self.notify.packets)]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        """Most often it takes less than a millisecond, and there are hundreds."""
        pause = threading.Event()
        for _ in range(50):
            if condition():
                return
            pause.wait(0.001)
        try:
            wait_until(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.process.output}") from None
