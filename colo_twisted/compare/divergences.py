"""Divergences: logged, and the newest kept with their evidence."""

from __future__ import annotations

from collections import deque

from colo_twisted.packets.comparing.divergence import Divergence
from colo_twisted.packets.keys import key_text
from colo_twisted.reporting import Reporter

MOST_KEPT = 128

_WORDS = {
    "payload": "the payloads differ from byte {offset} on",
    "syn": "the options of the SYNs differ",
    "fin": "one side ends its stream where the other goes on",
    "unmatched": "the other side has not sent the same within compare_timeout",
    "ack": "the secondary has not acknowledged as much within compare_timeout",
    "window": "the secondary's window has kept the client waiting for compare_timeout",
    "queue": "more than max_queue_size packets are held",
    "memory": "there was no room within max_memory",
}


class Divergences:
    """A bounded ring; ``kept`` has the newest last."""

    def __init__(self, report: Reporter) -> None:
        self.kept: deque[Divergence] = deque(maxlen=MOST_KEPT)
        self._report = report

    def tell(self, divergence: Divergence) -> None:
        """Keep it, and log a line."""
        self.kept.append(divergence)
        self._report.warn(f"divergence ({divergence.kind}) of {describe(divergence)}", kind="divergence")


def describe(divergence: Divergence) -> str:
    """Which flow, where, and what, in words."""
    what = _WORDS[divergence.kind].format(offset=divergence.offset)
    where = f" at sequence number {divergence.seq}" if divergence.seq else ""
    return f"{key_text(divergence.key)}{where}: {what}"
