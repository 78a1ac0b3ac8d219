"""What all chardevs have: an id, counters, and the one front end."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from colo_twisted.counters import Counters
from colo_twisted.interfaces import FrontEnd
from colo_twisted.interfaces.frames import Ended
from colo_twisted.options.errors import StartError


class Chardev:
    """Holds the place of the front end; subclasses carry frames."""

    counters: Counters
    peer: str | None = None
    ended: Ended | None = None

    def __init__(self, id: str) -> None:
        self.id = id
        self.front_end: FrontEnd | None = None

    def attach(self, front_end: FrontEnd) -> None:
        if self.front_end is not None:
            raise StartError(f"chardev '{self.id}' is taken by {self.front_end.owner}, {front_end.owner} can't have it")
        self.front_end = front_end

    def detach(self) -> None:
        self.front_end = None

    def flush(self) -> bool:
        """Nothing waits."""
        return True

    def drain(self) -> None:
        """Nothing comes but by itself."""

    def open(self) -> None:
        """Nothing to bind."""

    def start(self) -> Deferred[None] | None:
        """Nothing to connect."""
        return None

    def close(self) -> Deferred[None] | None:
        """Nothing to give back."""
        return None
