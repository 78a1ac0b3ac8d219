"""IPv4 (RFC 791) and IPv6 (RFC 8200): places of fields, from the header's first byte, and protocol numbers."""

from __future__ import annotations

V4_HEADER = 20  # without options
V4_TOTAL_LENGTH_AT = 2
V4_ID_AT = 4
V4_FRAGMENT_AT = 6  # three flags, then the offset in units of 8 bytes
V4_PROTOCOL_AT = 9
V4_CHECKSUM_AT = 10
V4_SOURCE_AT = 12
V4_DESTINATION_AT = 16

V6_HEADER = 40
V6_PAYLOAD_LENGTH_AT = 4
V6_NEXT_HEADER_AT = 6
V6_SOURCE_AT = 8
V6_DESTINATION_AT = 24
V6_FRAGMENT_HEADER = 8
MOST_EXTENSION_HEADERS = 8  # more are never met; an attacker's could keep us busy

MORE_FRAGMENTS = 0x2000  # in IPv4's flags; IPv6's fragment header has it as its lowest bit
OFFSET_MASK = 0x1FFF

PROTOCOL_HOP_BY_HOP = 0
PROTOCOL_ICMP = 1
PROTOCOL_IGMP = 2
PROTOCOL_TCP = 6
PROTOCOL_UDP = 17
PROTOCOL_ROUTING = 43
PROTOCOL_FRAGMENT = 44
PROTOCOL_AUTHENTICATION = 51
PROTOCOL_ICMPV6 = 58
PROTOCOL_NO_NEXT = 59
PROTOCOL_DESTINATION_OPTIONS = 60
