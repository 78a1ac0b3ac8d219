"""What the kernel makes of announcements: its neighbour caches, and a switch and a client whose guest has moved."""

from __future__ import annotations

import ipaddress
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import Ether

from colo_twisted.packets.announce import Address, address_announcements, arp_announcement, neighbour_advertisement
from tests.support.lan import Lan, Node
from tests.support.namespaces import Host, Hosts, need
from tests.support.processes import Process, wait_until
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC, captured

CLIENT_V6, GUEST_V6 = "fd00::1", "fd00::2"
WRONG = "52:54:00:00:00:99"
SECONDARY = (
    "-object filter-rewriter,id=rew0,netdev=hn0 -object filter-drop,id=gate,netdev=hn0,queue=rx"
    " -object filter-dump,id=dump,netdev=hn0,queue=rx,file={}"  # at the tail: it sees what the gate takes
)
QUESTIONS = {"ARP", "ND"}

_SINK = """
import socket
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sink:
    sink.bind(("::", 9))
    print("listens", flush=True)
    while True:
        print(sink.recv(100).decode(), flush=True)
"""
_SEND = """
import socket, sys
for address in sys.argv[2:]:
    [(family, *_)] = socket.getaddrinfo(address, 9, type=socket.SOCK_DGRAM)
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"{sys.argv[1]} to {address}".encode(), (address, 9))
"""


def with_ipv6(host: Host, interface: str, address: str) -> None:
    settings = ("accept_dad=0", "accept_ra=0", "disable_ipv6=0")
    host.run("sysctl", "-qw", *(f"net.ipv6.conf.{interface}.{setting}" for setting in settings))
    host.ip(f"addr add {address}/64 dev {interface} nodad")


def send(sender: Host, text: str, *addresses: str) -> None:
    """A datagram to each."""
    sender.run(sys.executable, "-c", _SEND, text, *addresses)


def questions(packets: list[bytes]) -> set[str]:
    """Which of the two the guest has asked from its own addresses."""
    v4, v6 = (ipaddress.ip_address(ip).packed for ip in (GUEST, GUEST_V6))
    return {"ARP" for packet in packets if packet[12:14] == b"\x08\x06" and packet[28:32] == v4} | {
        "ND" for packet in packets if packet[12:14] == b"\x86\xdd" and packet[22:38] == v6 and packet[54] == 135
    }


class Moving(Lan):
    """Two nodes whose guests have the same addresses; each guest prints the datagrams that it gets."""

    old: Node
    new: Node

    def start(self) -> None:
        need("ip", "bridge", "tc", "sysctl")
        self.old, self.new = self.add("old"), self.add("new")
        with_ipv6(self.client, "lan", CLIENT_V6)
        for node, options in ((self.old, ""), (self.new, SECONDARY.format(self.folder / "new.pcap"))):
            node.start(options)
            node.guest.take("e0", node.host, f"{GUEST}/24")
            with_ipv6(node.guest, "e0", GUEST_V6)

    def listen(self, node: Node) -> Process:
        sink = Process(node.guest.words(sys.executable, "-c", _SINK), self.folder / f"{node.name}-sink.log")
        self.stack.enter_context(sink).wait_for_output("listens")
        return sink

    def port(self) -> str:
        """Where the switch has the guest."""
        entries = json.loads(self.switch.run("bridge", "-j", "fdb", "show", "br", "lan"))
        return next((entry["ifname"] for entry in entries if entry["mac"] == GUEST_MAC), "")

    def neighbours(self) -> set[str]:
        """What Ethernet addresses the client has for the guest's two."""
        found = [entry for ip in (GUEST, GUEST_V6) for entry in json.loads(self.client.ip(f"-j neigh show {ip}"))]
        assert len(found) == 2, found
        return {entry["lladdr"] for entry in found}

    def make_stale(self) -> None:
        """The switch has the guest where it was, and the client has another Ethernet address for it."""
        send(self.old.guest, "hello", CLIENT, CLIENT_V6)
        wait_until(lambda: self.port() == "lan-old", "the switch learning where the guest is")
        for ip in (GUEST, GUEST_V6):
            self.client.ip(f"neigh replace {ip} lladdr {WRONG} dev lan nud reachable")
        assert self.neighbours() == {WRONG}


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    return Moving(tmp_path)


def test_after_a_take_over_the_clients_next_packet_goes_to_the_new_place(moving: Moving, tmp_path: Path) -> None:
    """The guest itself is silent then: nobody but its announcement says where it is."""
    with moving:
        moving.start()
        sink = moving.listen(moving.new)
        send(moving.new.guest, "who is there", CLIENT, CLIENT_V6)  # it asks for the client, behind its gate
        wait_until(lambda: questions(captured(tmp_path / "new.pcap")) == QUESTIONS, "its questions")
        moving.make_stale()
        for node in moving.nodes:
            node.guest.run("tc", "qdisc", "replace", "dev", "e0", "root", "blackhole")
        send(moving.client, "before", GUEST, GUEST_V6)
        assert (moving.port(), moving.neighbours()) == ("lan-old", {WRONG})

        moving.new.colo.qmp("x-colo-lost-heartbeat")
        wait_until(lambda: moving.port() == "lan-new" and moving.neighbours() == {GUEST_MAC}, "the announcement")
        send(moving.client, "after", GUEST, GUEST_V6)
        for ip in (GUEST, GUEST_V6):
            sink.wait_for_output(f"after to {ip}")
        assert sorted(sink.output.split("\n")) == ["", f"after to {GUEST}", f"after to {GUEST_V6}", "listens"]


