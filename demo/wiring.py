"""Who is there, and how they are joined."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from colo_twisted.ctl.address import UnixAddress
from colo_twisted.ctl.client import Client
from colo_twisted.ctl.errors import Trouble
from demo.hosts import Host, Hosts
from demo.programs import Failed, Program, wait_until

TWISTD = Path(sys.executable).with_name("twistd")

PICTURE = """\
              +-- br0 --- hn0 [ primary ] e0 ----- guest
              |           m0 |  |  ^ comp0: compares what both answer, and lets the guest's out
  client --- switch          |  |  |
              |              v cp0 |   heartbeats; how the connections end
              |             f1  |  f2: the replica's answers, in the guest's TCP numbers (rew0)
              +-- br0 --- hn0 [secondary] NIC0 --- replica
                  gate0: shut until the take-over
"""
# [ ] is a twistd colo between two TAPs: hn0, its network's side, is in a bridge of its host, which leads to the switch;
# the other is moved into the guest.

# The lines of QEMU's COLO-proxy document, with a pair for its loopback sockets, a colo-peer, a gate, and what makes
# checkpoints. The offloads are on: whole segments pass, with vnet headers. direct=on: nothing stands between the two
# that could close their connections, so when all of them are closed by its end, the other process is dead.
BETWEEN = "primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0"
PRIMARY = """
    -netdev tap,id=hn0,vhost=off,script={folder}/join-bridge,downscript={folder}/down
    -device e1000,id=e0,netdev=hn0,mac=52:a4:00:12:78:66
    -chardev socket,id=mirror0,host=10.22.1.2,port=9003,server,nowait
    -chardev socket,id=compare1,host=10.22.1.2,port=9004,server,nowait
    -chardev pair,id=compare0,peer=compare0-0
    -chardev pair,id=compare_out,peer=compare_out0
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0,vnet_hdr_support
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out,vnet_hdr_support
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0,vnet_hdr_support
    -object iothread,id=iothread1
    -object colo-compare,id=comp0,{between},iothread=iothread1,vnet_hdr_support,checkpoint=check0
    -object checkpoint-command,id=check0,command={folder}/make-equal
    -chardev socket,id=peer0,host=10.22.1.2,port=9005,server,nowait
    -object colo-peer,id=cp0,chardev=peer0,role=primary,state-file={folder}/primary.state,direct=on,alone=auto
"""
SECONDARY = """
    -netdev tap,id=hn0,vhost=off,script={folder}/join-bridge,downscript={folder}/down
    -device e1000,netdev=hn0,mac=52:a4:00:12:78:66
    -chardev socket,id=red0,host=10.22.1.2,port=9003
    -chardev socket,id=red1,host=10.22.1.2,port=9004
    -object filter-drop,id=gate0,netdev=hn0,queue=tx
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0,vnet_hdr_support
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1,vnet_hdr_support
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all,vnet_hdr_support
    -chardev socket,id=peer0,host=10.22.1.2,port=9005
    -object colo-peer,id=cp0,chardev=peer0,role=secondary,state-file={folder}/secondary.state,direct=on,takeover=auto
