"""The data channels as ways for beats: a mirror and secondary_in are heard when colo-peer's own connection isn't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from colo_twisted.chardev.pair import PairEnd
from colo_twisted.failover.table import PRIMARY
from colo_twisted.interfaces import IChardev, IComparer, IMachine, IMirror, IWay
from colo_twisted.packets.batch import Batch
from colo_twisted.packets.beats import beat_packet, without_beats

# a word's ``headers``: where a channel's two bits are, and what they say
_MIRROR, _OUTPUT = 0, 2
_PLAIN, _VNET = 1, 2


class Ways:
    """
    Those of one side, as they come and go.

    @ivar secret: the other side's, from its words; b'' before. Frames are signs of life only with beats among them:
        who else is at a channel's other end is a stranger.
    """

    def __init__(
        self, machine: IMachine, role: str, life: Callable[[], None], heard: Callable[[int, int, int, bool], None]
    ) -> None:
        """
        @param life: called when anything has come from the other side.
        @param heard: called with a beat: for which incarnation it is, its number, its echo, whether it confirms.
        """
        self.secret = b""
        self._machine = machine
        self._is_primary = role == PRIMARY
        self._life = life
        self._heard = heard
        self._known: list[Any] = []

    def look(self) -> None:
        """See which have come, and which have gone."""
        there = [made for made in self._machine.providers(IWay) if self._is_ours(made)]
        for gone in self._known:
            if gone not in there:
                gone.overhear = None
        for made in there:
            made.overhear = self._overhear
        self._known = there

    @property
    def chardevs(self) -> list[IChardev]:
        """Those that lead to the other process."""
        return [chardev for known in self._known for chardev in known.chardevs]

    @property
    def headers(self) -> int:
        """Which of them carry vnet headers, as a Message's ``headers``."""
        found: dict[int, set[int]] = {_MIRROR: set(), _OUTPUT: set()}
        for chardev in self.chardevs:
            front_end = chardev.front_end
            if front_end is not None and not isinstance(chardev, PairEnd):  # that leads to a part of this process
                sends = front_end.receive is None
                found[_MIRROR if sends is self._is_primary else _OUTPUT].add(_VNET if front_end.vnet_hdr else _PLAIN)
        return sum(kinds.pop() << at for at, kinds in found.items() if len(kinds) == 1)

    def leave(self) -> None:
        for known in self._known:
            known.overhear = None
        self._known = []

    def _is_ours(self, made: Any) -> bool:
        """A primary's redirectors lead to its own comparer."""
        of_primary = IMirror.providedBy(made) or IComparer.providedBy(made)
        return bool(of_primary) is self._is_primary

    def send(self, secret: bytes, to: int, number: int, echo: int, confirms: bool) -> None:
        batch = Batch.from_packets([beat_packet(secret, to, number, echo, confirms)])
        for known in self._known:
            known.send_beat(batch)

    def _overhear(self, batch: Batch) -> Batch | None:
        if not self.secret:
            self._life()
            return batch
        rest, beats = without_beats(batch, self.secret)
        for beat in beats:
            self._heard(*beat)
        return rest


def unlike(primary: int, secondary: int) -> str | None:
    """Of two words' ``headers``: which channel's ends differ, in words; None if none does."""
    for at, here, there in (
        (_MIRROR, "filter-mirror", "filter-redirector with indev"),
        (_OUTPUT, "colo-compare", "filter-redirector with outdev"),
    ):
        mine, theirs = primary >> at & 3, secondary >> at & 3
        if {mine, theirs} == {_PLAIN, _VNET}:
            on, off = ("on", "off") if mine == _VNET else ("off", "on")
            return f"vnet_hdr_support is {on} at the primary's {here} and {off} at the secondary's {there}"
    return None
