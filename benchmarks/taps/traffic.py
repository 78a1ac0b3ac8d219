"""What is measured over the joined TAPs: TCP both ways and ping, between kernels."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.hosts import GUEST_ADDRESS, Hosts
from benchmarks.processes import BenchmarkError

PING_INTERVAL = 0.002  # seconds


@dataclass(frozen=True)
class Load:
    """How much traffic a measurement is."""

    seconds: int  # of TCP, each way
    pings: int


@dataclass(frozen=True)
class Measurement:
    """One contestant in one round. Up is from the network to the guest, the way that is mirrored."""

    up: float  # Gbit/s
    down: float  # Gbit/s
    ping: float  # ms, the median
    ping_99: float  # ms, the 99th percentile
    up_retransmits: int
    down_retransmits: int
    pings_lost: int
    up_bytes: int
    mirrored_bytes: int | None  # None without a mirror whose peer reads

    @property
    def mirror_lagged(self) -> bool:
        """Whether the mirror's peer got less than the guest: it was disconnected."""
        return self.mirrored_bytes is not None and self.mirrored_bytes < self.up_bytes


def measure(hosts: Hosts, load: Load, mirrored: Callable[[], int | None]) -> Measurement:
    """Ping, then TCP up, then TCP down; then ``mirrored`` is asked. Raises BenchmarkError."""
    times = ping(hosts, load.pings)
    up = iperf(hosts, load.seconds)
    down = iperf(hosts, load.seconds, "--reverse")
    return Measurement(
        up=_gigabits(up),
        down=_gigabits(down),
        ping=percentile(times, 50),
        ping_99=percentile(times, 99),
        up_retransmits=up["sum_sent"]["retransmits"],
        down_retransmits=down["sum_sent"]["retransmits"],
        pings_lost=load.pings - len(times),
        up_bytes=up["sum_received"]["bytes"],
        mirrored_bytes=mirrored(),
    )


def ping(hosts: Hosts, count: int) -> list[float]:
    """The time of each answer, in ms."""
    words = ("ping", "-n", "-i", str(PING_INTERVAL), "-c", str(count), "-W", "1", GUEST_ADDRESS)
    answered = hosts.client.run(*words, timeout=30 + count * PING_INTERVAL * 10)
    return [float(time) for time in re.findall(r"time=([\d.]+) ms", answered)]


def iperf(hosts: Hosts, seconds: int, *options: str) -> Any:
    """What iperf3 says at the end of one run."""
    with hosts.guest.running("iperf3", "--server", "--one-off", "--forceflush") as server:
        server.wait_for(lambda: "listening" in server.output, "iperf3's server")
        words = ("iperf3", "--json", "--client", GUEST_ADDRESS, "--time", str(seconds), *options)
        result = json.loads(hosts.client.run(*words, timeout=60 + seconds))
    if "error" in result:
        raise BenchmarkError(f"iperf3: {result['error']}")
    return result["end"]


def percentile(values: list[float], percent: float) -> float:
    """The smallest value that so many percent of all don't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def _gigabits(end: Any) -> float:
    bits: float = end["sum_received"]["bits_per_second"]
    return bits / 1e9
