"""Network namespaces as hosts, veth pairs and bridges as their network; all gone when the context ends."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from types import TracebackType

import pytest

_numbers = itertools.count()


def need(*programs: str) -> None:
    """Skip (in CI: fail) without these programs, or without root."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    if os.geteuid() != 0:
        pytest.skip("needs root")


def run(*words: str, timeout: float = 60) -> str:
    """Run a program to its end; what it printed. Fails with that if it fails."""
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


class Host:
    """A network namespace."""

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, *words: str, timeout: float = 60) -> str:
        return run("ip", "netns", "exec", self.name, *words, timeout=timeout)

    def words(self, *words: str) -> list[str]:
        """The words that run a program in here."""
        return ["ip", "netns", "exec", self.name, *words]

    def ip(self, line: str) -> str:
        """``ip`` in here: ip("link set lo up")."""
        return run("ip", "-n", self.name, *line.split())

    def take(self, interface: str, source: Host, address: str | None = None, mtu: int | None = None) -> None:
        """Move an interface from another host into this one, and bring it up."""
        source.ip(f"link set {interface} netns {self.name}")
        if mtu is not None:
            self.ip(f"link set {interface} mtu {mtu}")
        if address is not None:
            self.ip(f"addr add {address} dev {interface}")
        self.ip(f"link set {interface} up")


class Hosts:
    """Makes hosts with names of this process's own, and takes all away at the end."""

    def __init__(self) -> None:
        need("ip")
        self._prefix = f"ct{os.getpid()}n{next(_numbers)}"
        self._hosts: list[Host] = []

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for host in self._hosts:
            subprocess.run(["ip", "netns", "del", host.name], capture_output=True)

    def add(self, name: str) -> Host:
        host = Host(f"{self._prefix}{name}")
        run("ip", "netns", "add", host.name)
        self._hosts.append(host)
        host.ip("link set lo up")
        # IPv6's own chatter (router solicitations) would be counted among a test's frames
        host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", "net.ipv6.conf.all.disable_ipv6=1")
        return host

    def cable(self, one: Host, its_end: str, other: Host, other_end: str) -> None:
        """A veth pair between two hosts, up at both ends."""
        one.ip(f"link add {its_end} type veth peer name {other_end} netns {other.name}")
        one.ip(f"link set {its_end} up")
        other.ip(f"link set {other_end} up")

    def bridge(self, host: Host, name: str, *ports: str) -> None:
        """A bridge that is up, with these interfaces as ports."""
        host.ip(f"link add {name} type bridge forward_delay 0")
        for port in ports:
            host.ip(f"link set {port} master {name}")
        host.ip(f"link set {name} up")
