"""Ethernet: addresses, the type field (IEEE 802.3), and tags (IEEE 802.1Q)."""

from __future__ import annotations

TYPE_AT = 12
HEADER_SIZE = 14

TYPE_IPV4 = 0x0800
TYPE_IPV6 = 0x86DD
TYPE_8021Q = 0x8100
TYPE_8021AD = 0x88A8
TYPE_QINQ = 0x9100  # 802.1ad's forerunner
TAG = 4  # bytes of an 802.1Q or 802.1ad tag
MOST_TAGS = 4  # more are never met

# what is met on a guest's LAN; anything else is carried all the same
KNOWN_TYPES = frozenset(
    bytes.fromhex(number)
    for number in (
        "0800",  # IPv4
        "0806",  # ARP
        "86dd",  # IPv6
        "8100",  # 802.1Q
        "88a8",  # 802.1ad
        "9100",  # its forerunner
        "8847",  # MPLS
        "8848",  # MPLS, multicast
        "8863",  # PPPoE, discovery
        "8864",  # PPPoE, session
        "88e5",  # MACsec
        "8035",  # RARP
        "88cc",  # LLDP
        "888e",  # EAPOL
        "88b5",  # local experimental, our marker frames
    )
)


def has_known_type(packet: bytes) -> bool:
    """Whether the packet's bytes 12 and 13 are one of the types in KNOWN_TYPES; False if it is too short."""
    return packet[TYPE_AT:HEADER_SIZE] in KNOWN_TYPES


def source_address(packet: bytes) -> bytes | None:
    """The address that a packet was sent from; None if it is too short, or says a group's address."""
    address = packet[6:12]
    return address if len(packet) >= HEADER_SIZE and not address[0] & 1 and any(address) else None
