"""The machine's filter-mirrors, as they come, go, and are switched: without one on, nobody mirrors to the secondary."""

from __future__ import annotations

from collections.abc import Callable

from colo_twisted.interfaces import IMachine, IMirror

NONE_ON = "mirror"


class Mirrors:
    """
    Those that there are.

    One that is off isn't waited for. Where there never was any, another program does the mirroring.
    """

    def __init__(self, machine: IMachine, changed: Callable[[], None]) -> None:
        """
        @param changed: called when one has come, gone, or is not as it was.
        """
        self._machine = machine
        self._changed = changed
        self._known: list[IMirror] = []
        self._had_any = False

    def look(self) -> None:
        """See which have come, and which have gone."""
        there = self._machine.providers(IMirror)
        if there == self._known:
            return
        self.leave()
        for mirror in there:
            mirror.watchers.append(self._heard)
        self._known = there
        self._had_any = True
        self._changed()

    def leave(self) -> None:
        """Watch them no more."""
        for mirror in self._known:
            mirror.watchers.remove(self._heard)
        self._known = []

    def _heard(self, _: bool) -> None:
        self._changed()

    def on(self) -> list[tuple[str, bool]]:
        """Each that is on, by name, and whether its peer is there."""
        return [(f"filter-mirror '{mirror.id}'", mirror.connected) for mirror in self._known if mirror.status]

    def rows(self) -> list[tuple[str, bool]]:
        """The same; where none is on, and there were some, NONE_ON, which is down."""
        return self.on() or ([(NONE_ON, False)] if self._had_any else [])

    @property
    def are_off(self) -> bool:
        """Whether there are some, all off."""
        return bool(self._known) and not any(mirror.status for mirror in self._known)

    @property
    def why_none(self) -> str | None:
        """Why none is on, in words; None while one is, or while there never was any."""
        if self.are_off:
            ids = ", ".join(f"'{mirror.id}'" for mirror in self._known)
            return f"filter-mirror {ids} is off" if len(self._known) == 1 else f"filter-mirrors {ids} are off"
        return "there is no filter-mirror any more" if self._had_any and not self._known else None
