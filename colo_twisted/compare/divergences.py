"""Divergences: logged, and the newest kept with their evidence."""

from __future__ import annotations

from collections import deque

from colo_twisted.events import Divergence as DivergenceEvent
from colo_twisted.events import Events
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
    """A bounded ring; ``kept`` has the newest last, numbered from 1 on."""

    def __init__(self, id: str, events: Events, report: Reporter) -> None:
        """
        @param id: the comparer's.
        """
        self.kept: deque[Divergence] = deque(maxlen=MOST_KEPT)
        self._number = 0
        self._id = id
        self._events = events
        self._report = report

    def tell(self, divergence: Divergence) -> None:
        """Keep it, log a line, and tell those who listen."""
        self._number += 1
        self.kept.append(divergence._replace(number=self._number))
        self._report.warn(f"divergence ({divergence.kind}) of {describe(divergence)}", kind="divergence")
        kind, connection = divergence.kind, key_text(divergence.key)
        self._events.emit(DivergenceEvent(self._id, kind, connection, divergence.seq, words(divergence)))


def words(divergence: Divergence) -> str:
    """What it is."""
    return _WORDS[divergence.kind].format(offset=divergence.offset)


def describe(divergence: Divergence) -> str:
    """Which flow, where, and what, in words."""
    where = f" at sequence number {divergence.seq}" if divergence.seq else ""
    return f"{key_text(divergence.key)}{where}: {words(divergence)}"
