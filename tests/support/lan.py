"""
Nodes on a LAN, as QEMU's COLO-FT.txt has its two: each a ``twistd colo`` and the guest behind it.

A switch joins the client and the nodes' TAPs; another one the nodes, for the chardevs between them.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.support.monitor import Monitor
from tests.support.namespaces import Host, Hosts
from tests.support.processes import Colo, Process, wait_until
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC, NO_SCRIPTS
from tests.support.visits import Visits, serving

SNIFFER = Path(__file__).with_name("sniffer.py")

CABLES = ("cross", "cross2", "cross3")  # between the nodes, one each for mirror, secondary_in and colo-peer
NETWORKS = ("10.22.1.", "10.22.2.", "10.22.3.")


class Node:
    """A host, its process with a guest, and the monitor; ``address`` is the one that the other nodes know."""

    colo: Colo
    monitor: Monitor
    service: Process

    def __init__(self, name: str, lan: Lan, host: Host, guest: Host, address: str) -> None:
        self.name = name
        self.host = host
        self.guest = guest
        self.address = address
        self._lan = lan

    def start(self, options: str) -> None:
        """Its process, with a TAP at the switch and these options; it may wait for its peers yet."""
        lan, tap = self._lan, f"lan-{self.name}"
        netdev = f"-netdev tap,id=hn0,vhost=off,ifname={tap},{NO_SCRIPTS}"
        device = f"-device rtl8139,id=e0,netdev=hn0,mac={GUEST_MAC}"
        name = "" if "-name" in options else f"-name {self.name}"
        words = [*name.split(), *netdev.split(), *device.split(), *options.split()]
        self.colo = lan.stack.enter_context(Colo(words, lan.folder, self.name, self.host.name))
        self.monitor = lan.stack.enter_context(Monitor(self.colo.control))
        lan.switch.take(tap, self.host)
        lan.switch.ip(f"link set {tap} master lan")

    def start_guest(self) -> None:
        """Let the guest run: with its link, and its service."""
        self.guest.take("e0", self.host, f"{GUEST}/24")
        self.service = self._lan.stack.enter_context(serving(self.name, self.guest, self._lan.folder))
        self.service.wait_for_output("serving")

    def wait_link(self) -> None:
        """Until its process, which must run, has seen the guest's link up again: one that is moved goes down."""
        wait_until(lambda: not self._tap_problems(), f"{self.name} seeing its guest's link")

    def _tap_problems(self) -> list[str]:
        return [problem["what"] for problem in self.replica()["problems"] if problem["what"].startswith("TAP ")]

    def kill(self) -> None:
        """As when the power fails: the process, with it all links of the guest, and the guest."""
        for process in (self.colo, self.service):
            process.signal(signal.SIGKILL)
            process.popen.wait(20)

    def type(self, *lines: str) -> None:
        """Commands at its monitor, one after the other, each of which must succeed."""
        for line in lines:
            self.monitor.type(line)

    def replica(self) -> dict[str, Any]:
        """query-colo-replica."""
        answer: dict[str, Any] = self.colo.qmp("query-colo-replica")
        return answer

    def mode(self) -> tuple[str, str, str]:
        """query-colo-status: mode, last-mode and reason."""
        status = self.colo.qmp("query-colo-status")
        return status["mode"], status["last-mode"], status["reason"]

    def compared(self) -> dict[str, int]:
        """The comparer's counters."""
        return self.colo.counters()["object comp0"]

    def wait_synced(self) -> None:
        wait_until(lambda: self.replica()["state"] == "synced", f"{self.name} being synced: {self.replica()}")


class Lan(Visits):
    """A context manager: a switch with a client at it, to which nodes are added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nodes: list[Node] = []
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> Lan:
        with contextlib.ExitStack() as stack:
            self._hosts = stack.enter_context(Hosts())
            self.switch, self.client = map(self._hosts.add, ("sw", "c"))
            for bridge in ("lan", *CABLES):
                self._hosts.bridge(self.switch, bridge)
            self._connect(self.client, "lan", "to-client", f"{CLIENT}/24")
            self.stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            for log in self.folder.glob("*.log"):
                print(f"--- {log.name}\n{log.read_text()[-6000:]}")
        self.stack.close()

    def add(self, name: str) -> Node:
        """A node that runs nothing yet, at the next address."""
        host, guest = (self._hosts.add(f"{kind}{name}") for kind in "hg")
        addresses = [f"{network}{len(self.nodes) + 2}" for network in NETWORKS]
        for cable, address in zip(CABLES, addresses):
            self._connect(host, cable, f"{cable}-{name}", f"{address}/24")
        self.nodes.append(Node(name, self, host, guest, addresses[0]))
        return self.nodes[-1]

    def cut(self, *cables: str) -> None:
        """Nothing passes between the nodes by these, and nobody is told."""
        for cable in cables:
            self.switch.ip(f"link set {cable} down")

    def mend(self, *cables: str) -> None:
        """They carry frames again."""
        for cable in cables:
            self.switch.ip(f"link set {cable} up")

    @contextlib.contextmanager
    def sniffing(self) -> Iterator[Process]:
        """Who speaks for the guest; see sniffer.py."""
        ports = [f"lan-{node.name}" for node in self.nodes]
        words = self.switch.words(sys.executable, str(SNIFFER), GUEST_MAC, *ports)
        with Process(words, self.folder / "sniffer.log") as sniffer:
            sniffer.wait_for_output("sniffing")
            yield sniffer

    def _connect(self, host: Host, bridge: str, port: str, address: str) -> None:
        """A cable from a host's interface, named as the bridge, to a port of that bridge."""
        self._hosts.cable(host, bridge, self.switch, port)
        host.ip(f"addr add {address} dev {bridge}")
        self.switch.ip(f"link set {port} master {bridge}")


def runs(sniffer: Process) -> list[tuple[str, float, float]]:
    """End it: who spoke for the guest, from when to when, in order."""
    sniffer.signal(signal.SIGTERM)
    sniffer.popen.wait(20)
    lines = [json.loads(line) for line in sniffer.output.splitlines() if line.startswith("{")]
    return [(line["port"], line["first"], line["last"]) for line in lines if "port" in line]
