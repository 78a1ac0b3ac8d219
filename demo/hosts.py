"""Hosts as network namespaces, joined by cables; nothing of them is left when the context ends."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from demo.programs import Program, run


class Host:
    """A network namespace, and the programs in it."""

    def __init__(self, name: str, namespace: str, folder: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.programs: list[Program] = []
        self._folder = folder

    def ip(self, line: str) -> str:
        """``ip`` in here: ip("link set lo up")."""
        return run("ip", "-n", self.namespace, *line.split())

    def run(self, *words: str) -> str:
        """A short command to its end."""
        return run("ip", "netns", "exec", self.namespace, *words)

    def start(self, name: str, *words: str) -> Program:
        """A program that runs for a while."""
        log = self._folder / f"{self.name}-{name}.log"
        program = Program(f"{name} in {self.name}", ["ip", "netns", "exec", self.namespace, *words], log)
        self.programs.append(program)
        return program

    def bring_up(self, interface: str, address: str = "") -> None:
        if address:
            self.ip(f"addr add {address} dev {interface}")
        self.ip(f"link set {interface} up")

    def take(self, interface: str, other: Host) -> None:
        """Move an interface from another host into this one."""
        other.ip(f"link set {interface} netns {self.namespace}")

    def bridge(self) -> None:
        """A switch of this host's, br0, whose ports are known without waiting."""
        # mcast_snooping 0: else the bridge itself sends a frame, at a time that nobody knows
        self.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        self.bring_up("br0")

    def join_bridge(self, interface: str) -> None:
        self.ip(f"link set {interface} master br0")

    def count(self, interface: str, what: str) -> int:
        """One of the kernel's counters of an interface: rx_packets, tx_bytes, ..."""
        return int(self.run("cat", f"/sys/class/net/{interface}/statistics/{what}"))


class Hosts:
    """All hosts; a context that ends what runs in them and takes them away."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hosts: list[Host] = []

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, *_: object) -> None:
        for program in reversed(self.programs):
            program.stop()
        for host in self._hosts:
            subprocess.run(["ip", "netns", "delete", host.namespace], capture_output=True)

    @property
    def programs(self) -> list[Program]:
        return [program for host in self._hosts for program in host.programs]

    def add(self, name: str) -> Host:
        """A new host, without IPv6: its own chatter would make the account hard to read."""
        host = Host(name, f"colo-demo-{os.getpid()}-{name}", self._folder)
        self._hosts.append(host)
        run("ip", "netns", "add", host.namespace)
        host.run("sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -e $f ] || echo 1 > $f; done")
        host.bring_up("lo")
        return host

    def cable(self, one: Host, its_end: str, other: Host, other_end: str) -> None:
        """A cable between two hosts, up at both ends."""
        one.ip(f"link add {its_end} type veth peer name {other_end} netns {other.namespace}")
        one.bring_up(its_end)
        other.bring_up(other_end)
