"""What a packet is, as far as comparing and rewriting care."""

from __future__ import annotations

NOT_IP = 0
TCP = 1
UDP = 2
ICMP = 3  # ICMP and ICMPv6, echo and whatever else answers a client
OTHER_IP = 4
FRAGMENT = 5  # of a packet that must be reassembled first
CONTROL = 6  # IGMP, MLD, neighbour and router discovery, ICMP errors: each kernel times these by itself
MALFORMED = 7  # lengths that don't fit: no receiver takes it

NAMES = ("not IP", "TCP", "UDP", "ICMP", "other IP", "fragment", "control", "malformed")
