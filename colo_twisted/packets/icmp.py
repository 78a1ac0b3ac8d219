"""ICMP (RFC 792) and ICMPv6 (RFC 4443, 4861, 3810): fields, and the types that each kernel sends by its own timers."""

from __future__ import annotations

HEADER = 8
TYPE_AT = 0
CHECKSUM_AT = 2
IDENTIFIER_AT = 4

V4_ECHO_REPLY = 0
V4_ECHO_REQUEST = 8
# errors, redirect, router discovery (destination unreachable, source quench, time exceeded, parameter problem)
V4_UNCOMPARED = frozenset((3, 4, 5, 9, 10, 11, 12))

V6_FIRST_INFORMATIONAL = 128  # below are errors
V6_ECHO_REQUEST = 128
V6_ECHO_REPLY = 129
V6_NEIGHBOUR_SOLICITATION = 135
# MLD (130 to 132, 143), neighbour and router discovery (133 to 137), inverse discovery (141, 142), multicast routers
V6_UNCOMPARED = frozenset((130, 131, 132, 133, 134, 135, 136, 137, 141, 142, 143, 151, 152, 153))
