"""
Whether the other side's process is dead, by how its connections ended (SEMANTICS, 'Failover': *closed*).

Only with the operator's word (``direct=on``) that nothing stands between the two that could close a connection itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from colo_twisted.events import ChardevDisconnected, Event
from colo_twisted.interfaces import Ended, IChardev, IMachine


class Closing:
    """
    Watches the chardevs that led to the other process when the two were synced.

    One that ended otherwise than by that process's doing makes all of it silence, whatever comes afterwards: who has
    the place then may be a stranger.
    """

    def __init__(self, machine: IMachine, direct: bool, ended: Callable[[], None]) -> None:
        """
        @param ended: called when one of them has ended.
        """
        self._machine = machine
        self._direct = direct
        self._ended = ended
        self._watched: dict[str, IChardev] = {}
        self._doubtful = False

    def start(self) -> None:
        self._machine.events.subscribe(self._heard)

    def stop(self) -> None:
        self._machine.events.unsubscribe(self._heard)
        self._watched = {}

    def watch(self, chardevs: Iterable[IChardev]) -> None:
        """The two are synced: from now on it counts how these end."""
        self._watched = {chardev.id: chardev for chardev in chardevs}
        self._doubtful = not all(chardev.connected for chardev in self._watched.values())

    def _heard(self, event: Event) -> None:
        if isinstance(event, ChardevDisconnected) and event.id in self._watched:
            self._doubtful |= self._watched[event.id].ended is not Ended.BY_PEER
            self._ended()

    @property
    def is_closed(self) -> bool:
        """Whether all have ended, by that process's doing: it is dead."""
        if not self._direct or self._doubtful or not self._watched:
            return False
        return all(not known.connected and known.ended is Ended.BY_PEER for known in self._watched.values())
