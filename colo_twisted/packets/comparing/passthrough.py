"""
Rules that let a flow go uncompared.

A rule is written as its client would: ``source`` is the far side, whoever speaks to the guest over the network, and
``destination`` the guest's side, whichever of the two began. So RDP to the guest is TCP with destination port 3389,
and the guest's own questions to name servers are UDP with source port 53.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from colo_twisted.packets.headers import Headers
from colo_twisted.packets.ip import PROTOCOL_UDP
from colo_twisted.packets.keys import Parts, take_apart

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Rule:
    """
    What must be so of a packet; None is anything.

    ``protocol`` is IANA's number of the transport. A rule with ports fits TCP and UDP only, a rule with a network only
    packets of the network's IP version.
    """

    protocol: int | None = None
    source: Network | None = None
    destination: Network | None = None
    source_ports: range | None = None
    destination_ports: range | None = None

    def matches(
        self, version: int, protocol: int, source: bytes, destination: bytes, source_port: int, destination_port: int
    ) -> bool:
        """Whether it fits a packet from the network to the guest; addresses as they stand in IP's header."""
        return (
            self.protocol in (None, protocol)
            and (self.source_ports is None or source_port in self.source_ports)
            and (self.destination_ports is None or destination_port in self.destination_ports)
            and _holds(self.source, source)
            and _holds(self.destination, destination)
        )

    def fits(self, flow: Parts) -> bool:
        """Whether it fits what the guest answers such packets with, or what it asks."""
        return self.matches(
            flow.version, flow.protocol, flow.destination, flow.source, flow.destination_port, flow.source_port
        )


def _holds(network: Network | None, address: bytes) -> bool:
    return network is None or ip_address(address) in network


class Rules:
    """Rules by id, in the order in which they came."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, id: str, rule: Rule) -> None:
        """Put a rule behind the others, or in the place of the one that has its id."""
        self._rules[id] = rule

    def remove(self, id: str) -> None:
        """Take a rule away; harmless when it isn't there."""
        self._rules.pop(id, None)

    def match(self, data: bytes, headers: Headers) -> str | None:
        """
        The id of the first rule that fits the flow of a packet that a guest sent, which ``headers`` has parsed.

        What is not IP, or malformed before its IP header's end, fits none.
        """
        if not self._rules or not headers.version:
            return None
        flow = take_apart(headers.connection_key(data))
        return next((id for id, rule in self._rules.items() if rule.fits(flow)), None)


def dhcp_rules() -> dict[str, Rule]:
    """
    DHCP (RFC 2131) and DHCPv6 (RFC 8415), which have a random transaction id: what every comparer begins with.

    The ids are none that an object could have.
    """
    v4, v6 = ip_network("0.0.0.0/0"), ip_network("::/0")
    return {
        "default: DHCP": _udp_both_ways(v4, range(67, 69)),
        "default: DHCPv6": _udp_both_ways(v6, range(546, 548)),
    }


def _udp_both_ways(network: Network, ports: range) -> Rule:
    return Rule(PROTOCOL_UDP, source=network, source_ports=ports, destination_ports=ports)
