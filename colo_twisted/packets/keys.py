"""Connection keys, taken apart: what Headers.connection_key has put together."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from colo_twisted.packets.ip import PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP
from colo_twisted.packets.kinds import ICMP, TCP, UDP

_NAMES = {PROTOCOL_ICMP: "ICMP", PROTOCOL_TCP: "TCP", PROTOCOL_UDP: "UDP", PROTOCOL_ICMPV6: "ICMPv6"}
_V4_TCP, _V6_TCP = 12, 36  # the sizes of a key that is addresses and ports alone


NO_PORT = -1  # of what is neither TCP nor UDP: in no range


class Parts(NamedTuple):
    """
    A flow, in the direction of the guest's own packets.

    Addresses are as in IP's header; ``vlans`` are the tags' identifiers, outermost first; ports may be NO_PORT;
    ``message`` is ICMP's type and ``identifier`` an echo's.
    """

    version: int
    protocol: int
    source: bytes
    destination: bytes
    source_port: int = NO_PORT
    destination_port: int = NO_PORT
    vlans: tuple[int, ...] = ()
    message: int = -1
    identifier: int = -1


def take_apart(key: bytes) -> Parts:
    """The parts of a key that Headers.connection_key has made."""
    if len(key) in (_V4_TCP, _V6_TCP):
        return _with_ports(4 if len(key) == _V4_TCP else 6, PROTOCOL_TCP, key, ())
    kind, version = key[0], key[1]
    addresses = 8 if version == 4 else 32
    tail = 4 if kind in (TCP, UDP) else 3 if kind == ICMP else 1
    rest = key[len(key) - addresses - tail :]
    tags = key[2 : len(key) - len(rest)]
    vlans = tuple(int.from_bytes(tags[at : at + 2], "big") for at in range(0, len(tags), 2))
    if kind in (TCP, UDP):
        return _with_ports(version, PROTOCOL_TCP if kind == TCP else PROTOCOL_UDP, rest, vlans)
    half = addresses // 2
    source, destination, more = rest[:half], rest[half:addresses], rest[addresses:]
    if kind == ICMP:
        protocol = PROTOCOL_ICMP if version == 4 else PROTOCOL_ICMPV6
        identifier = int.from_bytes(more[1:3], "big")
        return Parts(version, protocol, source, destination, vlans=vlans, message=more[0], identifier=identifier)
    return Parts(version, more[0], source, destination, vlans=vlans)


def _with_ports(version: int, protocol: int, rest: bytes, vlans: tuple[int, ...]) -> Parts:
    size = 4 if version == 4 else 16
    source_port, destination_port = (int.from_bytes(rest[at : at + 2], "big") for at in (2 * size, 2 * size + 2))
    return Parts(version, protocol, rest[:size], rest[size : 2 * size], source_port, destination_port, vlans)


def key_text(key: bytes) -> str:
    """A key in words: 'TCP 10.0.0.2:80 to 10.0.0.1:40000'."""
    parts = take_apart(key)
    name = _NAMES.get(parts.protocol, f"IP protocol {parts.protocol}")
    name += "".join(f" VLAN {vlan}" for vlan in parts.vlans)
    if parts.message >= 0:
        name += f" type {parts.message} id {parts.identifier}"
    source = _with_port(parts.source, parts.source_port)
    return f"{name} {source} to {_with_port(parts.destination, parts.destination_port)}"


def _with_port(address: bytes, port: int) -> str:
    text = str(ipaddress.ip_address(address))
    if port < 0:
        return text
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"
