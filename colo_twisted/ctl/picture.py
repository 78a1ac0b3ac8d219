"""The answers that the screens show, asked for at one moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SHOWN_DIVERGENCES = 3

Counted = dict[str, dict[str, float]]
"""Counters, or what they gain a second, by 'KIND ID' and name."""


@dataclass(frozen=True)
class Sample:
    """Every counter at one moment (monotonic seconds)."""

    at: float
    counted: Counted


@dataclass(frozen=True)
class Picture:
    """One process: each attribute is a command's answer, as the server gives it."""

    name: str | None
    version: str
    status: str
    replica: dict[str, Any]
    chains: list[dict[str, Any]]
    chardevs: list[dict[str, Any]]
    divergences: list[dict[str, Any]]

    @property
    def problems(self) -> list[dict[str, Any]]:
        """What is wrong, and behind it what is only to be looked at."""
        return list(self.replica.get("problems", []))

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What is wrong."""
        return [problem for problem in self.problems if is_error(problem)]

    def document(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "name": self.name,
            "version": self.version,
            "status": self.status,
            "replica": self.replica,
            "chains": self.chains,
            "chardevs": self.chardevs,
            "divergences": self.divergences,
        }


def take_picture(client: Any) -> Picture:
    """Ask for everything. Raises Trouble."""
    return Picture(
        name=client.execute("query-name").get("name"),
        version=version_of(client.greeting),
        status=client.execute("query-status").get("status", ""),
        replica=client.execute("query-colo-replica"),
        chains=client.execute("query-chain"),
        chardevs=client.execute("query-chardev"),
        divergences=client.execute("query-colo-divergences", {"limit": SHOWN_DIVERGENCES}),
    )


def version_of(greeting: Mapping[str, Any]) -> str:
    """What the server calls itself: its package where it is one, else QEMU's number."""
    version = greeting.get("version", {})
    number = version.get("qemu", {})
    qemu = ".".join(str(number.get(part, 0)) for part in ("major", "minor", "micro"))
    return str(version.get("package") or f"QEMU {qemu}").strip()


def take_sample(client: Any, kind: str | None = None, monotonic: Callable[[], float] = time.monotonic) -> Sample:
    """All counters, or those of one kind of thing. Raises Trouble."""
    rows = client.execute("query-stats", {"kind": kind} if kind else None)
    return Sample(monotonic(), {f"{row['kind']} {row['id']}": row["counters"] for row in rows})


def rates(before: Sample, after: Sample) -> Counted:
    """What each counter gained a second; what came between the two has none, nor has what began again."""
    seconds = max(after.at - before.at, 1e-3)
    found: Counted = {}
    for name, counters in after.counted.items():
        old = before.counted.get(name, {})
        found[name] = {
            counter: (value - old[counter]) / seconds
            for counter, value in counters.items()
            if counter in old and value >= old[counter]
        }
    return found


def is_error(problem: Mapping[str, Any]) -> bool:
    """Whether a problem keeps the pair from its work; a warning doesn't."""
    return problem.get("severity") != "warning"
