"""What the client does, and what it says it got."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path

from demo.hosts import Host
from demo.programs import Failed, Program
from demo.wiring import GUEST_ADDRESS

MEGABYTE = 1_000_000
_numbers = count(1)
_CLIENT, _SERVICE = (Path(__file__).with_name(name) for name in ("client.py", "service.py"))


@dataclass(frozen=True)
class Got:
    """What the client says: ``reads`` are when, and how many bytes it had by then; the first is the request's."""

    sha256: str
    text: str
    reads: list[tuple[float, int]]

    @property
    def size(self) -> int:
        return self.reads[-1][1]

    @property
    def began(self) -> float:
        return self.reads[0][0]

    @property
    def ended(self) -> float:
        return self.reads[-1][0]

    def by(self, moment: float) -> int:
        """How many bytes there were at that moment."""
        return max((size for at, size in self.reads if at <= moment), default=0)

    def first_after(self, moment: float) -> float:
        """When the first of the bytes after that moment came. Raises Failed when none did."""
        for at, _ in self.reads:
            if at > moment:
                return at
        raise Failed("the download was over before the take-over: make COLO_DEMO_MB larger")

    def gaps(self, since: float, until: float) -> float:
        """The longest time between two reads, of which the later one was between these moments; in seconds."""
        times = [at for at, _ in self.reads]
        return max((later - earlier for earlier, later in pairwise(times) if since < later <= until), default=0.0)


def start_service(guest: Host, folder: Path) -> Program:
    """The web server; its greeting is the guest's own."""
    files = folder / f"www-{guest.name}"
    files.mkdir()
    (files / "greeting").write_text(f"hello from the {guest.name}".ljust(24))
    server = guest.start("service", sys.executable, str(_SERVICE), str(files))
    server.wait_for("serving")
    return server


def start_asking(client: Host, what: str) -> Program:
    """Ask the guest for something."""
    return client.start(f"get{next(_numbers)}-{what}", sys.executable, str(_CLIENT), GUEST_ADDRESS, f"/{what}")


def got(asking: Program) -> Got:
    """When it is there. Raises Failed."""
    answer = json.loads(asking.finish().splitlines()[-1])
    return Got(answer["sha256"], answer["text"].strip(), [(at, size) for at, size in answer["reads"]])


def ask_for_greeting(client: Host) -> Got:
    """Raises Failed."""
    return got(start_asking(client, "greeting"))
