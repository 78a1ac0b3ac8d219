"""Network namespaces: a client's, a guest's and perhaps its replica's, and between them the host that joins them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from types import TracebackType

from benchmarks.processes import Running, run

NETWORK_TAP = "net0"  # the client's interface
GUEST_TAP = "guest0"  # the guest's interface
REPLICA_TAP = "guest1"  # the replica's, which has the guest's addresses
CLIENT_ADDRESS = "10.99.0.1"
GUEST_ADDRESS = "10.99.0.2"
GUEST_MAC = "52:a4:00:12:78:66"
QUIET = ("net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")


class Host:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name

    def words(self, *words: str) -> tuple[str, ...]:
        """The words that run a program in here."""
        return ("ip", "netns", "exec", self.name, *words)

    def run(self, *words: str, timeout: float = 60) -> str:
        return run(*self.words(*words), timeout=timeout)

    def running(self, *words: str, environment: Mapping[str, str] | None = None) -> Running:
        return Running(*self.words(*words), environment=environment)

    def ip(self, line: str) -> None:
        run("ip", "-n", self.name, *line.split())

    def has(self, interface: str) -> bool:
        words = ["ip", "-n", self.name, "link", "show", "dev", interface]
        return subprocess.run(words, capture_output=True).returncode == 0


class Hosts:
    """A context manager that makes them, and takes them away with all that is in them."""

    def __init__(self) -> None:
        prefix = f"bench{os.getpid()}"
        self.client = Host(f"{prefix}client")
        self.middle = Host(f"{prefix}middle")
        self.guest = Host(f"{prefix}guest")
        self.replica = Host(f"{prefix}replica")
        self._made: list[Host] = []

    def __enter__(self) -> Hosts:
        try:
            for host in (self.client, self.middle, self.guest, self.replica):
                self._made.append(host)
                run("ip", "netns", "add", host.name)
                host.ip("link set lo up")
                host.run("sysctl", "-qw", *QUIET)
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._remove()

    def _remove(self) -> None:
        for host in self._made:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)

    def have_taps(self) -> bool:
        """Whether the middle's program has opened both TAPs."""
        return self.middle.has(NETWORK_TAP) and self.middle.has(GUEST_TAP)

    def plug_in(self) -> None:
        """Give the middle's interfaces to their owners, and bring them up with an address."""
        self._give(NETWORK_TAP, self.client, CLIENT_ADDRESS)
        self._give(GUEST_TAP, self.guest, GUEST_ADDRESS, f"address {GUEST_MAC}")

    def plug_in_replica(self) -> None:
        """The replica, too, which answers as the guest does."""
        self._give(REPLICA_TAP, self.replica, GUEST_ADDRESS, f"address {GUEST_MAC}")

    def _give(self, interface: str, host: Host, address: str, settings: str = "") -> None:
        self.middle.ip(f"link set {interface} netns {host.name}")
        host.ip(f"addr add {address}/24 dev {interface}")
        host.ip(f"link set {interface} up {settings}")

    def guest_answers(self) -> bool:
        """Whether the two see each other."""
        words = self.client.words("ping", "-c", "1", "-W", "1", GUEST_ADDRESS)
        return subprocess.run(words, capture_output=True).returncode == 0
