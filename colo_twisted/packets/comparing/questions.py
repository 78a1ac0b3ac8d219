"""
The secondary's questions for its neighbours' addresses: ARP requests (RFC 826), neighbour solicitations (RFC 4861).

All else that a kernel sends by its own timers is the primary's alone. But a guest that nobody answers, because its
twin had the answer already (a secondary that was started again, a cache that ran out a little earlier), falls silent,
and each of its connections diverges. The answer goes to the address that both guests share, and so to both.
"""

from __future__ import annotations

from colo_twisted.packets import fields
from colo_twisted.packets.ethernet import HEADER_SIZE
from colo_twisted.packets.headers import Headers
from colo_twisted.packets.icmp import V6_NEIGHBOUR_SOLICITATION
from colo_twisted.packets.ip import PROTOCOL_ICMPV6, V4_SOURCE_AT, V6_SOURCE_AT

MOST_ADDRESSES = 1024  # of the primary's guest: a router may have as many as it forwards for

_ETHER_SOURCE = slice(6, 12)
_TYPE_ARP = 0x0806
_ARP_SIZE = 28
_ARP_BEGINS = bytes.fromhex("0001 0800 06 04 0001")  # Ethernet, IPv4, their sizes, a request
_ARP_SENDER_AT = 8  # hardware address, then IP address
_ARP_SENDER_IP_AT = 14
_ARP_TARGET_IP_AT = 24


class Questions:
    """Knows the addresses that the primary's guest sends from: a question must come from one of them."""

    def __init__(self) -> None:
        self._known: set[tuple[bytes, bytes]] = set()  # Ethernet and IP addresses

    def learn(self, data: bytes, headers: Headers) -> None:
        """The primary's guest has sent this packet of a new flow."""
        if len(self._known) < MOST_ADDRESSES:
            self._known.add(_sender(data, headers))

    def may_be_asked(self, data: bytes, headers: Headers) -> bool:
        """Whether a packet of the secondary's, not IP or a control message, is a question that may go out."""
        if headers.version == 6:
            is_question = (
                headers.protocol == PROTOCOL_ICMPV6
                and headers.transport < headers.end
                and data[headers.transport] == V6_NEIGHBOUR_SOLICITATION
            )
            return is_question and _sender(data, headers) in self._known
        at = headers.network
        if headers.version or headers.end - at < _ARP_SIZE or fields.u16(data, at - 2) != _TYPE_ARP:
            return False
        source = data[headers.start : headers.start + HEADER_SIZE][_ETHER_SOURCE]
        sender = data[at + _ARP_SENDER_AT : at + _ARP_SENDER_IP_AT]
        address = data[at + _ARP_SENDER_IP_AT : at + _ARP_SENDER_IP_AT + 4]
        asked = data[at + _ARP_TARGET_IP_AT : at + _ARP_SIZE]
        is_question = data[at : at + _ARP_SENDER_AT] == _ARP_BEGINS and sender == source and asked != address
        return is_question and (source, address) in self._known


def _sender(data: bytes, headers: Headers) -> tuple[bytes, bytes]:
    source = data[headers.start : headers.start + HEADER_SIZE][_ETHER_SOURCE]
    at, size = (V4_SOURCE_AT, 4) if headers.version == 4 else (V6_SOURCE_AT, 16)
    return source, data[headers.network + at : headers.network + at + size]
