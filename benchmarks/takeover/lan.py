"""A client and the two of a pair at a switch, each with a process and a guest that can be lost."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import benchmarks.pair.server
from benchmarks.hosts import CLIENT_ADDRESS, GUEST_ADDRESS, GUEST_MAC, QUIET, Host, Hosts
from benchmarks.processes import BenchmarkError, Running, run, wait_until
from benchmarks.programs import COMPILED, OURS_WORDS
from colo_twisted.ctl.address import UnixAddress
from colo_twisted.ctl.client import Client
from colo_twisted.ctl.errors import Trouble

# The cables between the two: a bridge, each one's interface to it, and the addresses of primary and secondary.
CABLES = {
    "mirror": ("10.99.1.1", "10.99.1.2"),
    "secondary_in": ("10.99.2.1", "10.99.2.2"),
    "colo-peer": ("10.99.3.1", "10.99.3.2"),
}
_MIRROR, _SECONDARY_IN, _COLO_PEER = (primary for primary, _ in CABLES.values())
_SERVER = str(benchmarks.pair.server.__file__)
_FENCE = Path(__file__).parents[2] / "etc" / "fence-netns"

# direct=on: closed everywhere is dead. The pidfile is the guest's.
_PEER = "chardev=peer0,role={name},state-file={folder}/{name}.state,direct=on,guest-watch=pidfile:{folder}/{name}.guest"
_BOTH = f"""
    -netdev tap,id=hn0,ifname={{name}},script=no,downscript=no -device rtl8139,id=e0,netdev=hn0,mac={GUEST_MAC}
    -qmp unix:{{folder}}/{{name}}.qmp,server=on,wait=off
    -object colo-peer,id=cp0,{_PEER},{{deciding}}
"""
_PRIMARY = f"""
    {_BOTH}
    -chardev socket,id=mirror0,host={_MIRROR},port=9003,server=on,wait=off
    -chardev socket,id=compare1,host={_SECONDARY_IN},port=9004,server=on,wait=off
    -chardev socket,id=peer0,host={_COLO_PEER},port=9005,server=on,wait=off
    -chardev pair,id=compare0,peer=compare0-0 -chardev pair,id=compare_out,peer=compare_out0
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0,vnet_hdr_support=on
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out,vnet_hdr_support=on
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0,vnet_hdr_support=on
    -object iothread,id=iothread1
    -object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0,iothread=iothread1,vnet_hdr_support=on