# caches

MAC = bytes.fromhex(GUEST_MAC.replace(":", ""))
V4, V6 = "10.9.0.2", "fd09::2"
_SEND_RAW = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
    sender.bind(("eth0", 0))
    for packet in sys.argv[1:]:
        sender.send(bytes.fromhex(packet))
"""
_LAST_IP = "10.9.0.3"


def known(ip: str, hardware: bytes = MAC) -> Address:
    return Address(ipaddress.ip_address(ip).packed, hardware, hardware)


class Neighbour:
    """A host with eth0, and a sender on the same cable, where a test's packets come from."""

    def __init__(self, host: Host, sender: Host) -> None:
        self._host = host
        self._sender = sender
        self._numbers = itertools.count()

    def believes(self, address: str, hardware: str) -> None:
        """It has an entry, changed just now."""
        self._host.ip(f"neigh replace {address} lladdr {hardware} dev eth0 nud reachable")

    def forgets(self, address: str) -> None:
        self.believes(address, WRONG)
        self._host.ip(f"neigh del {address} dev eth0")

    def entry(self, address: str) -> tuple[str, str] | None:
        """What its cache holds: the Ethernet address, and the entry's state."""
        found = json.loads(self._host.ip(f"-j neigh show {address} nud all") or "[]")
        return (found[0]["lladdr"], found[0]["state"][0]) if found and "lladdr" in found[0] else None

    def hears(self, packet: bytes) -> None:
        """Send it a packet, and wait until the kernel has had it: it has obeyed another that came behind it."""
        last = bytes([2, 0, 0, 0, 0, next(self._numbers)])
        self.believes(_LAST_IP, WRONG)
        behind = arp_announcement(known(_LAST_IP, last))
        self._sender.run(sys.executable, "-c", _SEND_RAW, packet.hex(), behind.hex())
        wait_until(lambda: self.entry(_LAST_IP) == (last.hex(":"), "STALE"), "the packet behind")


@pytest.fixture(scope="module")
def neighbour() -> Iterator[Neighbour]:
    need("ip", "sysctl")
    with Hosts() as hosts:
        host, sender = hosts.add("h"), hosts.add("s")
        hosts.cable(host, "eth0", sender, "eth0")
        host.run("sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=0", "net.ipv4.conf.all.arp_accept=0")
        host.run("sysctl", "-qw", "net.ipv4.neigh.eth0.locktime=60000")  # in 1/100 s: this machine may be slow
        host.ip("addr add 10.9.0.1/24 dev eth0")
        host.ip("addr add fd09::1/64 dev eth0 nodad")
        yield Neighbour(host, sender)


def arp_reply(target_hardware: bytes) -> bytes:
    """The other form of a gratuitous ARP packet."""
    packet = bytearray(arp_announcement(known(V4)))
    packet[20:22] = b"\0\2"
    packet[32:38] = target_hardware
    return bytes(packet)


def without_override() -> bytes:
    ether = Ether(dst="33:33:00:00:00:01", src=GUEST_MAC)
    advertisement = ICMPv6ND_NA(tgt=V6, R=0, S=0, O=0) / ICMPv6NDOptDstLLAddr(lladdr=GUEST_MAC)
    return bytes(ether / IPv6(src=V6, dst="ff02::1", hlim=255) / advertisement)


@pytest.mark.parametrize(
    ("packet", "taken"),
    [
        pytest.param(arp_announcement(known(V4)), True, id="request"),
        pytest.param(arp_reply(MAC), True, id="reply to itself"),
        pytest.param(arp_reply(b"\xff" * 6), False, id="reply to all"),
        pytest.param(arp_reply(bytes(6)), False, id="reply to nobody"),
    ],
)
def test_a_request_changes_an_arp_cache_even_right_after_another_and_not_every_reply_does(
    neighbour: Neighbour, packet: bytes, taken: bool
) -> None:
    """Why it is a request: with arp_accept=0, and the entry within its lock time (else a second)."""
    neighbour.believes(V4, WRONG)
    neighbour.hears(packet)
    assert neighbour.entry(V4) == ((GUEST_MAC, "STALE") if taken else (WRONG, "REACHABLE"))


@pytest.mark.parametrize(
    ("packet", "entry"),
    [
        pytest.param(neighbour_advertisement(known(V6)), (GUEST_MAC, "STALE"), id="override"),
        pytest.param(without_override(), (WRONG, "STALE"), id="no override"),
    ],
)
def test_an_advertisement_changes_a_neighbour_cache_by_its_override_flag(
    neighbour: Neighbour, packet: bytes, entry: tuple[str, str]
) -> None:
    neighbour.believes(V6, WRONG)
    neighbour.hears(packet)
    assert neighbour.entry(V6) == entry


@pytest.mark.parametrize("ip", [V4, V6], ids=["IPv4", "IPv6"])
def test_a_cache_that_has_no_entry_gets_none(neighbour: Neighbour, ip: str) -> None:
    """Nobody's cache fills by it who doesn't speak with the guest."""
    neighbour.forgets(ip)
    neighbour.hears(next(address_announcements([known(ip)])))
    assert neighbour.entry(ip) is None
