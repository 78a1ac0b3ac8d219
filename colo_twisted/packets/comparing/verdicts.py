"""What comes of looking at a primary's packet, and the kinds of divergence."""

from __future__ import annotations

EQUAL = 0  # it may leave
WAIT = 1  # the secondary has not said as much yet

# kinds of divergence
PAYLOAD_DIFFERS = 2  # other bytes
SYN_DIFFERS = 3  # other options in the opening
FIN_DIFFERS = 4  # one ends its stream where the other goes on
UNMATCHED = 5  # the other side has not sent its counterpart within compare_timeout
ACK_OVERDUE = 6  # the secondary has not acknowledged as much within compare_timeout
WINDOW_OVERDUE = 7  # the secondary's window has kept the client waiting for compare_timeout
QUEUE_FULL = 8  # more than max_queue_size packets are held
MEMORY_FULL = 9  # what no guest repeats had no room in max_memory

NAMES = ("equal", "wait", "payload", "syn", "fin", "unmatched", "ack", "window", "queue", "memory")

OVERDUE = ("unmatched", "ack", "window")  # those that a silent secondary causes, after compare_timeout
