"""Who is there, and how they are joined."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from colo_twisted.ctl.address import UnixAddress
from colo_twisted.ctl.client import Client
from colo_twisted.ctl.errors import Trouble
from demo.hosts import Host, Hosts
from demo.programs import Failed, Program

TWISTD = Path(sys.executable).with_name("twistd")

PICTURE = """\
  client --- br0 --- hn0 [ primary ] e0 ----- guest
                       m0 |   ^ comp0: compares what both answer, and lets the guest's out
    each frame from the   |   |
    network, once more    v   |
                       f1     f2: the replica's answers, in the guest's TCP numbers (rew0)
                     hn0 [secondary] NIC0 --- replica
"""
# [ ] is a twistd colo between two TAPs: hn0, its network's side, stays on its host, and the other is moved into
# the guest. The secondary's hn0 is on no bridge: its answers go to comp0 alone.

# The lines of QEMU's COLO-proxy document, with a pair for its loopback sockets, a colo-peer, and what makes
# checkpoints. The offloads are on: whole segments pass, with vnet headers.
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
    -object colo-peer,id=cp0,chardev=peer0,role=primary
"""
SECONDARY = """
    -netdev tap,id=hn0,vhost=off,script={folder}/up,downscript={folder}/down
    -device e1000,netdev=hn0,mac=52:a4:00:12:78:66
    -chardev socket,id=red0,host=10.22.1.2,port=9003
    -chardev socket,id=red1,host=10.22.1.2,port=9004
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0,vnet_hdr_support
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1,vnet_hdr_support
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all,vnet_hdr_support
    -chardev socket,id=peer0,host=10.22.1.2,port=9005
    -object colo-peer,id=cp0,chardev=peer0,role=secondary
"""
# "make-equal" is the checkpoint: what the service in the guest knows goes to the replica, whose kernel forgets its
# connections (QEMU would copy the whole machine).
SCRIPTS = {
    "make-equal": "cp {folder}/www-guest/greeting {folder}/www-replica/ && ip netns exec {replica} ss -K >/dev/null",
    "join-bridge": 'ip link set "$1" master br0 && ip link set "$1" up',
    "up": 'ip link set "$1" up',
    "down": 'ip link set "$1" down',
}

PRIMARY_ADDRESS, SECONDARY_ADDRESS = "10.22.1.2", "10.22.1.3"
CLIENT_ADDRESS, GUEST_ADDRESS = "10.0.0.1", "10.0.0.2"
GUEST_NIC, REPLICA_NIC = "e0", "NIC0"  # the id that -device gives, or the name for want of one

Counters = dict[str, dict[str, int]]


class Colo:
    """``twistd colo`` on a host, running when this has been made."""

    def __init__(self, host: Host, options: str, folder: Path) -> None:
        words = [word.format(folder=folder, between=BETWEEN) for word in options.split()]
        pidfile = f"--pidfile={folder / host.name}.pid"
        self._control = UnixAddress(str(folder / f"{host.name}.qmp"))
        words += ["-qmp", f"{self._control},server=on,wait=off"]
        self._program: Program = host.start("twistd", str(TWISTD), "--nodaemon", pidfile, "colo", *words)
        self._program.wait_for("colo: running")

    def wait_for(self, pattern: str) -> None:
        self._program.wait_for(pattern)

    def said(self, pattern: str) -> list[str]:
        """The log's messages that match."""
        lines = (line.partition("] ")[2] for line in self._program.output.splitlines())
        return [line for line in lines if re.search(pattern, line)]

    def counters(self) -> Counters:
        """What each of its parts has counted, by kind and id; not what serves this question. Raises Failed."""
        try:
            with Client(self._control) as client:
                rows = client.execute("query-stats")
        except Trouble as trouble:
            raise Failed(f"{self._program.name}: {trouble}") from None
        return {
            f"{row['kind']} {row['id']}": {name: value for name, value in row["counters"].items() if value}
            for row in rows
            if row["kind"] != "monitor" and not row["id"].startswith("compat_monitor")
        }

    def stop(self) -> int:
        return self._program.stop()


class Wiring:
    """Makes the picture: hosts and cables at once, the rest by its methods in their order here."""

    primary_colo: Colo
    secondary_colo: Colo

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self._folder = folder
        self.client, self.primary, self.secondary, self.guest, self.replica = map(
            hosts.add, ("client", "primary", "secondary", "guest", "replica")
        )
        named = {name: line.format(folder=folder, replica=self.replica.namespace) for name, line in SCRIPTS.items()}
        _write_scripts(folder, named.items())
        hosts.cable(self.primary, "cross", self.secondary, "cross")
        self.primary.bring_up("cross", f"{PRIMARY_ADDRESS}/24")
        self.secondary.bring_up("cross", f"{SECONDARY_ADDRESS}/24")
        hosts.cable(self.client, "eth0", self.primary, "lan")
        self.client.bring_up("eth0", f"{CLIENT_ADDRESS}/24")
        # mcast_snooping 0: else the bridge itself sends a frame, at a time that nobody knows
        self.primary.ip("link add br0 type bridge forward_delay 0 mcast_snooping 0")
        self.primary.ip("link set lan master br0")
        self.primary.bring_up("br0")

    def start_secondary(self) -> None:
        """Before the primary: it tries until that is there."""
        self.secondary_colo = Colo(self.secondary, SECONDARY, self._folder)

    def start_primary(self) -> None:
        self.primary_colo = Colo(self.primary, PRIMARY, self._folder)
        self.primary_colo.wait_for("synced: new connections are protected")

    def plug_in_guests(self) -> None:
        """Both with the same addresses."""
        for guest, nic, host in (
            (self.guest, GUEST_NIC, self.primary),
            (self.replica, REPLICA_NIC, self.secondary),
        ):
            guest.take(nic, host)
            guest.bring_up(nic, f"{GUEST_ADDRESS}/24")

    def unplug_client(self) -> None:
        """From here on nothing new comes from the network."""
        self.client.ip("link set eth0 down")


def _write_scripts(folder: Path, scripts: Iterable[tuple[str, str]]) -> None:
    """What QEMU, and we, run with a TAP's name when it is made and when it goes."""
    for name, line in scripts:
        script = folder / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
