"""
Whether the other side lives, and for how long this one may speak: no clock, no connection.

Each beat has a number and says which of the other's came last. The primary speaks for as long as the secondary has
said that it heard a beat which was sent less than the secondary's timeout ago: a lease. The secondary counts its
timeout from what it *received*, which is later, so when that is over the primary has been silent already, whichever
way the cables between them fail. The two clocks need not agree, only run at the same rate (MARGIN allows for less).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

MARGIN = 0.02  # of the timeout: what a lease is shorter
_MOST_REMEMBERED = 4096  # beats whose echo may still come


@dataclass(frozen=True)
class Beat:
    """``number`` is this one's; ``echo`` the highest of the other side's that has come, 0 before the first."""

    number: int
    echo: int


class Heartbeats:
    """
    Those of one side. All times are monotonic, in seconds.

    @ivar timeout: how long this side waits for a sign of life.
    @ivar their_timeout: how long the other side does, by its own word.
    """

    def __init__(self, timeout: float, now: float) -> None:
        self.timeout = timeout
        self.their_timeout = timeout
        self._number = 0
        self._heard = 0
        self._heard_at = now
        self._leased_from = now - timeout
        self._sent: deque[tuple[int, float]] = deque(maxlen=_MOST_REMEMBERED)  # numbers and when, oldest first

    def begin(self, their_timeout: float, now: float) -> None:
        """Another process is there: what was heard from the one before counts no more, and it is heard now."""
        self.their_timeout = their_timeout
        self._heard = 0
        self._heard_at = now
        self._sent.clear()
        self._leased_from = now - their_timeout

    def next(self, now: float) -> Beat:
        """What to send, by every way there is."""
        self._number += 1
        self._sent.append((self._number, now))
        return Beat(self._number, self._heard)

    def take(self, beat: Beat, now: float) -> None:
        """One has come, on whatever way; older ones and doubles are signs of life too."""
        self.sign_of_life(now)
        self._heard = max(self._heard, beat.number)
        while self._sent and self._sent[0][0] <= beat.echo:
            self._leased_from = max(self._leased_from, self._sent.popleft()[1])

    def sign_of_life(self, now: float) -> None:
        """Anything has come from the other side."""
        self._heard_at = now

    def is_silent(self, now: float) -> bool:
        """Whether nothing has come within the timeout."""
        return now - self._heard_at >= self.timeout

    @property
    def unheard(self) -> int:
        """How many beats of this side's, one after the other, the other hasn't said that it has heard."""
        return len(self._sent)

    @property
    def leased_until(self) -> float:
        """Until then the other side can't find this one silent."""
        return self._leased_from + self.their_timeout * (1 - MARGIN)
