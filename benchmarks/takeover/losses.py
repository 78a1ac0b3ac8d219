"""The losses whose pauses are measured: what is done to whom, and how the pair must stand afterwards."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.takeover.lan import CABLES, Lan, Mortal

CUT_SECONDS = (0.1, 1.0, 10.0)
_BY_DEFAULT = 1.0  # the others are measured when they are named


@dataclass(frozen=True)
class Loss:
    """
    What is lost, and perhaps mended again.

    ``happen`` does it. ``end`` waits until the pair stands as it must, and raises BenchmarkError if it doesn't.
    ``secondary`` are properties of the secondary's colo-peer; {folder} in them is the measurement's, where the command
    'fence' is. ``after`` is how many seconds the download goes on then, or longer, where a pause is under way.
    """

    name: str
    happen: Callable[[Lan], None]
    end: Callable[[Lan], None]
    secondary: str = "takeover=auto"
    after: float = 1.0
    by_default: bool = True


def _kill(*programs: Mortal) -> None:
    for program in programs:
        program.signal(signal.SIGKILL)


def _taken_over(lan: Lan) -> None:
    lan.secondary.wait_for_state("taken-over")


def _alone(lan: Lan) -> None:
    lan.primary.wait_for_state("alone", "joining")


def _of_primary(what: str, happen: Callable[[Lan], None], secondary: str = "takeover=auto") -> Loss:
    """After which the secondary speaks."""
    return Loss(what, happen, _taken_over, secondary)


def _of_secondary(what: str, happen: Callable[[Lan], None]) -> Loss:
    """After which the primary speaks without it."""
    return Loss(what, happen, _alone)


def _cut(cable: str, seconds: float) -> Loss:
    """One of several cables, for a while, after which the two go on as they were."""

    def happen(lan: Lan) -> None:
        lan.cut(cable)
        time.sleep(seconds)
        lan.mend(cable)

    return Loss(f"cut-{cable}-{seconds:g}s", happen, Lan.wait_synced, after=2.0, by_default=seconds == _BY_DEFAULT)


LOSSES = (
    _of_primary("primary-process", lambda lan: _kill(lan.primary.process)),
    _of_primary("primary-guest", lambda lan: _kill(lan.primary.server)),
    _of_primary("primary-both", lambda lan: _kill(lan.primary.server, lan.primary.process)),
    _of_primary("primary-cable", lambda lan: lan.middle.ip("link set primary down")),
    _of_primary("primary-stopped", lambda lan: lan.primary.process.signal(signal.SIGTERM)),
    _of_secondary("secondary-process", lambda lan: _kill(lan.secondary.process)),
    _of_secondary("secondary-guest", lambda lan: _kill(lan.secondary.server)),
    _of_secondary("secondary-cable", lambda lan: lan.middle.ip("link set secondary down")),
    _of_primary("cut-all-unfenced", lambda lan: lan.cut(*CABLES), "takeover=unfenced"),
    _of_primary("cut-all-fenced", lambda lan: lan.cut(*CABLES), "takeover=auto,fence={folder}/fence"),
    *(_cut(cable, seconds) for cable in CABLES for seconds in CUT_SECONDS),
)
