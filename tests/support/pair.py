"""The whole pair: a client, two guests behind two ``twistd colo``, wired as QEMU's COLO-proxy document has it."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tests.support.namespaces import Host, Hosts
from tests.support.processes import Colo, wait_until
from tests.support.traffic import CLIENT, GUEST, GUEST_MAC, NO_SCRIPTS, TROUBLE
from tests.support.visits import Visits, serving

CLIENT_V6, GUEST_V6 = "fd00::1", "fd00::2"
PRIMARY_HOST, SECONDARY_HOST = "10.22.1.2", "10.22.1.3"
SYNCED = "synced: new connections are protected"
PORTS = {"mirror": 9003, "compare": 9004, "peer": 9005}

_PRIMARY = """
    -netdev tap,id=hn0,ifname=lan,{tap}
    -device e1000,id=e0,netdev=hn0,mac={mac}
    -chardev socket,id=mirror0,{mirror},server=on,wait=off
    -chardev socket,id=compare1,{compare},server=on,wait=off
    {inner}
    -object filter-mirror,id=m0,netdev=hn0,queue=tx,outdev=mirror0{vnet}
    -object filter-redirector,id=redire0,netdev=hn0,queue=rx,indev=compare_out{vnet}
    -object filter-redirector,id=redire1,netdev=hn0,queue=rx,outdev=compare0{vnet}
    -object iothread,id=iothread1
    -object colo-compare,id=comp0,primary_in=compare0-0,secondary_in=compare1,outdev=compare_out0{comparison}
"""
_SECONDARY = """
    -netdev tap,id=hn0,ifname=nowhere,{tap}
    -device e1000,id=e0,netdev=hn0,mac={mac}
    -chardev socket,id=red0,{mirror},reconnect=1
    -chardev socket,id=red1,{compare},reconnect=1
    -object filter-redirector,id=f1,netdev=hn0,queue=tx,indev=red0{vnet}
    -object filter-redirector,id=f2,netdev=hn0,queue=rx,outdev=red1{vnet}
    -object filter-rewriter,id=rew0,netdev=hn0,queue=all{vnet}
"""
_PRIMARY_PEER = "-chardev socket,id=peer0,{peer},server=on,wait=off -object colo-peer,id=cp0,chardev=peer0,role=primary"
_SECONDARY_PEER = "-chardev socket,id=peer0,{peer},reconnect=1 -object colo-peer,id=cp0,chardev=peer0,role=secondary"
_INNER_PAIRS = "-chardev pair,id=compare0,peer=compare0-0 -chardev pair,id=compare_out,peer=compare_out0"
_INNER_SOCKETS = """
    -chardev socket,id=compare0,host=127.0.0.1,port=9001,server=on,wait=off
    -chardev socket,id=compare0-0,host=127.0.0.1,port=9001
    -chardev socket,id=compare_out,host=127.0.0.1,port=9002,server=on,wait=off
    -chardev socket,id=compare_out0,host=127.0.0.1,port=9002
