"""Rules against what they say in words, and against flows as a guest sends them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colo_twisted.packets.comparing.passthrough import Network, Rule, Rules, dhcp_rules
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.keys import NO_PORT
from tests.support.internet import V4, V6, ethernet, icmp, tcp, udp, v4, v6

GUEST, CLIENT = V4
GUEST6, CLIENT6 = V6
RDP = Rule(protocol=6, destination_ports=range(3389, 3390))


def match(rules: Rules, packet: bytes) -> str | None:
    """The rule for a packet that stands among other data."""
    headers = Headers()
    data = b"before" + packet + b"behind"
    headers.parse(data, 6, 6 + len(packet))
    return rules.match(data, headers)


def rules_of(*rules: Rule) -> Rules:
    made = Rules()
    for number, rule in enumerate(rules):
        made.add(f"rule{number}", rule)
    return made


def from_guest(body: bytes, protocol: int, version: int = 4) -> bytes:
    """A packet of the guest's to the client."""
    if version == 4:
        return ethernet(0x0800, ((0x8100, 5),)) + v4(protocol, body, (GUEST, CLIENT), options=bytes(4))
    return ethernet(0x86DD) + v6(protocol, body, (GUEST6, CLIENT6))


GUEST_SPEAKS = from_guest(tcp(ports=(3389, 50000)), 6)
FITS: dict[str, tuple[Rule, bytes, bool]] = {
    "any": (Rule(), GUEST_SPEAKS, True),
    "any, IPv6": (Rule(), from_guest(tcp(), 6, 6), True),
    "RDP to the guest": (RDP, GUEST_SPEAKS, True),
    "RDP of the guest's own": (RDP, from_guest(tcp(ports=(50000, 3389)), 6), False),
    "RDP over UDP": (RDP, from_guest(udp(ports=(3389, 50000)), 17), False),
    "RDP over IPv6": (RDP, from_guest(tcp(ports=(3389, 50000)), 6, 6), True),
    "the client's port": (Rule(source_ports=range(49152, 65536)), GUEST_SPEAKS, True),
    "not the client's port": (Rule(source_ports=range(3389, 3390)), GUEST_SPEAKS, False),
    "the client's network": (Rule(source=ip_network("10.22.1.3/32")), GUEST_SPEAKS, True),
    "the guest's network as the client's": (Rule(source=ip_network("10.22.1.2/32")), GUEST_SPEAKS, False),
    "the guest's network": (Rule(destination=ip_network("10.22.1.2/31")), GUEST_SPEAKS, True),
    "another network": (Rule(destination=ip_network("10.22.2.0/24")), GUEST_SPEAKS, False),
    "all of IPv4": (Rule(source=ip_network("0.0.0.0/0")), GUEST_SPEAKS, True),
    "all of IPv4, an IPv6 packet": (Rule(source=ip_network("0.0.0.0/0")), from_guest(tcp(), 6, 6), False),
    "all of IPv6": (Rule(source=ip_network("::/0")), from_guest(tcp(), 6, 6), True),
    "an IPv6 network": (Rule(source=ip_network("fd00::3/128")), from_guest(udp(), 17, 6), True),
    "ICMP": (Rule(protocol=1), from_guest(icmp(0), 1), True),
    "ICMP has no ports": (Rule(source_ports=range(65536)), from_guest(icmp(0), 1), False),
    "ESP has no ports": (Rule(destination_ports=range(65536)), from_guest(bytes(20), 50), False),
    "ESP": (Rule(protocol=50), from_guest(bytes(20), 50), True),
    "ARP": (Rule(), ethernet(0x0806) + bytes(28), False),
    "no IP header": (Rule(), ethernet(0x0800) + b"\x45\0\0", False),
    "cut short in TCP": (Rule(), from_guest(tcp()[:12], 6), True),
    "cut short in TCP, with ports": (RDP, from_guest(tcp(ports=(3389, 5))[:2], 6), False),
}


@pytest.mark.parametrize(("rule", "packet", "fits"), FITS.values(), ids=FITS)
def test_what_a_guest_sends(rule: Rule, packet: bytes, fits: bool) -> None:
    assert match(rules_of(rule), packet) == ("rule0" if fits else None)


_ports = st.tuples(*[st.integers(0, 5)] * 2).map(lambda pair: range(min(pair), max(pair) + 1))
_v4_networks = st.tuples(st.integers(0, 3), st.integers(28, 32))
networks = _v4_networks.map(lambda pair: ip_network((pair[0], pair[1]), strict=False)) | st.just(ip_network("::/0"))
rules = st.builds(
    Rule,
    st.none() | st.sampled_from((6, 17)),
    *[st.none() | networks] * 2,
    *[st.none() | _ports] * 2,
)


@given(rules, st.sampled_from((6, 17)), *[st.integers(0, 17)] * 2, *[st.integers(0, 5)] * 2)
def test_a_rule_is_the_conjunction_of_what_it_names(
    rule: Rule, protocol: int, source: int, destination: int, source_port: int, destination_port: int
) -> None:
    wanted: list[bool] = []
    if rule.protocol is not None:
        wanted.append(protocol == rule.protocol)
    for network, address in ((rule.source, source), (rule.destination, destination)):
        if network is not None:
            wanted.append(network.version == 4 and address >> (32 - network.prefixlen) == _first_bits(network))
    for ports, port in ((rule.source_ports, source_port), (rule.destination_ports, destination_port)):
        if ports is not None:
            wanted.append(ports.start <= port < ports.stop)
    addresses = [address.to_bytes(4, "big") for address in (source, destination)]
    assert rule.matches(4, protocol, addresses[0], addresses[1], source_port, destination_port) == all(wanted)


def _first_bits(network: Network) -> int:
    return int(network.network_address) >> (32 - network.prefixlen)


def test_the_first_that_fits_and_rules_come_and_go() -> None:
    made = rules_of(Rule(protocol=17), RDP, Rule())
    assert (match(made, GUEST_SPEAKS), len(made)) == ("rule1", 3)
    made.remove("rule1")
    made.remove("rule1")
    assert (match(made, GUEST_SPEAKS), len(made)) == ("rule2", 2)
    made.add("rule0", RDP)
    assert match(made, GUEST_SPEAKS) == "rule0"
    made.remove("rule0")
    made.remove("rule2")
    assert (match(made, GUEST_SPEAKS), len(made)) == (None, 0)


DHCP = [(68, 67), (67, 68), (67, 67)]
DHCPV6 = [(546, 547), (547, 546), (547, 547)]


@pytest.mark.parametrize("ports", [*DHCP, *DHCPV6, (68, 53), (53, 67), (546, 53)])
@pytest.mark.parametrize("version", [4, 6])
def test_dhcp_is_let_through_by_default(ports: tuple[int, int], version: int) -> None:
    made = Rules()
    for id, rule in dhcp_rules().items():
        made.add(id, rule)
    expected = {4: dict.fromkeys(DHCP, "default: DHCP"), 6: dict.fromkeys(DHCPV6, "default: DHCPv6")}[version]
    assert match(made, from_guest(udp(ports=ports), 17, version)) == expected.get(ports)
    assert match(made, from_guest(tcp(ports=ports), 6, version)) is None


def test_no_port_is_in_no_range() -> None:
    address = ip_address(GUEST).packed
    assert not Rule(source_ports=range(65536)).matches(4, 6, address, address, NO_PORT, NO_PORT)
