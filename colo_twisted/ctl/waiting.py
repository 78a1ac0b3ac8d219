"""What is still missing for `colo-ctl wait`. Pure functions of the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from colo_twisted.ctl.picture import is_error
from colo_twisted.ctl.words import said

_MOST_NAMED = 4


def missing_for_ready(
    status: Mapping[str, Any], replica: Mapping[str, Any], chardevs: Iterable[Mapping[str, Any]]
) -> list[str]:
    """Running, and every channel up: those of the replica, and every chardev that something but QMP uses."""
    missing = [] if status.get("status") == "running" else [f"status is {said(status.get('status'))}, not running"]
    missing += [
        f"{said(channel['name'])} is down" for channel in replica.get("channels", []) if not channel["connected"]
    ]
    missing += [
        f"chardev {said(chardev['label'])} has no peer"
        for chardev in chardevs
        if not chardev.get("connected", True) and chardev.get("used-by") and not is_monitors(chardev)
    ]
    return missing


def is_monitors(chardev: Mapping[str, Any]) -> bool:
    """Whether QMP's clients come there: it is no channel, and up when one of them is there."""
    return str(chardev.get("used-by", "")).startswith("monitor '")


def missing_for_synced(replica: Mapping[str, Any]) -> list[str]:
    """The state synced."""
    state = replica["state"]
    if state == "synced":
        return []
    if state == "none":
        return ["there is no replica here: no colo-compare or colo-peer (colo-ctl status)"]
    reason = f" ({said(replica['reason'])})" if replica.get("reason") else ""
    return [
        f"state is {state}{reason}",
        *(said(problem["what"]) for problem in filter(is_error, replica.get("problems", []))),
    ]


def in_one_line(missing: list[str]) -> str:
    """All of it, or the first few."""
    rest = len(missing) - _MOST_NAMED
    return "; ".join(missing[:_MOST_NAMED]) + (f"; and {rest} more" if rest > 0 else "")