"""
# "make-equal" is the checkpoint: what the service in the guest knows goes to the replica, whose kernel forgets its
# connections (QEMU would copy the whole machine).
SCRIPTS = {
    "make-equal": "cp {folder}/www-guest/greeting {folder}/www-replica/ && ip netns exec {replica} ss -K >/dev/null",
    "join-bridge": 'ip link set "$1" master br0 && ip link set "$1" up',
    "down": 'ip link set "$1" down',
}

PRIMARY_ADDRESS, SECONDARY_ADDRESS = "10.22.1.2", "10.22.1.3"
CLIENT_ADDRESS, GUEST_ADDRESS = "10.0.0.1", "10.0.0.2"
GUEST_NIC, REPLICA_NIC = "e0", "NIC0"  # the id that -device gives, or the name for want of one

Counters = dict[str, dict[str, int]]
_ONE_TURN = 0.05  # seconds without another event


class Colo:
    """``twistd colo`` on a host, running when this has been made."""

    def __init__(self, host: Host, options: str, folder: Path) -> None:
        words = [word.format(folder=folder, between=BETWEEN) for word in options.split()]
        pidfile = f"--pidfile={folder / host.name}.pid"
        self._control = UnixAddress(str(folder / f"{host.name}.qmp"))
        words += ["-qmp", f"{self._control},server=on,wait=off"]
        self.program: Program = host.start("twistd", str(TWISTD), "--nodaemon", pidfile, "colo", *words)
        self.program.wait_for("colo: running")

    def wait_for(self, pattern: str) -> None:
        self.program.wait_for(pattern)

    def said(self, pattern: str) -> list[str]:
        """The log's messages that match."""
        lines = (line.partition("] ")[2] for line in self.program.output.splitlines())
        return [line for line in lines if re.search(pattern, line)]

    def connect(self) -> Client:
        """To its control socket, where events come from now on. Raises Failed."""
        try:
            return Client(self._control)
        except Trouble as trouble:
            raise Failed(f"{self.program.name}: {trouble}") from None

    def ask(self, command: str) -> Any:
        """What it answers to a command without arguments. Raises Failed."""
        with self.connect() as client:
            try:
                return client.execute(command)
            except Trouble as trouble:
                raise Failed(f"{self.program.name}: {trouble}") from None

    def counters(self) -> Counters:
        """What each of its parts has counted, by kind and id; not what serves this question. Raises Failed."""
        return {
            f"{row['kind']} {row['id']}": {name: value for name, value in row["counters"].items() if value}
            for row in self.ask("query-stats")
            if row["kind"] != "monitor" and not row["id"].startswith("compat_monitor")
        }

    def stop(self) -> int:
        return self.program.stop()


def events(client: Client) -> list[dict[str, Any]]:
    """Those that have come. Raises Failed."""
    come = []
    try:
        while (event := client.next_event(_ONE_TURN)) is not None:
            come.append(event)
    except Trouble as trouble:
        raise Failed(f"events: {trouble}") from None
    return come


class Wiring:
    """Makes the picture: hosts and cables at once, the rest by its methods in their order here."""

    primary_colo: Colo
    secondary_colo: Colo

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self._folder = folder
        self.client, self.switch, self.primary, self.secondary, self.guest, self.replica = map(
            hosts.add, ("client", "switch", "primary", "secondary", "guest", "replica")
        )
        named = {name: line.format(folder=folder, replica=self.replica.namespace) for name, line in SCRIPTS.items()}
        _write_scripts(folder, named.items())
        hosts.cable(self.primary, "cross", self.secondary, "cross")
        self.primary.bring_up("cross", f"{PRIMARY_ADDRESS}/24")
        self.secondary.bring_up("cross", f"{SECONDARY_ADDRESS}/24")
        self.switch.bridge()
        for host, end in ((self.client, "eth0"), (self.primary, "lan"), (self.secondary, "lan")):
            hosts.cable(host, end, self.switch, host.name)
            self.switch.join_bridge(host.name)
        self.client.bring_up("eth0", f"{CLIENT_ADDRESS}/24")
        for host in (self.primary, self.secondary):
            host.bridge()
            host.join_bridge("lan")

    def start_secondary(self) -> None:
        """Before the primary: it tries until that is there."""
        self.secondary_colo = Colo(self.secondary, SECONDARY, self._folder)

    def start_primary(self) -> None:
        self.primary_colo = Colo(self.primary, PRIMARY, self._folder)

    def wait_synced(self) -> None:
        """Both."""
        self.primary_colo.wait_for("synced: new connections are protected")
        wait_until(
            lambda: self.secondary_colo.ask("query-colo-replica")["state"] == "synced", "the secondary being synced"
        )

    def plug_in_guests(self) -> None:
        """Both with the same addresses."""
        for guest, nic, host in (
            (self.guest, GUEST_NIC, self.primary),
            (self.replica, REPLICA_NIC, self.secondary),
        ):
            guest.take(nic, host)
            guest.bring_up(nic, f"{GUEST_ADDRESS}/24")

    def sent_by_secondary(self) -> int:
        """How many bytes have left its host for the switch."""
        return self.secondary.count("lan", "tx_bytes")


def _write_scripts(folder: Path, scripts: Iterable[tuple[str, str]]) -> None:
    """What QEMU, and we, run with a TAP's name when it is made and when it goes."""
    for name, line in scripts:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
