"""What a failover does: what is said before it, and what comes next. Pure functions of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colo_twisted.ctl.picture import is_error
from colo_twisted.ctl.status import user
from colo_twisted.ctl.words import said, wrapped

_WIDTH = 80
_OTHER = {"primary": "secondary", "secondary": "primary"}
_EFFECT = {
    "primary": "This primary goes on alone: what it holds is let go, and nothing is compared any more.",
    "secondary": "This secondary takes over: its guest answers the clients from now on.",
}
_BEWARE = {
    "primary": "Do it only if the secondary is gone, or is to be made anew.",
    "secondary": "Do it only if the primary is off for good: two that answer as one guest ruin its connections.",
}
_RESUMING = (
    "Next, when the primary is to come back or another secondary: start that one, then",
    "  colo-ctl resume --listen ADDRESS    # this host's, to which it connects",
    "Or step by step:",
)
_BARRIERS = ("filter-redirector", "filter-drop", "filter-mirror")
_OWN_CHANNELS = ("primary_in", "outdev", "notify_dev")
"""Of a comparer's channels those that do not lead to the secondary."""

Row = Mapping[str, Any]


# before


def already(replica: Row) -> str | None:
    """Why there is nothing to do, in a line; None where there is."""
    state = replica["state"]
    if replica["mode"] != "none" or state == "none":
        return None
    if state == "taken-over":
        return "This side has already taken over: nothing was done."
    if state == "alone":
        return "This side already goes on alone: nothing was done."
    return f"This side was already told that the other one is lost, and its state is {said(state)}: nothing was done."


def is_other_connected(replica: Row) -> bool:
    """Whether the other side's colo-peer is there: that process lives."""
    return bool((replica.get("peer") or {}).get("connected"))


def why_not(replica: Row) -> str:
    """The line for a script that would harm a pair that works."""
    mode = replica["mode"]
    other = _OTHER[mode]
    harm = "both guests would answer the clients" if mode == "secondary" else "nothing would be protected any more"
    return (
        f"refused: the {other} is connected (colo-peer {said(replica['peer']['id'])}; the state is {replica['state']}),"
        f" so its process is there, and {harm}: stop it first (one that loses its power is seen to be gone"
        " after a few seconds), or give --force, which does it all the same"
    )


def warning_lines(replica: Row) -> list[str]:
    """What a person is told before the question."""
    mode = replica["mode"]
    return [f"{_EFFECT[mode]} Its state is {said(replica['state'])}.", _about_other(replica), _BEWARE[mode]]


def _about_other(replica: Row) -> str:
    """Whether the other side is there, as far as it can be seen from here."""
    other, peer = _OTHER[replica["mode"]], replica.get("peer")
    if peer and peer["connected"]:
        return f"THE {other.upper()} IS CONNECTED (colo-peer {said(peer['id'])}): its process is there."
    if peer:
        return f"The {other} is not connected (colo-peer {said(peer['id'])})."
    up = [said(known["name"]) for known in replica.get("channels", []) if known["connected"]]
    up = [name for name in up if name not in _OWN_CHANNELS]
    seen = f"connected: {', '.join(up)}" if up else "no channel to it is connected"
    return f"There is no colo-peer that would say whether the {other} lives; {seen}."


# afterwards


def done_lines(mode: str, after: Row, chains: Iterable[Row], chardevs: Iterable[Row]) -> list[str]:
    """What was done, how it is now, and what comes next."""
    reason = f" ({said(after['reason'])})" if after.get("reason") else ""
    done = {"primary": "The primary goes on alone", "secondary": "The secondary has taken over"}
    first = f"{done[mode]}: the state is {said(after['state'])}{reason}."
    if mode == "primary":
        third = "Next: start a new secondary; when it is there, new connections are protected again."
        return [first, third, *_problems(after, [])]
    return [first, *next_lines(after, chains, chardevs)]


def next_lines(after: Row, chains: Iterable[Row], chardevs: Iterable[Row]) -> list[str]:
    """What a side that has taken over needs no longer, and what else is wrong there."""
    filters = [filter for chain in chains for filter in chain["filters"]]
    objects = _objects_not_needed(after, filters)
    rewriters = [known["id"] for known in filters if known["type"] == "filter-rewriter"]
    lines = _removal_lines(objects, list(chardevs))
    for id in rewriters:
        lines.append(f"{id} stays: it keeps the connections that were open. What makes this side a primary is added")
        lines.append(f"before it (colo-ctl add object ...,insert=before,position=id={id}).")
    return [*lines, *_problems(after, objects)]


def _objects_not_needed(after: Row, filters: list[Row]) -> list[str]:
    """Filters that are off, the guest's end first, as QEMU's procedure has it; then the secondary's colo-peer."""
    off = [known["id"] for known in filters if known["type"] in _BARRIERS and known["status"] == "off"]
    peer = after.get("peer")
    return [*reversed(off), *([peer["id"]] if peer and peer["role"] == "secondary" else [])]


def _removal_lines(objects: list[str], chardevs: list[Row]) -> list[str]:
    """The objects, then the chardevs that they leave unused."""
    theirs = [chardev["label"] for id in objects for chardev in chardevs if user(chardev) == id]
    lines = list(_RESUMING) if objects else []
    lines += [f"  colo-ctl del object {' '.join(map(said, objects))}"] * bool(objects)
    return lines + [f"  colo-ctl del chardev {' '.join(map(said, theirs))}"] * bool(theirs)


def _problems(after: Row, not_needed: list[str]) -> list[str]:
    """What is wrong; that what is to be removed has no peer isn't."""
    lines: list[str] = []
    for problem in filter(is_error, after.get("problems", [])):
        what = said(problem["what"])
        if "has no peer" in what and any(f"'{id}'" in what for id in not_needed):
            continue
        lines += wrapped(f"{what}: {said(problem.get('remedy', ''))}".split(), _WIDTH, "- ", "  ")
    return lines