"""  # noqa: E501 (a word is a word)
_SECONDARY = f"""
    {_BOTH}
    -chardev socket,id=red0,host={_MIRROR},port=9003,reconnect=1
    -chardev socket,id=red1,host={_SECONDARY_IN},port=9004,reconnect=1
    -chardev socket,id=peer0,host={_COLO_PEER},port=9005,reconnect=1
    -object filter-drop,id=gate0,netdev=hn0,queue=tx
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0,vnet_hdr_support=on
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1,vnet_hdr_support=on
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all,vnet_hdr_support=on
"""


class Mortal(Running):
    """A program that can be lost."""

    @property
    def pid(self) -> int:
        return self._popen.pid

    def signal(self, number: int) -> None:
        """Send it, and wait for nothing."""
        self._popen.send_signal(number)

    def __enter__(self) -> Mortal:
        return self


class Node:
    """One of the pair: its host's process, and its guest's server."""

    def __init__(self, name: str, options: str, host: Host, guest: Host, switch: Host) -> None:
        self.name = name  # 'primary' or 'secondary', and its TAP's name at the switch
        self._options = options
        self._host = host
        self._guest = guest
        self._switch = switch

    def start(self, stack: ExitStack, folder: Path, deciding: str) -> None:
        """Server and process, until the stack ends, with these properties of colo-peer's. Raises BenchmarkError."""
        self._control = UnixAddress(f"{folder}/{self.name}.qmp")
        self.server = stack.enter_context(Mortal(*self._guest.words(sys.executable, _SERVER, "0.0.0.0")))
        self.server.wait_to_say("listening")
        (folder / f"{self.name}.guest").write_text(f"{self.server.pid}\n")
        words = self._options.format(folder=folder, name=self.name, deciding=deciding).split()
        self.process = stack.enter_context(Mortal(*self._host.words(*OURS_WORDS, *words)))
        (folder / f"{self.name}.pid").write_text(f"{self.process.pid}\n")
        COMPILED.wait_for(self.process, self.name)
        self.process.wait_for(lambda: self._host.has(self.name) and self._host.has("e0"), f"{self.name}'s TAPs")
        self._host.ip(f"link set {self.name} netns {self._switch.name}")
        self._switch.ip(f"link set {self.name} up master lan")
        self._host.ip(f"link set e0 netns {self._guest.name}")
        self._guest.ip(f"addr add {GUEST_ADDRESS}/24 dev e0")
        self._guest.ip("link set e0 up")

    def state(self) -> str:
        """What it says it is: 'synced', 'taken-over', ... Raises BenchmarkError."""
        try:
            with Client(self._control) as client:
                return str(client.execute("query-colo-replica")["state"])
        except Trouble as trouble:
            raise BenchmarkError(f"{self.name}: {trouble}\n{self.process.output}") from None

    def wait_for_state(self, *states: str) -> None:
        """Raises BenchmarkError."""
        wait_until(lambda: self.state() in states, f"the {self.name} to be {' or '.join(states)}")


class Lan(Hosts):
    """A context manager that makes it: the middle is the switch."""

    def __init__(self) -> None:
        super().__init__()
        hosts = [Host(f"{self.middle.name}{number}") for number in (1, 2)]
        self.primary = Node("primary", _PRIMARY, hosts[0], self.guest, self.middle)
        self.secondary = Node("secondary", _SECONDARY, hosts[1], self.replica, self.middle)
        self._two = hosts

    def __enter__(self) -> Lan:
        super().__enter__()
        try:
            for bridge in ("lan", *CABLES):
                self.middle.ip(f"link add {bridge} type bridge forward_delay 0 mcast_snooping 0")
                self.middle.ip(f"link set {bridge} up")
            self._join(self.client, "lan", CLIENT_ADDRESS)
            for index, host in enumerate(self._two):
                self._made.append(host)
                run("ip", "netns", "add", host.name)
                host.ip("link set lo up")
                host.run("sysctl", "-qw", *QUIET)
                for cable, addresses in CABLES.items():
                    self._join(host, cable, addresses[index])
        except BaseException:
            self._remove()
            raise
        return self

    def wait_synced(self) -> None:
        """Both. Raises BenchmarkError."""
        for node in (self.primary, self.secondary):
            node.wait_for_state("synced")

    def cut(self, *cables: str) -> None:
        """Nothing passes between the two by these, and nobody is told."""
        for cable in cables:
            self.middle.ip(f"link set {cable} down")

    def mend(self, *cables: str) -> None:
        """They carry frames again."""
        for cable in cables:
            self.middle.ip(f"link set {cable} up")

    def write_fence(self, folder: Path) -> None:
        """The command 'fence' in the measurement's folder: the secondary switches the primary off with it."""
        path = folder / "fence"
        path.write_text(f"#!/bin/sh\nexec {_FENCE} {self.guest.name} {folder}/primary.pid {folder}/fencing\n")
        path.chmod(0o755)

    def _join(self, host: Host, bridge: str, address: str) -> None:
        """A cable from a host's interface, named as the bridge, to a port of that."""
        port = f"p{address.replace('.', '')}"
        host.ip(f"link add {bridge} type veth peer name {port} netns {self.middle.name}")
        self.middle.ip(f"link set {port} up master {bridge}")
        host.ip(f"addr add {address}/24 dev {bridge}")
        host.ip(f"link set {bridge} up")