"""


@dataclass(frozen=True)
class Wiring:
    """
    How a pair is made.

    ``addresses`` has a chardev's properties by channel (mirror, compare, peer) where it isn't TCP between the hosts;
    ``secondary_addresses`` those that the secondary connects to, where they are others.
    """

    offloads: bool = True
    loopback: bool = False  # sockets of the loopback interface within the primary, in place of -chardev pair
    peer: bool = True
    compare: tuple[str, ...] = ()  # more properties of colo-compare
    more_primary: tuple[str, ...] = ()
    inner: str | None = None
    addresses: tuple[tuple[str, str], ...] = ()
    secondary_addresses: tuple[tuple[str, str], ...] = ()

    def _words(self, options: str, addresses: tuple[tuple[str, str], ...]) -> list[str]:
        tcp = {name: f"host={PRIMARY_HOST},port={port}" for name, port in PORTS.items()}
        vnet = ",vnet_hdr_support=on" if self.offloads else ""
        inner = self.inner or (_INNER_SOCKETS if self.loopback else _INNER_PAIRS)
        text = options.format(
            **{**tcp, **dict(addresses)},
            tap=NO_SCRIPTS + ("" if self.offloads else ",vnet_hdr=off"),
            mac=GUEST_MAC,
            vnet=vnet,
            inner=inner,
            comparison=",".join(("", "iothread=iothread1", *self.compare)) + vnet,
        )
        return text.split()

    def primary(self) -> list[str]:
        words = self._words(_PRIMARY + (_PRIMARY_PEER if self.peer else ""), self.addresses)
        return [*words, *self.more_primary]

    def secondary(self) -> list[str]:
        options = _SECONDARY + (_SECONDARY_PEER if self.peer else "")
        return self._words(options, self.secondary_addresses or self.addresses)


class HasOptions(Protocol):
    """What both processes are started with, in words."""

    def primary(self) -> list[str]: ...

    def secondary(self) -> list[str]: ...


class Pair(Visits):
    """A context manager: hosts, both processes, and a service in each guest."""

    guest: Host
    replica: Host
    primary: Colo
    secondary: Colo

    def __init__(self, folder: Path, wiring: HasOptions | None = None, ipv6: bool = False) -> None:
        self.folder = folder
        self._wiring = wiring or Wiring()
        self._ipv6 = ipv6
        self._stack = contextlib.ExitStack()
        self._starts = itertools.count()
        self._entries = 0  # that the ledgers must have
        self._before: dict[str, int] = {}

    def __enter__(self) -> Pair:
        with contextlib.ExitStack() as stack:
            hosts = stack.enter_context(Hosts())
            names = ("c", "p", "s", "g", "r")
            self.client, self.primary_host, self.secondary_host, self.guest, self.replica = map(hosts.add, names)
            hosts.cable(self.primary_host, "cross", self.secondary_host, "cross")
            self.primary_host.ip(f"addr add {PRIMARY_HOST}/24 dev cross")
            self.secondary_host.ip(f"addr add {SECONDARY_HOST}/24 dev cross")
            self._stack = stack.pop_all()
        try:
            self.start_primary()
            self._plug_in(self.client, "lan", self.primary_host, CLIENT, CLIENT_V6)
            self._plug_in(self.guest, "e0", self.primary_host, GUEST, GUEST_V6)
            self._serve("primary", self.guest)
            self._serve("secondary", self.replica)
            self.start_secondary()
            self._before = self._counted()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is not None:
            for colo in (self.primary, self.secondary):
                print(f"--- {colo.log.name}\n{colo.output[-6000:]}")
        self._stack.close()

    def start_primary(self) -> None:
        name = f"primary{next(self._starts)}"
        self.primary = self._stack.enter_context(
            Colo(self._wiring.primary(), self.folder, name, self.primary_host.name)
        )

    def start_secondary(self) -> None:
        """With the guest's interface, and until new connections are protected."""
        before = self.primary.output.count(SYNCED)
        name = f"secondary{next(self._starts)}"
        self.secondary = self._stack.enter_context(
            Colo(self._wiring.secondary(), self.folder, name, self.secondary_host.name)
        )
        self._plug_in(self.replica, "e0", self.secondary_host, GUEST, GUEST_V6)
        self.wait_synced(before + 1)

    def wait_synced(self, times: int) -> None:
        """Until the primary has said so many times that it is synced."""
        wait_until(lambda: self.primary.output.count(SYNCED) >= times, f"the primary being synced\n{self.primary.log}")

    def _plug_in(self, host: Host, interface: str, source: Host, address: str, v6: str) -> None:
        host.take(interface, source, f"{address}/24")
        if self._ipv6:
            host.run("sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=0")
            host.ip(f"addr add {v6}/64 dev {interface} nodad")

    def _serve(self, name: str, host: Host) -> None:
        self._stack.enter_context(serving(name, host, self.folder)).wait_for_output("serving")

    # what came of it

    def ledger(self, name: str) -> list[str]:
        """What a guest has written down: a line for each connection, in an order that tells nothing."""
        text = (self.folder / f"{name}.ledger").read_text()
        return sorted(text.splitlines())

    def wait_alike(self, entries: int) -> None:
        """Until both guests have written down so many connections and datagrams; they must be the same."""
        names = ("primary", "secondary")
        with contextlib.suppress(AssertionError):
            wait_until(lambda: all(len(self.ledger(name)) >= entries for name in names), "the ledgers")
        primary, secondary = map(self.ledger, names)
        only = [sorted(set(one) - set(other))[:5] for one, other in ((primary, secondary), (secondary, primary))]
        assert only == [[], []], f"{len(primary)} and {len(secondary)} entries; some are different"
        assert len(primary) == len(secondary) == entries

    def compared(self) -> dict[str, int]:
        """The comparer's counters."""
        return self.primary.counters()["object comp0"]

    def troubles(self) -> dict[str, int]:
        """Each counter of either process that ought to have stood still since all was synced, and what it counted."""
        return {
            name: value - self._before.get(name, 0)
            for name, value in self._counted().items()
            if value != self._before.get(name, 0)
        }

    def _counted(self) -> dict[str, int]:
        return {
            f"{name}'s {part} {counter}": value
            for name, colo in (("primary", self.primary), ("secondary", self.secondary))
            for part, values in colo.counters().items()
            for counter, value in values.items()
            if counter.startswith((*TROUBLE, "divergences", "unprotected"))
        }

    def check(self, visit: dict[str, Any]) -> None:
        """All was right at the client, alike in both guests, compared, and let go."""
        assert visit["wrong"] == []
        self._entries += visit["connections"]
        self.wait_alike(self._entries)
        assert self.troubles() == {}
        wait_until(lambda: self.compared().get("held_bytes", 0) == 0, "nothing being held any more")
