"""Keys are taken apart as they were put together, and said in words."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoReply, IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from colo_twisted.packets.headers import Headers
from colo_twisted.packets.keys import Parts, key_text, take_apart

V4, V6 = IP(src="10.0.0.2", dst="10.0.0.1"), IPv6(src="fd00::2", dst="fd00::1")
HOSTS4 = [ipaddress.ip_address(host).packed for host in ("10.0.0.2", "10.0.0.1")]
HOSTS6 = [ipaddress.ip_address(host).packed for host in ("fd00::2", "fd00::1")]


def key_of(*layers: Packet) -> bytes:
    packet: Packet = Ether(src="52:54:00:00:00:02", dst="52:54:00:00:00:01")
    for layer in layers:
        packet /= layer
    data = bytes(packet)
    headers = Headers()
    headers.parse(data, 0, len(data))
    return headers.connection_key(data)


ports = st.integers(0, 65535)


@given(st.sampled_from((4, 6)), st.sampled_from((6, 17)), ports, ports, st.lists(st.integers(0, 4095), max_size=3))
def test_ports_addresses_and_vlans(version: int, protocol: int, source: int, target: int, vlans: list[int]) -> None:
    network, hosts = (V4, HOSTS4) if version == 4 else (V6, HOSTS6)
    transport = TCP(sport=source, dport=target) if protocol == 6 else UDP(sport=source, dport=target)
    key = key_of(*[Dot1Q(vlan=vlan, prio=3) for vlan in vlans], network, transport)
    assert take_apart(key) == Parts(version, protocol, hosts[0], hosts[1], source, target, tuple(vlans))


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((V4, TCP(sport=80, dport=40000)), "TCP 10.0.0.2:80 to 10.0.0.1:40000"),
        ((V6, TCP(sport=80, dport=40000)), "TCP [fd00::2]:80 to [fd00::1]:40000"),
        ((Dot1Q(vlan=7), Dot1Q(vlan=5), V4, UDP(sport=53, dport=9)), "UDP VLAN 7 VLAN 5 10.0.0.2:53 to 10.0.0.1:9"),
        ((V4, ICMP(type=0, id=7)), "ICMP type 0 id 7 10.0.0.2 to 10.0.0.1"),
        ((Dot1Q(vlan=7), V6, ICMPv6EchoReply(id=7)), "ICMPv6 VLAN 7 type 129 id 7 fd00::2 to fd00::1"),
        ((IP(src="10.0.0.2", dst="10.0.0.1", proto=47), Raw(b"GRE")), "IP protocol 47 10.0.0.2 to 10.0.0.1"),
    ],
)
def test_in_words(layers: tuple[Packet, ...], text: str) -> None:
    assert key_text(key_of(*layers)) == text
