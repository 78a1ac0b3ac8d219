"""QEMU's own filters on its guest's netdev: found, made to hear again, and taken away at a take-over."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks

from colo_twisted.qemu.monitor import NoAnswer, QEMUError
from colo_twisted.reporting import Reporter

_LINE = re.compile(r"^  - ([^:\s]+): type=([^,\s]+),(\S*)\s*$", re.MULTILINE)
_GIVEN = ("netdev", "queue", "indev", "outdev", "status", "vnet_hdr_support")
_BARRIERS = ("filter-redirector", "filter-mirror", "filter-drop")


@dataclass(frozen=True)
class Found:
    """One filter: its properties as QEMU prints them."""

    id: str
    type: str
    properties: Mapping[str, str]

    @property
    def chardevs(self) -> list[str]:
        """Those that it uses, by id."""
        return [id for name in ("outdev", "indev") if (id := self.properties.get(name))]


def found(text: str) -> list[Found]:
    """The filters in what ``info network`` prints, in the order of their chains."""
    return [
        Found(id, kind, dict(pair.split("=", 1) for pair in rest.split(",") if "=" in pair))
        for id, kind, rest in _LINE.findall(text)
    ]


class Filters:
    """
    What is done to them, by commands.

    A filter-redirector of QEMU's stops reading its indev for good when that chardev's peer goes, whoever comes next:
    the chardev has no open front end then (query-chardev). One that is made anew in its place reads again.
    """

    def __init__(self, ask: Callable[..., Deferred[Any]], report: Reporter, healed: Callable[[], None]) -> None:
        """
        @param ask: as Monitor.execute.
        @param healed: called for each that was made anew.
        """
        self._ask = ask
        self._report = report
        self._healed = healed
        self._looking = False
        self._no_concern: frozenset[str] = frozenset()  # chardevs that nobody reads, and no redirector should

    def look(self) -> None:
        """Make those anew that have gone deaf; harmless while that is being done."""
        if not self._looking:
            self._looking = True
            self._heal().addErrback(self._failed).addBoth(self._looked)

    def _looked(self, _: Any) -> None:
        self._looking = False

    def _failed(self, failure: Any) -> None:
        if failure.check(QEMUError):
            self._report.warn(f"QEMU's filters can't be looked after: {failure.getErrorMessage()}", kind="filters")
        else:
            failure.trap(NoAnswer)

    @inlineCallbacks
    def _all(self) -> Generator[Deferred[Any], Any, list[Found]]:
        text = yield self._ask("human-monitor-command", command_line="info network")
        return found(text)

    @inlineCallbacks
    def _heal(self) -> Generator[Deferred[Any], Any, None]:
        chardevs = yield self._ask("query-chardev")
        unread = frozenset(str(row["label"]) for row in chardevs if not row.get("frontend-open"))
        if unread == self._no_concern:
            return
        known = yield self._all()
        for place, one in enumerate(known):
            if one.type == "filter-redirector" and one.properties.get("indev") in unread:
                behind = [
                    other.id for other in known[place + 1 :] if other.properties["netdev"] == one.properties["netdev"]
                ]
                yield self._renew(one, behind[0] if behind else None)
        reads = {one.properties.get("indev") for one in known}
        self._no_concern = frozenset(label for label in unread if label not in reads)

    @inlineCallbacks
    def _renew(self, one: Found, behind: str | None) -> Generator[Deferred[Any], Any, None]:
        """
        Put another in its place: before ``behind``, or as the last.

        It reads as soon as it is there, also what a peer has sent that had come by then.
        """
        place = {"position": f"id={behind}", "insert": "before"} if behind is not None else {"position": "tail"}
        given: dict[str, Any] = {name: text for name in _GIVEN if (text := one.properties.get(name))}
        if "vnet_hdr_support" in given:
            given["vnet_hdr_support"] = given["vnet_hdr_support"] in ("true", "on")
        yield self._ask("object-del", id=one.id)
        yield self._ask("object-add", **{"qom-type": one.type, "id": one.id, **given, **place})
        self._healed()
        self._report.warn(f"QEMU's {one.type} '{one.id}' had gone deaf and was made anew", kind="healed")

    def remove(self) -> Deferred[None]:
        """
        Take away what stands between the guest and the network: those that divert, and their chardevs.

        A filter-rewriter stays: its connections need it. The guest is announced then.

        @return: fires when that is done; fails with NoAnswer.
        """
        return self._remove()

    @inlineCallbacks
    def _remove(self) -> Generator[Deferred[Any], Any, None]:
        barriers = [one for one in (yield self._all()) if one.type in _BARRIERS]
        for one in reversed(barriers):
            yield self._try("object-del", id=one.id)
        for one in reversed(barriers):
            for id in one.chardevs:
                yield self._try("chardev-remove", id=id)
        yield self._try("announce-self", initial=50, max=550, rounds=5, step=100)

    @inlineCallbacks
    def _try(self, command: str, **arguments: Any) -> Generator[Deferred[Any], Any, None]:
        """What QEMU refuses is said, and the rest is done all the same."""
        try:
            yield self._ask(command, **arguments)
        except QEMUError as error:
            self._report.warn(f"QEMU says to {command} {arguments}: {error}")
