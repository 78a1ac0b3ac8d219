"""How the replica stands, as one object sees it and an operator reads it, and since when."""

from __future__ import annotations

from colo_twisted.events import ReplicaState
from colo_twisted.interfaces import IMachine


class Standing:
    """
    Tells each change once.

    @ivar state: 'joining', 'synced', 'checkpointing', and 'taken-over' on a secondary, 'lost' or 'alone' on a primary;
        'none' where the object doesn't know it.
    @ivar reason: why it is so, in words; '' if there is nothing to say.
    @ivar since: the monotonic time, in seconds, at which it became so.
    """

    def __init__(self, id: str, machine: IMachine, state: str, reason: str) -> None:
        self.state = state
        self.reason = reason
        self._id = id
        self._monotonic = machine.monotonic
        self._events = machine.events
        self.since = self._monotonic()

    def become(self, state: str, reason: str) -> None:
        """Take this for how it stands now."""
        if (state, reason) == (self.state, self.reason):
            return
        if state != self.state:
            self.since = self._monotonic()
        self.state, self.reason = state, reason
        self._events.emit(ReplicaState(self._id, state, reason))
