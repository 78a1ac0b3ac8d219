"""What the client does, and what it says it got."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.hosts import Host
from demo.programs import Failed
from demo.wiring import GUEST_ADDRESS

PINGS = 20
DOWNLOAD_MEGABYTES = 50
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Pings:
    """Round-trip times are in milliseconds."""

    answered: int
    least: float
    average: float
    most: float

    def __str__(self) -> str:
        times = f"{self.average:.2f} ms ({self.least:.2f} to {self.most:.2f})"
        return f"{self.answered} of {PINGS} answered, on average in {times}"


@dataclass(frozen=True)
class Download:
    """What curl said of it, and whether its SHA-256 is that of what was offered."""

    megabytes: float
    seconds: float
    right: bool

    def __str__(self) -> str:
        speed = self.megabytes / self.seconds
        verdict = "right" if self.right else "WRONG"
        return f"{self.megabytes:.0f} MB in {self.seconds:.1f} s: {speed:.0f} MB/s, SHA-256 {verdict}"


class Website:
    """A file of random bytes, served alike by a web server in each guest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "www"
        self._folder.mkdir()
        content = os.urandom(DOWNLOAD_MEGABYTES * MEGABYTE)
        (self._folder / "random").write_bytes(content)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.url = f"http://{GUEST_ADDRESS}/random"

    def serve_from(self, guest: Host) -> None:
        server = guest.start("http", sys.executable, "-m", "http.server", "80", f"--directory={self._folder}")
        server.wait_for("Serving HTTP")


def ping(client: Host) -> Pings:
    """Ten a second. Raises Failed when none is answered."""
    said = client.start("ping", "ping", "-nq", "-i0.1", f"-c{PINGS}", GUEST_ADDRESS).finish()
    answered = re.search(r"(\d+) received", said)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", said)
    if answered is None or times is None:
        raise Failed(f"ping: {said}")
    return Pings(int(answered[1]), *map(float, times.groups()))


def download(client: Host, website: Website, folder: Path, progress: Callable[[str], None]) -> Download:
    """Raises Failed when curl does."""
    got = folder / "got"

    def show() -> None:
        if got.exists():
            progress(f"{got.stat().st_size // MEGABYTE} of {DOWNLOAD_MEGABYTES} MB")

    figures = "%{size_download} %{time_total}"
    curl = client.start("curl", "curl", "-sS", "--fail", "--max-time", "50", "-o", str(got), "-w", figures, website.url)
    size, seconds = curl.finish(meanwhile=show).split()
    right = hashlib.sha256(got.read_bytes()).hexdigest() == website.sha256
    return Download(float(size) / MEGABYTE, float(seconds), right)
