"""TCP (RFC 9293): where fields stand, counted from the header's first byte, flags, and option kinds."""

from __future__ import annotations

HEADER = 20  # without options
SOURCE_PORT_AT = 0
DESTINATION_PORT_AT = 2
SEQ_AT = 4
ACK_AT = 8
DATA_OFFSET_AT = 12
FLAGS_AT = 13
WINDOW_AT = 14
CHECKSUM_AT = 16
URGENT_AT = 18

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
CWR = 0x80  # RFC 3168

OPTION_END = 0
OPTION_NOP = 1
OPTION_MSS = 2  # RFC 9293 section 3.7.1
OPTION_WINDOW_SCALE = 3  # RFC 7323 section 2
OPTION_SACK_PERMITTED = 4  # RFC 2018
OPTION_SACK = 5
OPTION_TIMESTAMPS = 8  # RFC 7323 section 3

LARGEST_SCALE = 14
