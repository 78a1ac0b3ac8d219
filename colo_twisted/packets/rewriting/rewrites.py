"""What a rewriter has counted."""

from __future__ import annotations

from dataclasses import dataclass

from colo_twisted.counters import Counters


@dataclass
class RewriterCounters(Counters):
    """Packets by what was changed in them, and connections by what became of them."""

    connections: int = 0  # known now
    opened: int = 0  # the guest showed a new ISN
    learnt: int = 0  # the offset to the primary's ISN became known
    met: int = 0  # in mid-stream
    closed: int = 0
    expired: int = 0
    not_followed: int = 0  # no room: all that are known are in use
    rewritten_seq: int = 0
    rewritten_ack: int = 0
    rewritten_timestamps: int = 0
    rewritten_sack: int = 0
    rewritten_quoted: int = 0  # in ICMP errors
    clamped: int = 0  # acks lowered to what the guest has sent
    acks_owed: int = 0  # to a connection whose ack was lowered
    acks_delivered: int = 0
    malformed: int = 0  # passed as they came
    kept_bytes: int = 0  # of output beyond the clients' newest acks, now
    dropped_max_kept: int = 0  # of such output: more than max_kept bytes of it
    output_sent: int = 0  # of such output, at a take-over
    resets_to_guest: int = 0  # at a take-over and after it, for unprotected connections
    resets_to_client: int = 0
    dropped_unprotected: int = 0  # segments of theirs, since
