"""TCP as a network card sends what a kernel with offloads leaves to it: scapy makes each packet from its fields."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

FIN, PSH, CWR = 0x01, 0x08, 0x80


def cut(outer: Packet, tcp: Packet, payload: bytes, size: int) -> list[bytes]:
    """
    A large segment in pieces with so much payload (Linux: net/ipv4/tcp_offload.c).

    ``outer`` is all in front of the TCP header; lengths and checksums are scapy's where they aren't set.
    """
    pieces = []
    for index, at in enumerate(range(0, max(len(payload), 1), size)):
        layers, segment = outer.copy(), tcp.copy()
        if IP in layers:
            layers[IP].id = (outer[IP].id + index) & 0xFFFF
        segment.seq = (tcp.seq + at) & 0xFFFFFFFF
        if at + size < len(payload):
            segment.flags = int(segment.flags) & ~(FIN | PSH)
        if index:
            segment.flags = int(segment.flags) & ~CWR
        pieces.append(bytes(layers / segment / Raw(payload[at : at + size])))
    return pieces


def as_on_a_wire(packet: bytes, largest: int) -> list[bytes]:
    """A packet as captured where a kernel with offloads sent it, in pieces of at most so many bytes."""
    ether = Ether(packet)
    if IP not in ether or TCP not in ether:
        return [packet]
    tcp, ip = ether[TCP], ether[IP]
    payload = bytes(tcp.payload)
    tcp.remove_payload()
    header = len(packet) - len(payload)
    tcp.chksum = ip.len = ip.chksum = None
    ip.remove_payload()
    return cut(ether, tcp, payload, largest - header)
