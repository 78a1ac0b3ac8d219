"""What the client of a COLO pair of QEMUs has found, and its figures: pytest -s shows them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.colo_guest.body import BODY
from tests.support.traffic import LONG

ECHOES, BODIES, MB = (2000, 200, 100) if LONG else (200, 10, 5)


@dataclass(frozen=True)
class Visit:
    """What client.py prints."""

    seconds: list[float]
    wrong: list[str]
    said: list[str]
    pauses: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @property
    def median_ms(self) -> float:
        return statistics.median(self.seconds) * 1000

    @property
    def worst_ms(self) -> float:
        return max(self.seconds) * 1000

    def mbit_s(self, size: int) -> float:
        """Where each request is for so many bytes."""
        return size * 8 * len(self.seconds) / sum(self.seconds) / 1e6

    def gaps_ms(self, moment: float, within: float) -> dict[str, float]:
        """
        Each connection's longest pause that had not ended by then and began at most so many seconds later.

        0 where none of those is among its longest ones at all.
        """
        return {
            name: max((s * 1000 for began, s in pauses if began + s >= moment and began <= moment + within), default=0)
            for name, pauses in self.pauses.items()
        }

    def show(self, what: str, size: int = 0) -> None:
        """Print the figures; ``size``: what each request was for, in bytes."""
        speed = f", {self.mbit_s(size):.0f} Mbit/s" if size else ""
        print(f"{what}: median {self.median_ms:.2f} ms, worst {self.worst_ms:.0f} ms{speed}")


def visit_all(visit: Callable[..., Visit]) -> None:
    """Each service whose answers don't differ, by ``QEMUPair.visit``; all of them must be right."""
    echoes, bodies = visit("echoes", ECHOES, 64), visit("bodies", BODIES)
    upload, download = (visit(kind, MB) for kind in ("upload", "download"))
    echoes.show("echo")
    bodies.show("HTTP", len(BODY))
    upload.show("upload", MB * len(BODY))
    download.show("download", MB * len(BODY))
    assert [made.wrong for made in (echoes, bodies, upload, download)] == [[]] * 4
    assert (len(echoes.seconds), len(bodies.seconds)) == (ECHOES, BODIES)
