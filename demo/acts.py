"""What the client does, and what it says it got."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from demo.hosts import Host
from demo.programs import Failed, Program
from demo.wiring import GUEST_ADDRESS

PINGS = 20
MEGABYTES = 50  # each way
MEGABYTE = 1_000_000
URL = f"http://{GUEST_ADDRESS}"


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
class Transfer:
    """What curl said of it, and whether its SHA-256 is that of what was offered."""

    megabytes: float
    seconds: float
    right: bool

    def __str__(self) -> str:
        speed = self.megabytes / self.seconds
        verdict = "right" if self.right else "WRONG"
        return f"{self.megabytes:.0f} MB in {self.seconds:.1f} s: {speed:.0f} MB/s, SHA-256 {verdict}"


@dataclass(frozen=True)
class Greeting:
    """What the client was told, and how long that took."""

    text: str
    seconds: float


class Website:
    """Files in a folder of each guest: one of random bytes, alike in both, and a greeting, in which they differ."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.random = os.urandom(MEGABYTES * MEGABYTE)
        self.sha256 = hashlib.sha256(self.random).hexdigest()
        self.upload = folder / "upload"
        self.upload.write_bytes(self.random)

    def serve_from(self, guest: Host) -> Program:
        files = self._folder / f"www-{guest.name}"
        files.mkdir()
        (files / "random").symlink_to(self.upload)
        (files / "greeting").write_text(f"hello from the {guest.name}".ljust(24))
        service = Path(__file__).with_name("service.py")
        server = guest.start("service", sys.executable, str(service), str(files))
        server.wait_for("serving")
        return server


def ping(client: Host) -> Pings:
    """Ten a second. Raises Failed when none is answered."""
    said = client.start("ping", "ping", "-nq", "-i0.1", f"-c{PINGS}", GUEST_ADDRESS).finish()
    answered = re.search(r"(\d+) received", said)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", said)
    if answered is None or times is None:
        raise Failed(f"ping: {said}")
    return Pings(int(answered[1]), *map(float, times.groups()))


def download(client: Host, website: Website, folder: Path, progress: Callable[[str], None]) -> Transfer:
    """Raises Failed when curl does."""
    got = folder / "got"

    def show() -> None:
        if got.exists():
            progress(f"{got.stat().st_size // MEGABYTE} of {MEGABYTES} MB")

    size, seconds = _curl(client, "%{size_download} %{time_total}", show, "-o", str(got), f"{URL}/random").split()
    right = hashlib.sha256(got.read_bytes()).hexdigest() == website.sha256
    return Transfer(float(size) / MEGABYTE, float(seconds), right)


def upload(client: Host, website: Website, progress: Callable[[str], None]) -> Transfer:
    """Right if the service says so: it answers with the SHA-256. Raises Failed when curl does."""
    progress(f"{MEGABYTES} MB ...")
    words = ("-T", str(website.upload), f"{URL}/upload")
    sha256, size, seconds = _curl(client, "%{size_upload} %{time_total}", lambda: None, *words).split()
    return Transfer(float(size) / MEGABYTE, float(seconds), sha256 == website.sha256)


def ask_for_greeting(client: Host) -> Greeting:
    """Raises Failed when curl does."""
    began = time.monotonic()
    text = _curl(client, "", lambda: None, f"{URL}/greeting").strip()
    return Greeting(text, time.monotonic() - began)


def _curl(client: Host, figures: str, meanwhile: Callable[[], None], *words: str) -> str:
    curl = client.start("curl", "curl", "-sS", "--fail", "--max-time", "50", "-w", figures, *words)
    return curl.finish(meanwhile=meanwhile)
